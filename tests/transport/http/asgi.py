"""The HTTP application without a network: requests as raw ASGI, and a scripted desk behind the sessions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Raw

from callmux.config.model import Config
from callmux.guard.principal import Principal
from callmux.observe.bus import Bus
from callmux.protocol import modern
from callmux.protocol.calling import Calling, DirectCall, raw
from callmux.protocol.jsonrpc import Request as Message
from callmux.protocol.jsonrpc import RpcError
from callmux.session.facts import Said
from callmux.session.request import Request
from callmux.session.session import Session
from callmux.transport.http.app import App
from callmux.transport.http.exchange import Exchange, Route
from callmux.transport.http.intake import BodyLimits
from callmux.transport.http.listener import Listener
from callmux.transport.http.web_session import WebSession
from tests.support import SECONDS, loop_clock

KEY = b"k" * 32
POSTED = {
    "host": "localhost",
    "content-type": "application/json",
    "accept": "application/json, text/event-stream",
}
LISTENING = {"host": "localhost", "accept": "text/event-stream"}


class Alone(Request):
    """A request of a session that is lent to it: it tells when nothing more comes of it."""

    def answered(self, result: bytes | Raw) -> None:
        self._end()
        super().answered(result)

    def refused(self, error: RpcError) -> None:
        self._end()
        super().refused(error)

    def cancel(self, reason: str | None) -> None:
        super().cancel(reason)
        self._end()

    def _end(self) -> None:
        if self.session.over is not None:
            self.session.over()


class Desk:
    """A handler that answers every request with its method. `slow` waits for `go`, `chatty` says something
    first, `bad` is refused."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.told_of: list[str] = []
        self.params: list[bytes] = []
        self.said: list[Said] = []
        self.code = -32602

    async def open(self, session: Session, params: Raw | None) -> bytes:
        session.version = json.loads(bytes(params or b"{}")).get("protocolVersion", "2025-11-25")
        return b'{"hello":1}'

    async def call(self, session: Session, params: DirectCall | Raw | None, port: Any) -> bytes:
        return await self.handle(session, "tools/call", raw(params), port)

    async def handle(self, session: Session, method: str, params: Raw | None, port: Any) -> bytes:
        self.params.append(bytes(params or b""))
        if method == "slow":
            await self.go.wait()
        if method == "chatty":
            port.notify("notifications/message", b'{"data":"hm"}')
        if method == "bad":
            raise RpcError(self.code, "no")
        return json.dumps({"did": method}).encode()

    def stateless(self, session: Session, message: Message | Calling, said: Said, asked: Any = None) -> None:
        self.said.append(said)
        params = message.params if isinstance(message, Calling) else modern.bare(message.params)
        session.begin(Alone(session, message.id, message.method, said), params)

    def told(self, session: Session, method: str, params: Raw | None) -> None:
        self.told_of.append(method)


MIRRORED = b"""{"name": "mirrored", "inputSchema": {"type": "object", "properties":
    {"region": {"type": "string", "x-mcp-header": "Region"}}}}"""


class Ledger:
    """Keeps which sessions began and ended."""

    def __init__(self) -> None:
        self.begun_ids: list[str] = []
        self.ended_ids: list[str] = []

    def begun(self, seat: WebSession) -> None:
        self.begun_ids.append(seat.id)

    def profile(self, asked: str, principal: Principal | None, directory: str | None) -> str | None:
        return None if asked == "missing" else asked

    def hang_up(self) -> None:
        """Nobody listens here."""

    def definition(self, tool: str) -> bytes | None:
        return MIRRORED if tool == "mirrored" else None

    async def ended(self, seat: WebSession) -> None:
        self.ended_ids.append(seat.id)
        await seat.session.close()


class Call:
    """One request: what goes in, and what came out so far."""

    def __init__(
        self,
        method: str = "GET",
        path: str = "/",
        headers: Mapping[str, str] | None = None,
        body: bytes | Sequence[bytes] = b"",
        query: bytes = b"",
    ) -> None:
        pairs = [(k.encode(), v.encode()) for k, v in (headers or {"host": "localhost"}).items()]
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": pairs,
            "query_string": query,
        }
        parts = [body] if isinstance(body, bytes) else list(body)
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        for n, part in enumerate(parts, 1):
            self._events.put_nowait({"type": "http.request", "body": part, "more_body": n < len(parts)})
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.complete = False
        self._news = asyncio.Event()

    def leave(self) -> None:
        """The client closes the connection."""
        self._events.put_nowait({"type": "http.disconnect"})

    async def receive(self) -> dict[str, Any]:
        return await self._events.get()

    async def send(self, event: Any) -> None:
        if event["type"] == "http.response.start":
            self.status = event["status"]
            self.headers = {k.decode(): v.decode() for k, v in event["headers"]}
        else:
            assert self.status, "a body before its head"
            self.body += event["body"]
            self.complete = not event["more_body"]
        self._news.set()

    async def until_sent(self, part: bytes) -> None:
        async with asyncio.timeout(SECONDS):
            while part not in self.body:
                self._news.clear()
                await self._news.wait()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def exchange(self) -> Exchange:
        return Exchange(self.scope, self.receive, self.send, "rid")


class House:
    """A listener and its application."""

    def __init__(
        self, config: Config | None = None, routes: Mapping[str, Route] | None = None, loopback: bool = True
    ) -> None:
        config = config or Config()
        self.desk = Desk()
        self.ledger = Ledger()
        limits = BodyLimits(config, lambda body: ())
        self.listener = Listener(config, limits, self.desk, self.ledger, KEY, loop_clock())
        self.bus = Bus()
        self.app = App(self.listener, routes or {}, loopback, self.bus)

    async def answers(self, call: Call) -> Call:
        """The call once the application is done with it."""
        async with asyncio.timeout(60):
            await self.app(call.scope, call.receive, call.send)
        return call

    def begins(self, call: Call) -> asyncio.Task[Call]:
        return asyncio.get_running_loop().create_task(self.answers(call))

    async def posts(self, message: Any, id: str | None = None, **headers: str) -> Call:
        return await self.answers(post(message, id, **headers))

    async def greets(self, version: str = "2025-11-25") -> str:
        """The id of a new session whose handshake is done."""
        params = {"protocolVersion": version, "capabilities": {}}
        hello = await self.posts({"id": 0, "method": "initialize", "params": params})
        assert hello.status == 200, hello.body
        id = hello.headers["mcp-session-id"]
        await self.posts({"method": "notifications/initialized"}, id)
        return id


def post(message: Any, id: str | None = None, **headers: str) -> Call:
    """A POST of a message to `/mcp`."""
    given = {**POSTED, **headers, **({"mcp-session-id": id} if id is not None else {})}
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    return Call("POST", "/mcp", given, body)
