"""A process as requests without a handshake see it, and a client that sends them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import msgspec
from msgspec import Raw

from callmux.protocol.caching import Freshness
from callmux.protocol.calling import Calling, DirectCall, raw
from callmux.protocol.jsonrpc import Request as Message
from callmux.protocol.jsonrpc import RpcError, parse
from callmux.router.greeting import Portrait
from callmux.session.facts import NOTHING, Said
from callmux.session.modern import serving
from callmux.session.modern.parking import Parking
from callmux.session.modern.request import ModernRequest
from callmux.session.modern.serving import Serving
from callmux.session.request import Request
from callmux.session.session import Session
from callmux.stores.memory_parked import MemoryParkedCalls
from callmux.stores.parked import ParkedCalls, ParkedLimits

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
ALL: dict[str, Any] = {"elicitation": {}, "sampling": {}, "roots": {}}
FORM = {"message": "who?", "requestedSchema": {"type": "object", "properties": {}}}
INFO = {"name": "mux", "version": "1"}

Work = Callable[[Request], Awaitable[Any]]


class Process:
    """What `callmux.session.modern.serving` asks of the process."""

    def __init__(self) -> None:
        self.capabilities: dict[str, Any] = {
            kind: {"listChanged": True} for kind in ("tools", "prompts", "resources")
        }
        self.own = self.identity = msgspec.json.encode(INFO)
        self.complete = True
        self.instructions = "use it"
        self.entitlements = self
        self.portraits = self
        self.rights: Any = None
        self.hold = Freshness()
        self.runtime: Any = SimpleNamespace(is_transparent=False)
        self.levels: list[str | None] = []
        self.present: list[Session] = []
        self.subscriptions = self
        self.offers = None
        self.started = 0
        self.unknown_uris: set[str] = set()
        self.lists = {"tools": b"1", "prompts": b"1", "resources": b"1", "resourceTemplates": b"1"}

    def of(self, session: Session) -> Portrait:
        return Portrait(self.capabilities, self.identity, self.instructions, self.complete)

    def rights_of(self, session: Session) -> Any:
        return self.rights

    def listed(self, session: Session, kind: str) -> bytes:
        return self.lists[kind]

    def holds(self, session: Session, method: str) -> Freshness:
        return self.hold.narrowed(Freshness(private=self.rights is not None))

    def start(self, session: Session | None) -> None:
        self.started += 1

    def add(self, *given: Any) -> Any:
        """Of the process: a session; of its subscriptions: one to a resource."""
        if len(given) == 3:
            self.present.append(given[0])
            return None
        return self._subscribed(given[1])

    async def _subscribed(self, uri: str) -> None:
        if uri in self.unknown_uris:
            raise RpcError(-32602, "no such resource")

    async def remove(self, session: Session) -> None:
        self.present.remove(session)

    async def set_level(self, session: Session) -> None:
        self.levels.append(session.server_level)


class Desk:
    """Clients, and requests that do as told."""

    def __init__(self, calls: ParkedCalls | None = None, limits: ParkedLimits | None = None) -> None:
        self.process = Process()
        self.parking: Parking[ModernRequest] = Parking(
            MemoryParkedCalls(limits) if calls is None else calls, lambda: self.now
        )
        self.now = 0.0
        self.serving = Serving(cast(serving.Process, self.process), self, self.parking)
        self.work: Work = _nothing
        self.handled: list[tuple[str, Any]] = []
        self.cancelled = 0
        self.sent: list[Any] = []
        self.over = 0
        self.session = self.comes()

    def comes(self) -> Session:
        """A client."""
        session = Session(self, lambda line: self.sent.append(json.loads(line)))
        session.over = self._is_over
        return session

    def _is_over(self) -> None:
        self.over += 1

    async def open(self, session: Session, params: Raw | None) -> bytes:
        return b'{"hello":1}'

    def call(self, session: Session, params: DirectCall | Raw | None, request: Request) -> Any:
        return self.handle(session, "tools/call", raw(params), request)

    async def handle(self, session: Session, method: str, params: Raw | None, request: Request) -> bytes:
        self.handled.append((method, json.loads(bytes(params or b"null"))))
        try:
            return msgspec.json.encode(await self.work(request))
        except BaseException as end:
            self.cancelled += not isinstance(end, RpcError)
            raise

    def stateless(self, session: Session, message: Message | Calling, said: Said, asked: Any = None) -> None:
        self.serving.receive(session, message, said, asked)

    def told(self, session: Session, method: str, params: Raw | None) -> None: ...

    def says(self, message: Any, session: Session | None = None, said: Said = NOTHING) -> None:
        line = json.dumps({"jsonrpc": "2.0", **message}).encode()
        (session or self.session).receive(parse(line), said)

    def asks(
        self,
        id: Any,
        method: str = "tools/call",
        params: dict[str, Any] | None = None,
        session: Session | None = None,
        said: Said = NOTHING,
        capabilities: Any = ALL,
        **meta: Any,
    ) -> None:
        """Sends a request."""
        own = {**META, "io.modelcontextprotocol/clientCapabilities": capabilities, **meta}
        given = {"name": "x"} if params is None and method == "tools/call" else params or {}
        self.says({"id": id, "method": method, "params": {**given, "_meta": own}}, session, said)

    async def answer(self, id: Any) -> Any:
        """The answer to a request: its result or its error."""
        for _ in range(200):
            await asyncio.sleep(0.002)
            if found := [m for m in self.sent if m.get("id") == id and "method" not in m]:
                return found[-1].get("result", found[-1].get("error"))
        raise AssertionError(f"no answer to {id!r}: {self.sent}")

    async def result(self, id: Any, *given: Any, **more: Any) -> Any:
        self.asks(id, *given, **more)
        return await self.answer(id)

    def told_of(self, method: str) -> list[Any]:
        return [m.get("params") for m in self.sent if m.get("method") == method]


async def _nothing(request: Request) -> Any:
    return {"content": []}
