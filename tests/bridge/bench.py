"""A scripted listener on a real socket, and a client's session with a relay in front of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from callmux.bridge.endpoint import Endpoint, read_endpoint
from callmux.bridge.keeper import Patience
from callmux.bridge.relay import Relay
from callmux.protocol.jsonrpc import parse
from callmux.session.session import Session
from tests.support import until

USUAL = Patience()
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "fake"}}
TOOLS = [
    {"name": "read", "inputSchema": {}, "annotations": {"readOnlyHint": True}},
    {"name": "write", "inputSchema": {}},
]


def line(value: Any) -> bytes:
    return json.dumps(value).encode()


class Exchange:
    """One request, and what is answered to it."""

    def __init__(
        self, verb: str, target: str, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter
    ) -> None:
        self.verb = verb
        self.target = target
        self.headers = headers
        self.message: Any = json.loads(body) if body.strip() else None
        self._writer = writer

    @property
    def method(self) -> str:
        return self.message.get("method", "") if isinstance(self.message, dict) else ""

    def raw(self, data: bytes) -> None:
        self._writer.write(data)

    def status(self, code: int, body: bytes = b"", **headers: str) -> None:
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        word = "OK" if code == 200 else "x"
        self.raw(f"HTTP/1.1 {code} {word}\r\ncontent-length: {len(body)}\r\n{more}\r\n".encode() + body)

    def json(self, result: Any, **headers: str) -> None:
        body = line({"jsonrpc": "2.0", "id": self.message["id"], "result": result})
        self.status(200, body, content_type="application/json", **headers)

    def stream(self, **headers: str) -> None:
        """Begins an event stream."""
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self.raw(
            b"HTTP/1.1 200 x\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
            + more.encode()
            + b"\r\n"
        )

    def chunk(self, data: bytes) -> None:
        self.raw(b"%x\r\n%b\r\n" % (len(data), data))

    def event(self, message: Any, id: str | None = None) -> None:
        head = b"" if id is None else b"id: %b\n" % id.encode()
        self.chunk(head + b"data: " + (line(message) if message is not None else b"") + b"\n\n")

    def result(self, result: Any, id: str | None = None) -> None:
        self.event({"jsonrpc": "2.0", "id": self.message["id"], "result": result}, id)

    def end(self) -> None:
        self.chunk(b"")

    def abort(self) -> None:
        self._writer.transport.abort()


Script = Callable[[Exchange], Awaitable[None] | None]


class FakeListener:
    """A listener that does as told.

    Attributes:
        script: What to do, by method; `GET` and `DELETE` by verb. Everything else gets a plain answer.
        seen: Every request.
        session: The id it gives; another one is unknown.
        own: The open GET stream.
    """

    def __init__(self) -> None:
        self.script: dict[str, Script] = {}
        self.seen: list[Exchange] = []
        self.session = "s1"
        self.known = {"s1"}
        self.tools: list[Any] = list(TOOLS)
        self.hello: dict[str, Any] = dict(HELLO)
        self.own: Exchange | None = None
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    @property
    def endpoint(self) -> Endpoint:
        return read_endpoint(self.url)

    async def __aenter__(self) -> FakeListener:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Ends as a killed process does: every connection at once."""
        self.own = None
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._server = None

    def methods(self) -> list[str]:
        """What was asked, in order."""
        return [x.method or x.verb for x in self.seen]

    def count(self, method: str) -> int:
        return self.methods().count(method)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                first, *lines = head.strip().split("\r\n")
                headers = {k.lower(): v.strip() for k, _, v in (x.partition(":") for x in lines)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                verb, target = first.split()[:2]
                exchange = Exchange(verb, target, headers, body, writer)
                self.seen.append(exchange)
                done = self._answer(exchange)
                if done is not None:
                    await done
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            self._writers.discard(writer)
            writer.transport.abort()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    def _answer(self, x: Exchange) -> Awaitable[None] | None:
        given = x.headers.get("mcp-session-id")
        if given is not None and given not in self.known:
            body = {"jsonrpc": "2.0", "id": None, "error": {"code": -32001, "message": "Unknown session"}}
            x.status(404, line(body))
            return None
        script = self.script.get(x.method or x.verb)
        if script is not None:
            return script(x)
        if x.verb == "GET":
            x.stream()
            self.own = x
        elif x.verb == "DELETE":
            x.status(200)
        elif x.method == "initialize":
            self.known.add(self.session)
            x.json(self.hello, mcp_session_id=self.session)
        elif "id" not in x.message or not x.method:
            x.status(202)
        elif x.method == "tools/list":
            x.json({"tools": self.tools})
        else:
            x.json({"echo": x.message.get("params")})
        return None


class Desk:
    """A client on a relay."""

    def __init__(
        self, endpoint: Endpoint, own_ms: int | None = None, patience: Patience = USUAL, **headers: str
    ) -> None:
        self.sent: list[Any] = []
        self.relay = Relay(endpoint, {"x-callmux-client": "stdio-bridge", **headers}, own_ms, patience)
        self.session = Session(self.relay, lambda line: self.sent.append(json.loads(line)))

    async def __aenter__(self) -> Desk:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.relay.leaving()
        await self.session.close()
        await self.relay.close()

    def says(self, message: Any) -> None:
        self.session.receive(parse(line({"jsonrpc": "2.0", **message})))

    async def answer(self, id: Any) -> Any:
        """The answer to request `id`."""
        await until(lambda: any(m.get("id") == id and "method" not in m for m in self.sent), f"answer {id}")
        return next(m for m in self.sent if m.get("id") == id and "method" not in m)

    async def asks(self, id: Any, method: str, params: Any = None) -> Any:
        self.says({"id": id, "method": method, **({} if params is None else {"params": params})})
        return await self.answer(id)

    async def calls(self, id: Any, tool: str, **arguments: Any) -> Any:
        return (await self.asks(id, "tools/call", {"name": tool, "arguments": arguments}))["result"]

    async def greets(self, **capabilities: Any) -> Any:
        answer = await self.asks(
            0, "initialize", {"protocolVersion": "2025-11-25", "capabilities": capabilities}
        )
        self.says({"method": "notifications/initialized"})
        return answer["result"]

    def notes(self, method: str) -> list[Any]:
        return [m.get("params") for m in self.sent if m.get("method") == method and "id" not in m]
