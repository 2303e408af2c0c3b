"""The server itself, over real sockets: what it binds, what it refuses, and how it stops."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from callmux.transport.http import serve
from callmux.transport.http.exchange import Exchange
from callmux.transport.http.serve import MAX_HEADER_BYTES, HttpServer, bind
from tests.support import run, until
from tests.transport.http.asgi import House

GOOD = b"GET /hello HTTP/1.1\r\nhost: localhost\r\n%b\r\n"
LAST = GOOD % b"connection: close\r\n"


async def _hello(exchange: Exchange) -> None:
    await exchange.answer_json(200, {"hello": 1})


async def _sent(port: int, data: bytes) -> bytes:
    """All that comes back until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def _served(scene: Callable[[HttpServer, int], Awaitable[None]]) -> None:
    async def whole() -> None:
        listening = bind("127.0.0.1", 0)
        server = HttpServer(House(routes={"/hello": _hello}).app, listening)
        await server.start()
        try:
            await scene(server, listening.getsockname()[1])
        finally:
            await server.stop()
            listening.close()

    run(whole())


def test_a_taken_port_is_refused() -> None:
    with bind("127.0.0.1", 0) as first:
        assert first.getblocking() is False
        with pytest.raises(OSError):
            bind("127.0.0.1", first.getsockname()[1])


def test_a_good_request_is_answered() -> None:
    async def scene(server: HttpServer, port: int) -> None:
        answer = await _sent(port, LAST)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b'{"hello":1}')
        assert b"server:" not in answer.lower()

    _served(scene)


def test_endless_headers_are_refused_but_not_many_requests_of_one_connection() -> None:
    async def scene(server: HttpServer, port: int) -> None:
        start = b"GET /hello HTTP/1.1\r\nx-long: "
        answer = await _sent(port, start.ljust(MAX_HEADER_BYTES + 1, b"x"))
        assert answer.startswith(b"HTTP/1.1 431 ")
        whole = GOOD % (b"x-long: %b\r\n" % (b"x" * 100_000))
        assert (await _sent(port, whole)).startswith(b"HTTP/1.1 431 ")
        assert (await _sent(port, whole.replace(b"/hello", b"/" * 80_000))).startswith(b"HTTP/1.1 431 ")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            writer.write(GOOD % (b"x-long: %b\r\n" % (b"x" * 30_000)))
            assert (await reader.readuntil(b'{"hello":1}')).startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()
        await writer.wait_closed()

    _served(scene)


def test_headers_that_never_end_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "HEADER_SECONDS", 0.05)

    async def scene(server: HttpServer, port: int) -> None:
        assert (await _sent(port, b"GET /hello HTTP/1.1\r\n")).startswith(b"HTTP/1.1 408 ")

    _served(scene)


def test_who_connects_and_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "HEADER_SECONDS", 0.05)

    async def scene(server: HttpServer, port: int) -> None:
        assert await _sent(port, b"") == b""
        await until(lambda: not server._server.server_state.connections, "the end of the connection")

    _served(scene)


def test_a_kept_connection_may_be_silent_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "HEADER_SECONDS", 0.05)

    async def scene(server: HttpServer, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GOOD % b"")
        await reader.readuntil(b'{"hello":1}')
        (protocol,) = server._server.server_state.connections
        assert isinstance(protocol, serve.NarrowProtocol)
        assert protocol._header_timer is None
        writer.write(LAST)
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()
        await writer.wait_closed()

    _served(scene)


def test_connections_that_carry_nothing_make_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "most_connections", lambda: 3)

    async def scene(server: HttpServer, port: int) -> None:
        kept, ask = await asyncio.open_connection("127.0.0.1", port)
        ask.write(GOOD % b"")
        await kept.readuntil(b'{"hello":1}')
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
        await until(lambda: sum(reader.at_eof() for reader, _ in silent) == 18, "the others to be closed")
        ask.write(GOOD % b"")
        await kept.readuntil(b'{"hello":1}')
        assert (await _sent(port, LAST)).startswith(b"HTTP/1.1 200 OK\r\n")
        for _, writer in [*silent, (kept, ask)]:
            writer.close()

    _served(scene)


def test_descriptors_are_left_for_servers_and_files() -> None:
    assert 0 < serve.most_connections() <= serve.MOST_CONNECTIONS


@pytest.mark.parametrize("begun", [b"", b"ab"])
def test_a_body_that_never_ends_times_out(monkeypatch: pytest.MonkeyPatch, begun: bytes) -> None:
    monkeypatch.setattr(serve, "BODY_SECONDS", 0.05)

    async def scene(server: HttpServer, port: int) -> None:
        head = b"POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n"
        assert (await _sent(port, head + begun)).startswith(b"HTTP/1.1 408 ")

    _served(scene)


def test_a_body_that_comes_slowly_but_steadily_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "BODY_BYTES", 2)

    async def scene(server: HttpServer, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = b"POST /mcp HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
        writer.write(head + b"content-length: 12\r\n\r\n")
        await until(lambda: server._server.server_state.connections, "the connection")
        (protocol,) = server._server.server_state.connections
        assert isinstance(protocol, serve.NarrowProtocol)
        for _ in range(5):
            writer.write(b"ab")
            await until(lambda: protocol._body_bytes == 2, "the bytes")
            protocol._look_at_body()
            assert protocol._body_bytes == 0
        writer.write(b"ab")
        assert (await reader.read()).startswith(b"HTTP/1.1 415 ")
        writer.close()
        await writer.wait_closed()

    _served(scene)


def test_a_client_that_has_closed_its_sending_side_gets_its_answer() -> None:
    """The connection ends with it."""

    async def scene(server: HttpServer, port: int) -> None:
        for extra in (b"", b"connection: close\r\n"):
            body = b'{"id":1,"method":"ping"}'
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            head = b"POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            head += b"accept: application/json\r\n" + extra
            writer.write(head + b"content-length: %d\r\n\r\n" % len(body) + body)
            writer.write_eof()
            answer = await reader.read()
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert b"initialize first" in answer
            writer.close()
            await writer.wait_closed()

    _served(scene)


def test_a_server_that_stops_accepting_still_serves_its_connections() -> None:
    async def scene(server: HttpServer, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GOOD % b"")
        await reader.readuntil(b'{"hello":1}')
        await server.stop_accepting()
        with pytest.raises(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
            pass
        writer.write(LAST)
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()
        await writer.wait_closed()

    _served(scene)


def test_connections_are_let_go_once_they_carry_nothing() -> None:
    async def scene(server: HttpServer, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GOOD % b"")
        await reader.readuntil(b'{"hello":1}')
        half, started = await asyncio.open_connection("127.0.0.1", port)
        started.write(b"GET /hello HTTP/1.1\r\nhost: ")
        # Whatever reaches the server after this one, the half request has reached it before.
        await _sent(port, LAST)
        assert server.let_go()
        assert await reader.read() == b""
        started.write(b"localhost\r\nconnection: close\r\n\r\n")
        assert (await half.read()).endswith(b'{"hello":1}')
        while server.let_go():
            await asyncio.sleep(0.01)
        for one in (writer, started):
            one.close()
            await one.wait_closed()

    _served(scene)
