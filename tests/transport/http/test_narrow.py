"""Connections of the server, over real sockets: what it refuses, and for how long it waits."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable

import pytest

from callmux.transport.http import narrow, stateless
from callmux.transport.http.exchange import Exchange
from callmux.transport.http.narrow import MAX_HEADER_BYTES
from callmux.transport.http.serve import HttpServer, bind
from tests.support import run, until
from tests.transport.http.asgi import House
from tests.transport.http.test_stateless import request

GOOD = b"GET /hello HTTP/1.1\r\nhost: localhost\r\n%b\r\n"
LAST = GOOD % b"connection: close\r\n"


async def _hello(exchange: Exchange) -> None:
    await exchange.answer_json(200, {"hello": 1})


async def sent(port: int, data: bytes) -> bytes:
    """All that comes back until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def _house() -> House:
    return House(routes={"/hello": _hello})


def served(scene: Callable[[HttpServer, int], Awaitable[None]], house: Callable[[], House] = _house) -> None:
    async def whole() -> None:
        listening = bind("127.0.0.1", 0)
        server = HttpServer(house().app, listening)
        await server.start()
        try:
            await scene(server, listening.getsockname()[1])
        finally:
            await server.stop()
            listening.close()

    run(whole())


def test_a_good_request_is_answered() -> None:
    async def scene(server: HttpServer, port: int) -> None:
        answer = await sent(port, LAST)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b'{"hello":1}')
        assert b"server:" not in answer.lower()

    served(scene)


def test_endless_headers_are_refused_but_not_many_requests_of_one_connection() -> None:
    async def scene(server: HttpServer, port: int) -> None:
        start = b"GET /hello HTTP/1.1\r\nx-long: "
        answer = await sent(port, start.ljust(MAX_HEADER_BYTES + 1, b"x"))
        assert answer.startswith(b"HTTP/1.1 431 ")
        whole = GOOD % (b"x-long: %b\r\n" % (b"x" * 100_000))
        assert (await sent(port, whole)).startswith(b"HTTP/1.1 431 ")
        assert (await sent(port, whole.replace(b"/hello", b"/" * 80_000))).startswith(b"HTTP/1.1 414 ")
        many = GOOD % b"".join(b"x-%d: y\r\n" % n for n in range(narrow.MAX_HEADERS))
        assert (await sent(port, many)).startswith(b"HTTP/1.1 431 ")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            writer.write(GOOD % (b"x-long: %b\r\n" % (b"x" * 30_000)))
            assert (await reader.readuntil(b'{"hello":1}')).startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()
        await writer.wait_closed()

    served(scene)


POST = b"POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
PING = b'{"id":1,"method":"ping"}'
CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(PING), PING)


@pytest.mark.parametrize(
    "request_",
    [
        POST + b"content-length: 24\r\ntransfer-encoding: chunked\r\n\r\n" + CHUNKED,
        POST + b"transfer-encoding: chunked\r\ncontent-length: 24\r\n\r\n" + CHUNKED,
        POST + b"content-length: 24\r\ncontent-length: 3\r\n\r\n" + PING,
        POST + b"content-length: 24\r\ncontent-length: 24\r\n\r\n" + PING,
        POST + b"content-length: 24, 24\r\n\r\n" + PING,
        POST + b"content-length: +24\r\n\r\n" + PING,
        POST + b"content-length : 24\r\n\r\n" + PING,
        POST + b"content-length: 99999999999999999999\r\n\r\n" + PING,
        POST + b"transfer-encoding: gzip, chunked\r\n\r\n" + CHUNKED,
        POST + b"transfer-encoding: chunked, gzip\r\n\r\n" + CHUNKED,
        POST + b"transfer-encoding: xchunked\r\n\r\n" + CHUNKED,
        POST + b"transfer-encoding: identity\r\ncontent-length: 24\r\n\r\n" + PING,
        POST + b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n" + CHUNKED,
        POST + b"transfer-encoding:\x0bchunked\r\n\r\n" + CHUNKED,
        POST.replace(b"1.1", b"1.0") + b"transfer-encoding: chunked\r\n\r\n" + CHUNKED,
        POST + b"transfer-encoding:\r\n chunked\r\n\r\n" + CHUNKED,
        POST + b"x: a\r\n folded\r\ncontent-length: 24\r\n\r\n" + PING,
        POST + b"x: a\rtransfer-encoding: chunked\r\n\r\n" + CHUNKED,
        POST + b"x: a\0b\r\ncontent-length: 24\r\n\r\n" + PING,
        (POST + b"content-length: 24\r\n\r\n").replace(b"\r\n", b"\n") + PING,
        POST + b"transfer-encoding: chunked\r\n\r\n" + CHUNKED.replace(b"\r\n", b"\n"),
        POST + b"transfer-encoding: chunked\r\n\r\n-1\r\n\r\n",
        POST + b"transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        b"GET http://evil.example/hello HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET http://localhost@evil.example/hello HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET http://[bad HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        bytes(range(256)),
    ],
)
def test_a_head_that_can_be_read_in_two_ways_is_refused_and_ends_the_connection(
    request_: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    """One request in the eyes of a proxy must not be two in ours, and none is for another host."""

    async def scene(server: HttpServer, port: int) -> None:
        answer = await sent(port, request_)
        assert answer.partition(b" ")[2][:3] in (b"400", b"501")
        assert answer.count(b"HTTP/1.1 ") == 1

    served(scene)
    assert capfd.readouterr().err == "", "nonsense does not fill the log"


@pytest.mark.parametrize(("megabytes", "goes_on"), [(2, True), (64, False)])
def test_a_refused_body_is_read_to_its_end_only_if_that_is_near(megabytes: int, goes_on: bool) -> None:
    async def scene(server: HttpServer, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(POST + b"content-length: %d\r\n\r\n" % (megabytes * 1_000_000))
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 413 ")
        with contextlib.suppress(ConnectionError):
            for _ in range(megabytes):
                writer.write(b" " * 1_000_000)
                await writer.drain()
            writer.write(LAST)
            assert (b"HTTP/1.1 200 OK" in await reader.read()) is goes_on
        writer.close()

    served(scene)


def test_what_comes_after_a_body_is_no_header() -> None:
    seen: list[dict[str, str]] = []

    async def tells(exchange: Exchange) -> None:
        while (await exchange.receive()).get("more_body"):
            continue
        seen.append(dict(exchange.headers))
        await exchange.answer(200)

    async def scene(server: HttpServer, port: int) -> None:
        head = GOOD % b"connection: close\r\ntransfer-encoding: chunked\r\n"
        trailers = b"x-forwarded-for: 192.0.2.1\r\nauthorization: Bearer x\r\n"
        answer = await sent(port, head + b"1\r\na\r\n0\r\n" + trailers + b"\r\n")
        assert answer.startswith(b"HTTP/1.1 200 ")
        answer = await sent(port, head + b"1\r\na\r\n0\r\n" + b"x: y\r\n" * 100_000)
        assert b" 431 " in answer or answer == b""

    served(scene, lambda: House(routes={"/hello": tells}))
    assert seen[0].keys() == {"host", "connection", "transfer-encoding"}


def test_an_absolute_target_of_the_same_host_is_answered() -> None:
    async def scene(server: HttpServer, port: int) -> None:
        line = b"GET http://localhost/hello HTTP/1.1\r\nhost: LOCALHOST\r\nconnection: close\r\n\r\n"
        assert (await sent(port, line)).startswith(b"HTTP/1.1 200 OK\r\n")

    served(scene)


def test_headers_that_never_end_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(narrow, "HEADER_SECONDS", 0.05)

    async def scene(server: HttpServer, port: int) -> None:
        assert (await sent(port, b"GET /hello HTTP/1.1\r\n")).startswith(b"HTTP/1.1 408 ")

    served(scene)


def test_who_connects_and_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(narrow, "HEADER_SECONDS", 0.05)

    async def scene(server: HttpServer, port: int) -> None:
        assert await sent(port, b"") == b""
        await until(lambda: not server._server.server_state.connections, "the end of the connection")

    served(scene)


def test_a_kept_connection_may_be_silent_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(narrow, "HEADER_SECONDS", 0.05)

    async def scene(server: HttpServer, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GOOD % b"")
        await reader.readuntil(b'{"hello":1}')
        (protocol,) = server._server.server_state.connections
        assert isinstance(protocol, narrow.NarrowProtocol)
        assert protocol._header_timer is None
        writer.write(LAST)
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()
        await writer.wait_closed()

    served(scene)


def test_connections_that_carry_nothing_make_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(narrow, "most_connections", lambda: 3)

    async def scene(server: HttpServer, port: int) -> None:
        kept, ask = await asyncio.open_connection("127.0.0.1", port)
        ask.write(GOOD % b"")
        await kept.readuntil(b'{"hello":1}')
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
        await until(lambda: sum(reader.at_eof() for reader, _ in silent) == 18, "the others to be closed")
        ask.write(GOOD % b"")
        await kept.readuntil(b'{"hello":1}')
        assert (await sent(port, LAST)).startswith(b"HTTP/1.1 200 OK\r\n")
        for _, writer in [*silent, (kept, ask)]:
            writer.close()

    served(scene)


def test_descriptors_are_left_for_servers_and_files() -> None:
    assert 0 < narrow.most_connections() <= narrow.MOST_CONNECTIONS


@pytest.mark.parametrize("begun", [b"", b"ab"])
def test_a_body_that_never_ends_times_out(monkeypatch: pytest.MonkeyPatch, begun: bytes) -> None:
    monkeypatch.setattr(narrow, "BODY_SECONDS", 0.05)

    async def scene(server: HttpServer, port: int) -> None:
        head = b"POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n"
        assert (await sent(port, head + begun)).startswith(b"HTTP/1.1 408 ")

    served(scene)


def test_a_body_that_comes_slowly_but_steadily_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(narrow, "BODY_BYTES", 2)

    async def scene(server: HttpServer, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = b"POST /mcp HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
        writer.write(head + b"content-length: 12\r\n\r\n")
        await until(lambda: server._server.server_state.connections, "the connection")
        (protocol,) = server._server.server_state.connections
        assert isinstance(protocol, narrow.NarrowProtocol)
        for _ in range(5):
            writer.write(b"ab")
            await until(lambda: protocol._body_bytes == 2, "the bytes")
            protocol._look_at_body()
            assert protocol._body_bytes == 0
        writer.write(b"ab")
        assert (await reader.read()).startswith(b"HTTP/1.1 415 ")
        writer.close()
        await writer.wait_closed()

    served(scene)


def test_a_client_that_has_closed_its_sending_side_gets_its_answer() -> None:
    """The connection ends with it."""

    async def scene(server: HttpServer, port: int) -> None:
        for extra in (b"", b"connection: close\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            head = POST + b"accept: application/json\r\n" + extra
            writer.write(head + b"content-length: %d\r\n\r\n" % len(PING) + PING)
            writer.write_eof()
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert b"initialize first" in answer
            writer.close()
            await writer.wait_closed()

    served(scene)


@pytest.mark.parametrize("end", ["close", "write_eof"])
def test_a_request_that_is_cancelled_by_leaving_is_so_before_its_answer_begins(
    end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stateless, "PATIENCE_SECONDS", 1000)
    houses: list[House] = []

    def house() -> House:
        houses.append(_house())
        return houses[0]

    async def scene(server: HttpServer, port: int) -> None:
        body = json.dumps(request("slow")).encode()
        head = POST + b"accept: application/json, text/event-stream\r\n"
        head += b"mcp-protocol-version: 2026-07-28\r\nmcp-method: slow\r\n"
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
        table = houses[0].listener.table
        await until(lambda: any(seat.session.requests for seat in table), "the request")
        (seat,) = table
        getattr(writer, end)()
        await until(lambda: not seat.session.requests, "the cancellation")
        writer.close()
        await writer.wait_closed()

    served(scene, house)
