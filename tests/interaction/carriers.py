"""What can stand between callmux and a `RawServer`: memory, a child process, Streamable HTTP, or HTTP+SSE.

Each carrier is an async context manager that gives the server's entry for a configuration. All but `memory`
are real: real pipes, real sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from callmux.protocol import jsonrpc
from callmux.upstream.failures import lost
from callmux.upstream.links.link import Listener

from .raw_server import Call, Json, Peer, RawServer

CARRIERS = ("memory", "stdio", "http", "http-json", "sse")
"""`http` answers each request on an event stream of its own, `http-json` with a JSON body."""


class MemoryLink:
    """A link whose other end is a peer in this very loop."""

    transport = "stdio"

    def __init__(self, server: RawServer) -> None:
        self._server = server
        self._peer: Peer | None = None
        self._listener: Listener | None = None

    async def open(self, listener: Listener) -> None:
        self._listener = listener
        self._peer = self._server.connect(self._deliver)
        self._peer.hang_up = self._hang_up

    def _hang_up(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.lost(lost("the server ended", started=True))

    def _deliver(self, line: bytes, about: Call | None) -> None:
        stream = about.id if about is not None and self._server.streams else None
        asyncio.get_running_loop().call_soon(self._hand_over, line, stream)

    def _hand_over(self, line: bytes, stream: int | None) -> None:
        if self._listener is not None:
            self._listener.received(jsonrpc.parse(line), stream)

    def send(self, line: bytes, id: int | None = None, last: bool = False) -> None:
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1
        if self._peer is not None and self._peer.open:
            asyncio.get_running_loop().call_soon(self._peer.receive, line)

    def agreed(self, protocol_version: str) -> None: ...

    def abandon(self, id: int) -> None: ...

    async def close(self) -> None:
        self._listener = None
        if self._peer is not None:
            await self._peer.close()


PIPE = """
import os, socket, sys, threading
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
def copy(read, write, end):
    while data := read(65536):
        write(data)
    end()
def write(data):
    view = memoryview(data)
    while view:
        view = view[os.write(1, view):]
threading.Thread(target=copy, args=(s.recv, write, lambda: os._exit(0)), daemon=True).start()
copy(lambda n: os.read(0, n), s.sendall, lambda: s.shutdown(socket.SHUT_WR))
s.recv(1)
"""
"""A child process that is nothing but its pipes: the server itself sits at the other end of a socket."""


@contextlib.asynccontextmanager
async def stdio(server: RawServer, tmp_path: Path) -> AsyncIterator[Json]:
    """A child process per connection."""
    serving: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        peer = server.connect(lambda line, about: writer.write(line + b"\n"))
        peer.hang_up = writer.close
        try:
            while line := await reader.readline():
                peer.receive(line)
        finally:
            await peer.close()
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            serving.discard(task)

    path = str(tmp_path / f"{uuid.uuid4().hex[:8]}.sock")
    listening = await asyncio.start_unix_server(serve, path, limit=2**26)
    try:
        yield {"command": sys.executable, "args": ["-I", "-S", "-c", PIPE, path]}
    finally:
        listening.close()
        for task in list(serving):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await listening.wait_closed()


def is_reply(line: bytes) -> bool:
    """Whether a server's message answers something; lines that are no JSON for us belong to nothing."""
    try:
        message = json.loads(line.removeprefix(b"\xef\xbb\xbf"))
    except ValueError:
        return b'"method"' not in line
    return not isinstance(message, dict) or message.get("method") is None


class HttpDoor:
    """A Streamable HTTP endpoint, written from the specification alone.

    Args:
        server: What answers.
        plain: Answers are JSON bodies; what is said meanwhile goes to the GET stream.

    Attributes:
        seen: Method, headers and body of each HTTP request.
        refuse: Looks at each request first; a response it gives is the answer.
    """

    def __init__(self, server: RawServer, *, plain: bool = False) -> None:
        self.server = server
        self.plain = plain
        self.seen: list[tuple[str, Any, bytes]] = []
        self.refuse: Callable[[web.Request, bytes], web.StreamResponse | None] = lambda request, body: None
        self.sessions: dict[str, Peer] = {}
        self.get = True
        self._streams: dict[str, asyncio.Queue[bytes | None]] = {}
        self._answers: dict[int, asyncio.Queue[bytes]] = {}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.seen.append((request.method, request.headers.copy(), body))
        if (refused := self.refuse(request, body)) is not None:
            return refused
        if request.method == "POST":
            return await self._post(request, body)
        if request.method == "GET":
            return await self._get(request)
        if request.method == "DELETE":
            peer = self.sessions.pop(request.headers["Mcp-Session-Id"], None)
            if peer is None:
                return web.Response(status=404)
            await peer.close()
            return web.Response(status=204)
        return web.Response(status=405)

    def _connect(self) -> tuple[str, Peer]:
        id = uuid.uuid4().hex
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._streams[id] = queue

        def write(line: bytes, about: Call | None) -> None:
            answers = self._answers.get(id_of(about)) if about is not None else None
            is_answer = is_reply(line)
            if answers is not None and (is_answer or not self.plain):
                answers.put_nowait(line)
            else:
                queue.put_nowait(line)

        peer = self.server.connect(write)
        self.sessions[id] = peer
        return id, peer

    async def _post(self, request: web.Request, body: bytes) -> web.StreamResponse:
        message = json.loads(body)
        assert "text/event-stream" in request.headers["Accept"]
        assert "application/json" in request.headers["Accept"]
        if message.get("method") == "initialize":
            id, peer = self._connect()
        else:
            id = request.headers.get("Mcp-Session-Id", "")
            if id not in self.sessions:
                return web.Response(status=404)
            peer = self.sessions[id]
        headers = {"Mcp-Session-Id": id}
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        call = peer.receive(body)
        if call is None:
            return web.Response(status=202, headers=headers)
        self._answers[id_of(call)] = queue
        try:
            if self.plain:
                return web.Response(body=await queue.get(), content_type="application/json", headers=headers)
            response = web.StreamResponse(headers={**headers, "Content-Type": "text/event-stream"})
            await response.prepare(request)
            while True:
                line = await queue.get()
                await response.write(b"event: message\ndata: " + line + b"\n\n")
                if is_reply(line):
                    return response
        finally:
            del self._answers[id_of(call)]

    async def _get(self, request: web.Request) -> web.StreamResponse:
        id = request.headers["Mcp-Session-Id"]
        if not self.get:
            return web.Response(status=405)
        if id not in self.sessions:
            return web.Response(status=404)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        while (line := await self._streams[id].get()) is not None:
            await response.write(b"event: message\ndata: " + line + b"\n\n")
        return response

    def end(self) -> None:
        """Ends every GET stream."""
        for queue in self._streams.values():
            queue.put_nowait(None)


def id_of(call: Call | None) -> int:
    return id(call)


class SseDoor:
    """The older transport: GET gives the stream, POST takes messages.

    Attributes:
        seen: Method, headers and body of each HTTP request.
        endpoint: What the endpoint event says; `%s` stands for the session's id.
    """

    def __init__(self, server: RawServer) -> None:
        self.server = server
        self.seen: list[tuple[str, Any, bytes]] = []
        self.endpoint = "/messages?id=%s"
        self.refuse: Callable[[web.Request, bytes], web.StreamResponse | None] = lambda request, body: None
        self.sessions: dict[str, Peer] = {}
        self._streams: dict[str, asyncio.Queue[bytes | None]] = {}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.seen.append((request.method, request.headers.copy(), body))
        if (refused := self.refuse(request, body)) is not None:
            return refused
        if request.method == "GET":
            return await self._stream(request)
        peer = self.sessions.get(request.query.get("id", ""))
        if peer is None:
            return web.Response(status=404 if request.path == "/messages" else 405)
        peer.receive(body)
        return web.Response(status=202)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        id = uuid.uuid4().hex
        queue = self._streams[id] = asyncio.Queue()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        peer = self.sessions[id] = self.server.connect(lambda line, about: queue.put_nowait(line))
        await response.write(b"event: endpoint\ndata: " + (self.endpoint % id).encode() + b"\n\n")
        try:
            while (line := await queue.get()) is not None:
                await response.write(b"event: message\ndata: " + line + b"\n\n")
            return response
        finally:
            del self.sessions[id]
            await peer.close()

    def end(self) -> None:
        for queue in self._streams.values():
            queue.put_nowait(None)


@contextlib.asynccontextmanager
async def listening(handler: Callable[[Any], Any]) -> AsyncIterator[str]:
    """An HTTP server on loopback, every request to `handler`; gives its origin."""
    runner = web.ServerRunner(
        web.Server(handler, handler_cancellation=True, access_log=None), shutdown_timeout=0.05
    )
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def carried(server: RawServer, carrier: str, tmp_path: Path) -> AsyncIterator[Json]:
    """The server's entry in a configuration, while it serves."""
    if carrier == "memory":
        yield {"command": "memory"}
    elif carrier == "stdio":
        async with stdio(server, tmp_path) as entry:
            yield entry
    elif carrier == "sse":
        older = SseDoor(server)
        async with listening(older.handle) as origin:
            yield {"url": f"{origin}/sse", "transport": "sse"}
            older.end()
    else:
        door = HttpDoor(server, plain=carrier == "http-json")
        async with listening(door.handle) as origin:
            yield {"url": f"{origin}/mcp", "transport": "streamable-http"}
            door.end()
