"""Tries a tool for a person at the dashboard: a call like any client's, on behalf of whoever is signed in.

Made by `callmux.dashboard.kept`; called by `callmux.dashboard.actions`. Each browser has a session of its
own, as each client has, so that rules, approval, limits and the audit log see it as one, and so that what a
server keeps for its client is there at the next try. What the server itself sent is heard on the bus, beside
the answer that an agent would get.
"""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.clock import Clock
from callmux.guard.principal import Principal
from callmux.observe.facts import CallEnded
from callmux.process.host import Host
from callmux.protocol.jsonrpc import parse
from callmux.session.facts import Said
from callmux.session.request import Request
from callmux.session.session import Session
from callmux.tasks import TaskSet

TRANSPORT = "dashboard"
CLIENT = "callmux-dashboard"
VERSION = "2025-11-25"
IDLE_SECONDS = 600.0
"""How long the session of a browser stays that tries nothing."""
MOST_SESSIONS = 200
"""Sessions that stay; the longest unused are ended first."""
MOST_HEARD = 20
"""Results of servers that are shown of one try."""
MOST_SHOWN = 2_000_000
"""Bytes of a result that is shown whole."""


class ServerAnswer(msgspec.Struct, frozen=True):
    """What one server answered to one call of a try.

    Attributes:
        server, tool: Where the call went.
        result: As the server sent it; None where there was none.
        seconds: How long it took.
        source: `server`, `cache` or `shared`.
    """

    server: str
    tool: str
    result: bytes | None
    seconds: float
    source: str


class Answer(msgspec.Struct, frozen=True):
    """What a try came to.

    Attributes:
        result: What an agent would get; None for an error.
        error: The JSON-RPC error that it would get.
        heard: What servers answered.
        calls: How many did.
        seconds: How long all took.
    """

    result: Raw | None
    error: Raw | None
    heard: list[ServerAnswer]
    calls: int
    seconds: float

    def shown(self) -> dict[str, Any]:
        """As the page gets it."""
        facts: dict[str, Any] = {"durationMs": round(self.seconds * 1000), "calls": self.calls}
        facts["status"] = "error" if self.result is None else "ok"
        facts["agent"] = self.result
        sole = self.heard[0] if self.calls == 1 else None
        facts["server"] = None if sole is None or sole.result is None else _whole(sole.result)
        facts["heard"] = [
            {
                "server": one.server,
                "tool": one.tool,
                "durationMs": round(one.seconds * 1000),
                "source": one.source,
                "bytes": None if one.result is None else len(one.result),
            }
            for one in self.heard
        ]
        if self.error is not None:
            facts["error"] = self.error
        elif msgspec.json.decode(self.result or b"{}", type=_Head).is_error is True:
            facts["status"] = "tool_error"
        return facts


class _Head(msgspec.Struct):
    is_error: Any = msgspec.field(default=None, name="isError")


class _Reply(msgspec.Struct):
    id: Any = None
    method: Any = None
    result: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


def _whole(result: bytes) -> Raw | dict[str, Any]:
    """A result, or how large it is where it is too large to be shown."""
    return Raw(result) if len(result) <= MOST_SHOWN else {"bytes": len(result), "tooLarge": True}


_GONE = Raw(b'{"code":-32000,"message":"the session of this browser has ended"}')


class _Client:
    """The session of one browser."""

    def __init__(self, host: Host, principal: Principal | None, now: float) -> None:
        self.id = f"dashboard-{uuid.uuid4().hex[:12]}"
        self.session = Session(host.dispatch, self._take)
        self.session.revive(b"{}", VERSION)
        facts = self.session.facts
        facts.client_name, facts.principal = CLIENT, principal
        facts.profile = host.entitlements.chosen("", principal, None)
        host.add(self.session, TRANSPORT, self.id)
        self.used = now
        self.waiting: dict[int, asyncio.Future[_Reply]] = {}

    def _take(self, line: bytes) -> None:
        """A line for the client: answers count, and nothing was declared that would let servers ask."""
        reply = msgspec.json.decode(line, type=_Reply)
        waiter = self.waiting.get(reply.id) if reply.method is None and isinstance(reply.id, int) else None
        if waiter is not None and not waiter.done():
            waiter.set_result(reply)

    def hang_up(self) -> None:
        """Nothing more comes for the calls that wait."""
        for waiter in self.waiting.values():
            if not waiter.done():
                waiter.set_result(_Reply(error=_GONE))


class ToolTrials:
    """The tries of one process.

    Args:
        host: Runs the servers.
        clock: Time.
    """

    def __init__(self, host: Host, clock: Clock) -> None:
        self._host = host
        self._clock = clock
        self._ids = itertools.count(1)
        self._clients: dict[object, _Client] = {}
        self._tasks = TaskSet("tries of tools")
        self._timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"ToolTrials({len(self._clients)} sessions)"

    async def run(
        self,
        owner: object,
        principal: Principal | None,
        params: bytes,
        request_id: str,
        *,
        elsewhere: bool,
        begun: Callable[[Request], None] = lambda request: None,
    ) -> Answer:
        """Calls a tool. Cancelling this gives the call up.

        Args:
            owner: Whose session it is: a browser, or a principal.
            principal: On whose behalf.
            params: Those of the `tools/call`, as JSON.
            request_id: That of the HTTP request.
            elsewhere: Whether the browser is on another machine.
            begun: Told of the request before anything of it is done.
        """
        client = await self._client(owner, principal)
        session, number, heard = client.session, next(self._ids), list[ServerAnswer]()
        calls = 0

        def hear(fact: CallEnded, outcome: Any) -> None:
            nonlocal calls
            calls += 1
            if len(heard) < MOST_HEARD:
                raw = getattr(outcome, "raw", None)
                heard.append(ServerAnswer(fact.server, fact.target, raw, fact.seconds, fact.source))

        said = Said(
            elsewhere=elsewhere,
            streams=False,
            session_id=client.id,
            request_id=request_id,
            principal=principal,
        )
        request = Request(session, number, "tools/call", said)
        answer: asyncio.Future[_Reply] = asyncio.get_running_loop().create_future()
        client.waiting[number] = answer
        began = self._clock.monotonic()
        witnesses = self._host.bus.witnesses
        witnesses[id(request)] = hear
        begun(request)
        try:
            session.begin(request, Raw(params))
            reply = await answer
        except asyncio.CancelledError:
            gone = {"method": "notifications/cancelled", "params": {"requestId": number}}
            session.receive(parse(msgspec.json.encode({"jsonrpc": "2.0", **gone})))
            raise
        finally:
            del client.waiting[number], witnesses[id(request)]
            client.used = self._clock.monotonic()
        result, error = (None if found is UNSET else found for found in (reply.result, reply.error))
        return Answer(result, error, heard, calls, client.used - began)

    async def _client(self, owner: object, principal: Principal | None) -> _Client:
        await self.sweep()
        if owner not in self._clients:
            await self._make_room()
        while (found := self._clients.get(owner)) is not None and found.session.facts.principal != principal:
            # The browser stands for somebody else now, who must get nothing of what was said before. Another
            # try of that one may be as far as this.
            await self.forget(owner)
        if found is None:
            found = self._clients[owner] = _Client(self._host, principal, self._clock.monotonic())
            if self._timer is None:
                self._sweep_later()
        return found

    async def _make_room(self) -> None:
        unused = {owner: client.used for owner, client in self._clients.items() if not client.waiting}
        if unused and len(self._clients) >= MOST_SESSIONS:
            await self.forget(min(unused, key=unused.__getitem__))

    def _look_after(self) -> None:
        """Sweeps when nobody else does."""
        self._timer = None
        self._tasks.spawn(self.sweep())
        if self._clients:
            self._sweep_later()

    def _sweep_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(2 * IDLE_SECONDS, self._look_after)

    async def sweep(self) -> None:
        """Ends the sessions that nobody has used for a while."""
        now = self._clock.monotonic()
        for owner, client in list(self._clients.items()):
            if not client.waiting and now - client.used > IDLE_SECONDS:
                await self.forget(owner)

    async def forget(self, owner: object) -> None:
        """Ends the session of a browser."""
        client = self._clients.pop(owner, None)
        if client is not None:
            await self._host.remove(client.session)
            client.hang_up()
