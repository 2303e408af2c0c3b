"""The older transport: a stream that names where to post, and a session that lives as long as it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from callmux.config.model import Config
from callmux.protocol.sse import EventBuffer
from callmux.transport.http import sse
from tests.support import settle
from tests.transport.http.asgi import LISTENING, POSTED, Call, House


class Slow(Call):
    """A client that reads only while it is let."""

    def __init__(self) -> None:
        super().__init__("GET", "/sse", LISTENING)
        self.reads = asyncio.Event()
        self.reads.set()

    async def send(self, event: Any) -> None:
        await self.reads.wait()
        await super().send(event)


async def _opened(house: House, stream: Call | None = None) -> tuple[Call, asyncio.Task[Call], bytes]:
    """A stream, who serves it, and the query to post with."""
    stream = stream or Call("GET", "/sse", LISTENING)
    task = house.begins(stream)
    await stream.until_sent(b"\n\n")
    (endpoint,) = EventBuffer().feed(stream.body)
    assert endpoint.name == "endpoint"
    path, _, query = endpoint.data.partition(b"?")
    assert path == b"/messages"
    return stream, task, query


def _message(query: bytes, message: Any) -> Call:
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return Call("POST", "/messages", POSTED, body, query)


async def test_a_post_is_accepted_and_answered_on_the_stream() -> None:
    house = House()
    stream, task, query = await _opened(house)
    got = await house.answers(_message(query, {"id": 1, "method": "chatty"}))
    assert (got.status, got.body) == (202, b"Accepted")
    await stream.until_sent(b'"result":{"did": "chatty"}')
    events = [e.name for e in EventBuffer().feed(stream.body)]
    assert events == ["endpoint", "message", "message"]
    stream.leave()
    await task


async def test_a_post_of_many_lines_goes_on_as_one() -> None:
    house = House()
    stream, task, query = await _opened(house)
    await house.answers(_message(query, b'{"jsonrpc": "2.0", "id": 1, "method": "x",\n"params": {\n"a": 1}}'))
    await stream.until_sent(b'"result":{"did": "x"}')
    assert house.desk.params == [b'{"a":1}']
    stream.leave()
    await task


async def test_the_session_ends_with_its_stream() -> None:
    house = House()
    stream, task, query = await _opened(house)
    assert len(house.listener.table) == 1
    stream.leave()
    await task
    assert (len(house.listener.table), house.ledger.ended_ids) == (0, house.ledger.begun_ids)
    assert (await house.answers(_message(query, {"id": 1, "method": "x"}))).status == 400


async def test_a_drained_listener_ends_the_stream_properly() -> None:
    house = House()
    stream, task, _ = await _opened(house)
    await house.listener.drain(1)
    await task
    assert stream.complete


async def test_posts_without_a_session_or_a_message_are_refused() -> None:
    house = House()
    stream, task, query = await _opened(house)
    hello = {"id": 1, "method": "x"}
    for call, error in (
        (_message(b"", hello), "Missing sessionId"),
        (_message(b"sessionId=made-up", hello), "Invalid session"),
        (_message(b"sessionId=" + (await house.greets()).encode(), hello), "Invalid session"),
        (_message(query, b"{"), "Invalid JSON body: the message is not valid JSON"),
    ):
        got = await house.answers(call)
        assert (got.status, got.json["error"]) == (400, error)
    stream.leave()
    await task


async def test_an_idle_stream_is_kept_alive_and_without_room_there_is_none() -> None:
    house = House(Config(listener_max_sessions=1))
    stream, task, _ = await _opened(house)
    await asyncio.wait({task}, timeout=16)
    assert stream.body.count(b": alive\n\n") == 1
    full = await house.answers(Call("GET", "/sse", LISTENING))
    assert (full.status, full.headers["Retry-After"]) == (503, "1")
    stream.leave()
    await task


async def test_a_client_that_does_not_read_is_held_back_and_loses_no_answer() -> None:
    """Everything it was promised comes once it reads; what is refused was not begun."""

    house = House()
    stream = Slow()
    _, task, query = await _opened(house, stream)
    stream.reads.clear()
    accepted = []
    for n in range(sse.MOST_OWED + 2):
        got = await house.answers(_message(query, {"id": n, "method": "chatty"}))
        await settle()
        if got.status == 202:
            accepted.append(n)
        else:
            assert (got.status, got.headers["Retry-After"]) == (503, "1")
            assert "GET /sse" in got.json["error"]
    # What is being written when it stops to read is no longer ours to hold back.
    assert sse.MOST_OWED <= len(accepted) <= sse.MOST_OWED + 1
    assert len(house.desk.params) == len(accepted)
    late = house.begins(_message(query, {"id": 9999, "method": "x"}))
    await settle()
    assert not late.done()
    stream.reads.set()
    assert (await late).status == 202
    await stream.until_sent(b'"id":9999,')
    got_ids = [json.loads(e.data)["id"] for e in EventBuffer().feed(stream.body) if b'"result"' in e.data]
    assert got_ids == [*accepted, 9999]
    stream.leave()
    await task


async def test_a_session_that_ends_lets_those_go_who_are_held_back() -> None:
    house = House()
    stream = Slow()
    _, task, query = await _opened(house, stream)
    (seat,) = house.listener.table
    for n in range(sse.MOST_OWED):
        seat.own.push(b"%d\n" % n, is_answer=True)
    stream.reads.clear()
    late = house.begins(_message(query, {"id": 1, "method": "x"}))
    await settle()
    assert not late.done()
    seat.end()
    assert (await late).status == 400
    stream.reads.set()
    await task
