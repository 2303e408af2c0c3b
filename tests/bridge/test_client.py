"""HTTP/1.1 as far as a bridge needs it: connections are kept, and a dead one is never written to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from callmux.bridge.client import Connection, HttpClient
from callmux.bridge.endpoint import read_endpoint
from callmux.bridge.failures import LinkFailure, Reason
from tests.bridge.bench import FakeListener
from tests.support import SECONDS, real_loop, until

GET = b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n"


class Kept:
    """An answer, kept."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.data = b""
        self.ended: str | None = None
        self.whole: bytes | None = None
        self.takes = True

    def takes_whole(self, body: bytes) -> bool:
        if self.takes:
            self.whole, self.ended = body, "done"
        return self.takes

    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        self.status, self.headers = status, headers

    def body(self, data: bytes) -> None:
        self.data += data

    def done(self) -> None:
        self.ended = "done"

    def broke(self, message: str) -> None:
        self.ended = message


@asynccontextmanager
async def answering(*answers: bytes | Callable[[Any], Awaitable[None] | None]) -> Any:
    """A listener that gives these answers, one a request, and a client of it."""
    async with FakeListener() as listener:
        left = list(answers)

        def script(x: Any) -> Awaitable[None] | None:
            answer = left.pop(0)
            if isinstance(answer, bytes):
                x.raw(answer)
                return None
            return answer(x)

        listener.script["GET"] = script
        client = HttpClient(listener.endpoint)
        yield client, listener
        client.close()


async def ask(client: HttpClient) -> Kept:
    reply = Kept()
    connection = client.take() or await client.connect()
    connection.start(GET, reply)
    await until(lambda: reply.ended is not None, "an answer")
    return reply


@real_loop()
async def test_a_connection_is_used_again() -> None:
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Y: z\r\n\r\nhi"
    async with answering(ok, ok) as (client, _):
        reply = await ask(client)
        assert (reply.status, reply.data, reply.headers[b"x-y"], reply.ended) == (
            200,
            b"hi",
            b"z",
            "done",
        )
        assert repr(client) == "HttpClient(1 connections, 1 idle)"
        await ask(client)
        assert repr(client) == "HttpClient(1 connections, 1 idle)"


@real_loop()
@pytest.mark.parametrize(
    ("answer", "data"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", b"abc"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", b"x"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx", b"x"),
    ],
)
async def test_answers_of_every_framing(answer: bytes, data: bytes) -> None:
    async with answering(answer) as (client, _):
        reply = await ask(client)
        assert (reply.data, reply.ended) == (data, "done")
        assert (client.take() is None) == (b"close" in answer)


@real_loop()
async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    def script(x: Any) -> None:
        x.raw(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        x._writer.close()

    async with answering(script) as (client, _):
        reply = await ask(client)
        assert (reply.data, reply.ended) == (b"all of it", "done")


@real_loop()
async def test_an_answer_that_breaks_off_is_broken() -> None:
    def script(x: Any) -> None:
        x.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        x._writer.close()

    async with answering(script, b"no HTTP at all\r\n\r\n") as (client, _):
        assert "broke" in str((await ask(client)).ended)
        assert "cannot be read" in str((await ask(client)).ended)
        assert client.take() is None


@real_loop()
async def test_a_connection_that_was_closed_meanwhile_is_not_used() -> None:
    """Not even where the event loop has not heard of it: what is written there would be lost."""

    async with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as (client, listener):
        await ask(client)
        kept = client.take()
        assert kept is not None
        client.keep(kept, b"")
        for writer in list(listener._writers):
            writer.transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        # No turn of the loop in between.
        assert not kept.is_open
        assert client.take() is None


@real_loop()
async def test_a_listener_says_how_long_a_connection_is_kept() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeep-Alive: max=3, timeout=%d\r\n\r\n"
    async with answering(answer % 1, answer % 60) as (client, _):
        await ask(client)
        assert client.take() is None
        await ask(client)
        kept = client.take()
        assert kept is not None
        assert kept.keep_seconds == 59.0
        client.keep(kept, b"timeout=x")
        assert kept.keep_seconds == 4.0


@real_loop()
async def test_what_nobody_asked_for_ends_the_connection() -> None:
    twice = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    def script(x: Any) -> None:
        x.raw(twice)
        asyncio.get_running_loop().call_later(0.01, x.raw, b"HTTP/1.1 408 Timeout\r\n\r\n")

    async with answering(script) as (client, _):
        await ask(client)
        await until(lambda: repr(client) == "HttpClient(0 connections, 0 idle)")


@real_loop()
@pytest.mark.parametrize("more", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", b"H"])
async def test_a_second_answer_to_one_request_is_not_taken_for_that_to_the_next(more: bytes) -> None:
    """Kept twice, a connection would carry two requests at once; kept in the middle of it, half of one."""
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b"
    async with answering(ok % (1, b"a") + (more or ok % (1, b"b")), ok % (1, b"c")) as (client, _):
        assert (await ask(client)).data == b"a"
        assert client.take() is None
        assert (await ask(client)).data == b"c"
        await until(lambda: repr(client) == "HttpClient(1 connections, 1 idle)")


@real_loop()
async def test_a_paused_client_reads_nothing() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as (client, _):
        client.flow(False)
        reply = Kept()
        connection = await client.connect()
        connection.start(GET, reply)
        await asyncio.sleep(0.05)
        assert reply.status == 0
        client.flow(True)
        await until(lambda: reply.ended == "done")


@real_loop()
@pytest.mark.parametrize("url", ["http://127.0.0.1:1/mcp", "http://no-such-host.invalid/mcp"])
async def test_a_refused_connection_has_sent_nothing(url: str) -> None:
    with pytest.raises(LinkFailure) as caught:
        await HttpClient(read_endpoint(url)).connect()
    assert caught.value.reason is Reason.UNREACHABLE
    assert not caught.value.started


@real_loop()
async def test_a_listener_without_tls_is_no_https_listener() -> None:
    async with FakeListener() as listener:
        client = HttpClient(read_endpoint(listener.url.replace("http:", "https:")))
        with pytest.raises(LinkFailure) as caught:
            async with asyncio.timeout(SECONDS):
                await asyncio.gather(client.connect(), _break(listener))
        assert caught.value.reason is Reason.UNREACHABLE


async def _break(listener: FakeListener) -> None:
    await until(lambda: bool(listener._writers))
    for writer in listener._writers:
        writer.write(b"HTTP/1.1 400 no\r\n\r\n")


PLAIN = (
    b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: 2\r\nmcp-session-id: s\r\n"
    b"content-type: application/json\r\nx-request-id: r\r\n\r\n{}"
)


def fed(data: bytes, *, takes: bool = True) -> tuple[Kept, Connection]:
    """What becomes of an answer that comes in one piece."""
    client = HttpClient.__new__(HttpClient)
    client._idle, client._idle_elsewhere, client._all = [], {}, set()
    client._loop = cast(Any, FakeClock())
    connection, reply = Connection(client), Kept()
    reply.takes = takes
    connection._transport = cast(Any, Written())
    connection.start(b"", reply)
    connection.data_received(data)
    return reply, connection


class FakeClock:
    def time(self) -> float:
        return 1.0


class Written:
    def write(self, data: bytes) -> None:
        """Goes nowhere."""

    def close(self) -> None:
        """Nothing more comes."""

    abort = close


def test_an_answer_like_nearly_every_one_is_taken_whole_and_its_connection_kept() -> None:
    reply, connection = fed(PLAIN)
    assert (reply.whole, reply.ended, reply.status) == (b"{}", "done", 0)
    assert repr(connection) == "Connection(idle)"
    assert connection._client._idle == [connection]


@pytest.mark.parametrize(
    "head",
    [
        # nginx, and what it is often told to add.
        b"Server: nginx/1.22.1\r\nDate: today\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
        b"Connection: keep-alive\r\nmcp-session-id: s\r\nx-request-id: r\r\n",
        b"Server: nginx\r\nContent-Length: 2\r\nContent-Type: application/json\r\nConnection: Keep-Alive\r\n"
        b"Strict-Transport-Security: max-age=1\r\nX-Frame-Options: DENY\r\nX_Own:\r\n",
        # Envoy and Caddy.
        b"date: today\r\ncontent-length: 2\r\ncontent-type: application/json\r\n"
        b"x-envoy-upstream-service-time: 3\r\nserver: envoy\r\n",
        b"Alt-Svc: h3=1\r\nContent-Length: 2\r\nContent-Type: application/json\r\nVia: 1.1 Caddy\r\n",
    ],
)
def test_so_is_what_a_proxy_made_of_it(head: bytes) -> None:
    reply, connection = fed(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n{}")
    assert (reply.whole, reply.ended, reply.status) == (b"{}", "done", 0)
    assert connection._client._idle == [connection]


@pytest.mark.parametrize("name", [b"x-request-id", b"X-Request-Id"])
@pytest.mark.parametrize(
    "other",
    [
        b"Connection: close",
        b"Connection: keep-alive, upgrade",
        b"Keep-Alive: timeout=5",
        b"Content-Encoding: gzip",
        b"Content-Length: 2",
        b"Content-Type: text/plain",
        b"Transfer-Encoding: chunked",
        b"Trailer: x",
        b"Upgrade: h2c",
        b"X-Other: 1\r\n folded",
        b"X-Other : 1",
    ],
)
def test_what_says_more_than_that_is_parsed(name: bytes, other: bytes) -> None:
    """Whether the rest looks as ours or as a proxy's."""
    data = PLAIN.replace(b"x-request-id: r", name + b": r\r\n" + other)
    assert fed(data)[0].whole is None
    before = PLAIN.replace(b"date: today", other + b"\r\n" + name + b": r")
    assert fed(before)[0].whole is None


@pytest.mark.parametrize(
    "data",
    [
        PLAIN.replace(b"200 OK", b"202 Accepted"),
        PLAIN.replace(b"200 OK", b"404 Not Found"),
        PLAIN.replace(b"application/json", b"text/event-stream"),
        PLAIN.replace(b"application/json", b"application/json; charset=x"),
        PLAIN.replace(b"x-request-id: r", b"connection: close"),
        PLAIN.replace(b"x-request-id: r", b"keep-alive: timeout=5"),
        PLAIN.replace(b"x-request-id: r", b"content-encoding: gzip"),
        PLAIN.replace(b"x-request-id: r", b"transfer-encoding: chunked"),
        PLAIN.replace(b"content-length: 2\r\n", b""),
        PLAIN.replace(b"content-length: 2\r\n", b"content-length: 2\r\ncontent-length: 2\r\n"),
        PLAIN[:-1],
        PLAIN + b"x",
        PLAIN[:40],
    ],
)
def test_any_other_answer_is_parsed(data: bytes) -> None:
    assert fed(data)[0].whole is None


def test_what_its_reply_does_not_take_whole_is_parsed() -> None:
    reply, connection = fed(PLAIN, takes=False)
    assert (reply.whole, reply.status, reply.data, reply.ended) == (None, 200, b"{}", "done")
    connection._client._idle.clear()
    connection.start(b"", reply)
    reply.takes = True
    connection.data_received(PLAIN)
    assert reply.whole == b"{}"
    # In the middle of another answer it is a part of that.
    split, other = fed(PLAIN[:50])
    other.data_received(PLAIN[50:])
    assert (split.whole, split.data) == (None, b"{}")
