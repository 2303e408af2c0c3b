"""The server itself, over real sockets: what it binds, and how it stops."""

from __future__ import annotations

import asyncio
import socket

import pytest

from callmux.transport.http.serve import HttpServer, bind
from tests.transport.http.test_narrow import GOOD, LAST, sent, served


def test_a_taken_port_is_refused() -> None:
    with bind("127.0.0.1", 0) as first:
        assert first.getblocking() is False
        with pytest.raises(OSError):
            bind("127.0.0.1", first.getsockname()[1])


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

    served(scene)


def test_connections_are_let_go_once_they_carry_nothing() -> None:
    async def scene(server: HttpServer, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GOOD % b"")
        await reader.readuntil(b'{"hello":1}')
        half, started = await asyncio.open_connection("127.0.0.1", port)
        started.write(b"GET /hello HTTP/1.1\r\nhost: ")
        # Whatever reaches the server after this one, the half request has reached it before.
        await sent(port, LAST)
        assert server.let_go()
        assert await reader.read() == b""
        started.write(b"localhost\r\nconnection: close\r\n\r\n")
        assert (await half.read()).endswith(b'{"hello":1}')
        while server.let_go():
            await asyncio.sleep(0.01)
        for one in (writer, started):
            one.close()
            await one.wait_closed()

    served(scene)
