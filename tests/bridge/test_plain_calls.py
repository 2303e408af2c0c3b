"""Plain calls: answered in the callback that brings the answer, or handed on from where they are."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from msgspec import Raw

from callmux.bridge.client import Connection, HttpClient
from callmux.bridge.endpoint import read_endpoint
from callmux.bridge.heads import Heads
from callmux.bridge.plain_calls import LOOK_SECONDS, PlainCall, Sent, SentCalls
from callmux.session.handler import Handler
from callmux.session.request import Request
from callmux.session.session import Session
from callmux.transport.http.direct import DirectProtocol
from tests.transport.http.asgi import House
from tests.transport.http.wire import Server, post

GREETING = {"protocolVersion": "2025-11-25", "capabilities": {}}
PARAMS = Raw(b'{"name":"t","arguments":{}}')


class Taken:
    """What takes an answer from then on."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        self.seen.append(status)

    def body(self, data: bytes) -> None:
        self.seen.append(data)

    def done(self) -> None:
        self.seen.append("done")

    def broke(self, message: str) -> None:
        self.seen.append(message)

    def takes_whole(self, body: bytes) -> bool:
        return False

    def close(self) -> None:
        self.seen.append("closed")


class Carrier:
    """A connection whose other end is the test."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True

    close = abort


class Bench:
    """A link with one connection, and a client."""

    def __init__(self, *, free: bool = True) -> None:
        self.loop = asyncio.get_running_loop()
        self.heads = Heads(read_endpoint("http://h/mcp"), {})
        self.count = 6
        self.http = HttpClient(read_endpoint("http://h/mcp"))
        self.carrier = Carrier()
        self.connection = Connection(self.http)
        self.connection._transport = cast(Any, self.carrier)
        self.connection.idle_since = self.loop.time()
        if free:
            self.http._idle.append(self.connection)
        self.withdrawn: list[Any] = []
        self.gone_on: list[tuple[PlainCall, Sent]] = []
        self.lines: list[bytes] = []
        self.taken = Taken()
        self.plain = SentCalls(self, self.http)
        self.session = Session(cast(Handler[Session], None), self.lines.append)
        self.request = Request(self.session, "a", "tools/call")
        self.session.peer.in_flight["a"] = self.request

    def sent(self, id: int, connection: Connection, since: float) -> Sent:
        waiter = self.loop.create_future()
        return Sent(cast(Any, self), id, waiter, cast(Any, self.taken), since)

    def withdraw(self, id: int, method: str, reason: str | None) -> None:
        self.withdrawn.append((id, method, reason))

    def begin(self) -> bool:
        return self.plain.begin(self.request, PARAMS, lambda call, sent: self.gone_on.append((call, sent)))

    def answers(self, body: bytes, word: bytes = b"OK") -> None:
        head = b"HTTP/1.1 200 %b\r\ncontent-length: %d\r\ncontent-type: application/json\r\n\r\n"
        self.connection.data_received(head % (word, len(body)) + body)


async def test_a_plain_call_is_sent_and_answered_at_once() -> None:
    bench = Bench()
    assert bench.begin()
    (message,) = bench.carrier.written
    assert message.endswith(
        b'\r\n\r\n{"jsonrpc":"2.0","id":7,"method":"tools/call","params":%b}' % bytes(PARAMS)
    )
    assert repr(bench.plain) == "SentCalls(1)"
    bench.answers(b'{"jsonrpc":"2.0","id":7,"result":{"content":[]}}')
    assert bench.lines == [b'{"jsonrpc":"2.0","id":"a","result":{"content":[]}}\n']
    assert (bench.request.job, bench.gone_on) == (None, [])
    assert bench.http._idle == [bench.connection]
    await asyncio.sleep(5 * LOOK_SECONDS)
    assert bench.plain._timer is None
    assert bench.gone_on == []


async def test_a_callmux_answers_such_calls_without_an_exchange() -> None:
    server = Server(DirectProtocol, House())
    connection = server.connect()
    connection.send(post({"id": 0, "method": "initialize", "params": GREETING}, None))
    await connection.settle()
    bench = Bench()
    bench.heads = Heads(
        read_endpoint("http://localhost/mcp"), {"x-callmux-cwd": "/", "x-callmux-client": "b"}
    )
    bench.heads.session_id = connection.answers[0].headers["mcp-session-id"]
    bench.heads.version = "2025-11-25"
    bench.heads.renew()
    assert bench.begin()
    connection.send(bench.carrier.written[0])
    await connection.settle()
    cycle = connection.protocol.cycle
    bench.answers(connection.answers[1].body)
    assert bench.begin()
    connection.send(bench.carrier.written[1])
    await connection.settle()
    assert connection.answers[2].json["id"] == 8
    assert connection.protocol.cycle is cycle


async def test_without_a_free_connection_nothing_has_happened() -> None:
    bench = Bench(free=False)
    assert not bench.begin()
    assert (bench.count, bench.request.job, bench.carrier.written) == (6, None, [])


async def test_an_answer_out_of_the_ordinary_is_taken_from_its_beginning() -> None:
    bench = Bench()
    bench.begin()
    body = b'{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":"m"}}'
    bench.answers(body)
    assert bench.taken.seen == [200, body, "done"]
    ((call, sent),) = bench.gone_on
    assert (call.params, sent.id, sent.since) == (PARAMS, 7, call.since)
    assert (bench.request.job, bench.lines) == (None, [])


async def test_a_call_whose_connection_breaks_goes_on() -> None:
    bench = Bench()
    bench.begin()
    bench.connection.connection_lost(None)
    assert bench.taken.seen == ["the connection to the listener broke"]
    assert len(bench.gone_on) == 1


@pytest.mark.parametrize("offset", [0.0, 0.3])
async def test_a_call_that_takes_long_goes_on_as_any_other(offset: float) -> None:
    bench = Bench()
    bench.plain._timer = bench.loop.call_later(LOOK_SECONDS - offset, bench.plain._look)
    bench.begin()
    await asyncio.sleep(0.4)
    assert bench.gone_on == []
    await asyncio.sleep(2 * LOOK_SECONDS)
    assert [sent.id for _, sent in bench.gone_on] == [7]
    bench.answers(b'{"jsonrpc":"2.0","id":7,"result":{}}')
    assert bench.taken.seen[0] == 200
    assert repr(bench.plain) == "SentCalls(0)"


async def test_a_call_that_its_client_gives_up_is_withdrawn() -> None:
    bench = Bench()
    bench.begin()
    bench.request.cancel("enough")
    assert bench.withdrawn == [(7, "tools/call", "enough")]
    assert (bench.carrier.closed, bench.request.job) == (True, None)
    bench.request.cancel("enough")
    assert len(bench.withdrawn) == 1


async def test_a_link_that_ends_has_no_plain_calls() -> None:
    bench = Bench()
    bench.begin()
    bench.plain.close()
    assert len(bench.gone_on) == 1
    bench.plain.close()
    assert len(bench.gone_on) == 1


async def test_whoever_was_cancelled_before_it_began_to_wait_leaves_nothing_behind() -> None:
    bench = Bench()
    bench.begin()
    bench.plain.close()
    ((_, sent),) = bench.gone_on
    sent.forget()
    assert (bench.withdrawn, bench.taken.seen) == ([(7, "tools/call", None)], ["closed"])
    sent.forget()
    assert len(bench.withdrawn) == 1
