"""One server: its state, its connection, and how it comes back.

Called by `callmux.upstream.pool` (start, close) and by the retrying stage (`acquire`, `examine`). A lost
server is connected again in the background by the policy of `callmux.upstream.reconnect`; concurrent
callers share one attempt. What it lists is kept over losses, so a server that is down stays listed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

import msgspec
from msgspec import Raw

from callmux.clock import Clock, iso
from callmux.config.traffic import ReconnectPolicy
from callmux.errors import UpstreamUnavailable
from callmux.protocol.shapes import Tool
from callmux.tasks import TaskSet
from callmux.upstream.catalogue import RemovedTool
from callmux.upstream.connection import Connection, Hooks
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.links.link import Link
from callmux.upstream.reconnect import delay_seconds

log = logging.getLogger(__name__)

RECONNECT_WAIT_SECONDS = 10.0
"""How long a call waits for a server that was up and is being connected again."""
PROBE_SECONDS = 2.0
"""How long a server may take to answer a ping after one of its calls timed out."""


class State(Enum):
    STARTING = "starting"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    RECONNECTING = "reconnecting"
    FAILED = "failed"
    DISABLED = "disabled"


class Timing(msgspec.Struct, frozen=True):
    """How long things may take.

    Attributes:
        connect_seconds: For the handshake, and again for listing the tools.
        policy: When to connect again.
    """

    connect_seconds: float
    policy: ReconnectPolicy


class Suite(msgspec.Struct, frozen=True, kw_only=True):
    """The tools a server has, and how they changed last.

    Attributes:
        generation: Rises by one with every listing that has other names than the one before.
        changed_at: ISO time of the last such listing.
        added, removed: Names that the last connect or change brought or took.
        gone: Every name it had once and has no more.
    """

    tools: tuple[Tool, ...] = ()
    listed: bool = False
    generation: int = 0
    changed_at: str | None = None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    gone: Mapping[str, RemovedTool] = {}

    def after(self, tools: tuple[Tool, ...], now: str, last_seen: str) -> Suite:
        """The suite once the server lists `tools`."""
        before = {t.name for t in self.tools}
        names = {t.name for t in tools}
        if self.listed and before == names:
            return msgspec.structs.replace(self, tools=tools, added=(), removed=())
        gone = {k: v for k, v in self.gone.items() if k not in names}
        for name in before - names:
            gone[name] = RemovedTool(last_seen_at=last_seen, removed_at=now)
        return Suite(
            tools=tools,
            listed=True,
            generation=self.generation + 1,
            changed_at=now,
            added=tuple(sorted(names - before)),
            removed=tuple(sorted(before - names)),
            gone=gone,
        )


class Server:
    """One configured server.

    Args:
        name: Its key.
        transport: What is shown before it is connected.
        make_link: Gives a new link for each attempt; raises `CallFailure` where it cannot.
        timing: How long things may take.
        client_info: The `clientInfo` of our handshake, as JSON.
        clock: Time.
        changed: Called whenever what it lists has changed.
        told: Takes its notifications, other than list changes.

    Attributes:
        state: Where it stands.
        suite: What it lists.
    """

    def __init__(
        self,
        name: str,
        transport: str,
        make_link: Callable[[], Link],
        timing: Timing,
        client_info: bytes,
        clock: Clock,
        changed: Callable[[Server], None],
        told: Callable[[Server, str, Raw | None], None],
    ) -> None:
        self.name = name
        self.transport = transport
        self.timing = timing
        self.state = State.STARTING
        self.suite = Suite()
        self._make_link = make_link
        self._client_info = client_info
        self._clock = clock
        self._changed = changed
        self._told = told
        self._tasks = TaskSet(f'server "{name}"')
        self._connection: Connection | None = None
        self._attempt: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._settled = asyncio.Event()
        self._closed = False
        self._refreshing = False
        self._stale = False
        self._failed_attempt = False
        self._step = 0
        self._connected_since = 0.0
        self._record: dict[str, Any] = {}
        self._next_retry: float | None = None
        self.connect_ms = 0
        self.error: str | None = None
        self.failures = 0
        self.attempts = 0

    def __repr__(self) -> str:
        return f"Server({self.name!r}, {self.state.value}, {len(self.suite.tools)} tools)"

    @property
    def connection(self) -> Connection | None:
        """The live connection, or None."""
        return self._connection

    def start(self) -> None:
        """Begins the first attempt, if none was made yet."""
        if self._attempt is None and self._connection is None and not self._settled.is_set():
            self._begin()

    async def settled(self) -> None:
        """Waits until the first attempt has succeeded or failed."""
        self.start()
        await self._settled.wait()

    async def acquire(self, tool: str, force: bool = False) -> Connection:
        """A live connection; connects first where that is due.

        Args:
            tool: The bare tool name, for the error.
            force: Connect now, whatever the backoff says.

        Raises:
            UpstreamUnavailable: It is down. Nothing was sent.
        """
        if self._connection is not None:
            return self._connection
        if self._attempt is None:
            waiting = self._timer is not None and self.timing.policy.fast_fail_during_backoff
            if self._closed or (waiting and self._failed_attempt and not force):
                raise self.unavailable(tool)
            self._begin()
        assert self._attempt is not None
        limit = RECONNECT_WAIT_SECONDS if self.suite.listed else None
        await asyncio.wait({self._attempt}, timeout=limit)
        if self._connection is None:
            raise self.unavailable(tool)
        return self._connection

    def unavailable(self, tool: str) -> UpstreamUnavailable:
        """The error for a call that cannot be sent."""
        facts = self.record()
        shown = ("state", "lastError", "lastFailureAt", "lastConnectedAt", "consecutiveFailures")
        more = ("reconnectAttempts", "nextRetryAt")
        reason = f": {self.error}" if self.error else ""
        return UpstreamUnavailable(
            f'server "{self.name}" is not connected{reason}',
            server=self.name,
            tool=tool,
            retryable=True,
            safeToRetry=True,
            executionState="not_started",
            **{k: facts[k] for k in shown + more if k in facts},
        )

    async def examine(self, connection: Connection) -> None:
        """After a call timed out: replaces the connection if the server does not even answer a ping.

        Calls in flight on the old connection go on until they end by themselves.
        """
        if connection is self._connection and not await connection.answers(PROBE_SECONDS):
            self.retire(connection, "the server does not answer")

    def examine_soon(self, connection: Connection) -> None:
        """`examine`, without anybody waiting for it."""
        self._tasks.spawn(self.examine(connection))

    def retire(self, connection: Connection, reason: str) -> None:
        """Takes no more calls on `connection`, connects anew, and ends the old one once it is drained."""
        if connection is not self._connection:
            return
        self._disconnected(reason)
        self._tasks.spawn(self._drain(connection))

    async def _drain(self, connection: Connection) -> None:
        await connection.drained()
        await connection.close()

    async def close(self) -> None:
        """Ends the connection and everything that works for it."""
        self._closed = True
        self._cancel_timer()
        connection, self._connection = self._connection, None
        try:
            if connection is not None:
                await connection.close()
        finally:
            await self._tasks.cancel()
            self._settled.set()

    def record(self) -> dict[str, Any]:
        """The state as status shows it: see docs/tools.md, `callmux_status`."""
        suite = self.suite
        facts: dict[str, Any] = {
            "name": self.name,
            "transport": self.transport,
            "state": self.state.value,
            "connectDurationMs": self.connect_ms,
        }
        if self.error is not None:
            facts["error"] = facts["lastError"] = self.error
        facts.update(self._record)
        if self.failures:
            facts["consecutiveFailures"] = self.failures
        if self.attempts:
            facts["reconnectAttempts"] = self.attempts
        if self._next_retry is not None:
            facts["nextRetryAt"] = iso(self._next_retry)
        if suite.listed:
            facts["toolSuiteGeneration"] = suite.generation
        if suite.changed_at is not None:
            facts["lastToolSuiteChangeAt"] = suite.changed_at
        if suite.generation > 1 and suite.added:
            facts["addedTools"] = list(suite.added)
        if suite.removed:
            facts["removedTools"] = list(suite.removed)
        return facts

    def _begin(self) -> None:
        self._cancel_timer()
        if self.suite.listed or self._settled.is_set():
            self.state = State.RECONNECTING
        self._attempt = self._tasks.spawn(self._connect())

    async def _connect(self) -> None:
        started = self._clock.monotonic()
        connection: Connection | None = None
        try:
            connection = Connection(self.name, self._make_link(), Hooks(self._heard, self._lost, self._noise))
            init = await connection.open(self._client_info, b"{}", self.timing.connect_seconds)
            tools = await self._list(connection, init.capabilities)
            if not connection.live:
                raise CallFailure(Category.TRANSPORT, "the server ended while it was being connected")
        except CallFailure as failure:
            words = _last_words(connection)
            self._attempt_failed(failure.cause + (f" (it said: {words})" if words else ""))
            if connection is not None:
                await connection.close()
            return
        except asyncio.CancelledError:
            if connection is not None:
                await connection.close()
            raise
        finally:
            self.connect_ms = round((self._clock.monotonic() - started) * 1000)
            self._attempt = None
        self._attempt_succeeded(connection, tools)

    async def _list(self, connection: Connection, capabilities: Mapping[str, Raw]) -> tuple[Tool, ...]:
        if capabilities and "tools" not in capabilities:
            return ()
        tools = []
        for raw in await connection.list_tools(self.timing.connect_seconds):
            try:
                tools.append(Tool(raw))
            except msgspec.MsgspecError as error:
                log.warning('"%s" lists a tool that cannot be read: %s', self.name, error)
        return tuple(tools)

    def _attempt_succeeded(self, connection: Connection, tools: tuple[Tool, ...]) -> None:
        now = self._clock.wall()
        self._connection = connection
        self.transport = connection.link.transport
        self.state = State.CONNECTED
        self.error = None
        self.failures = self.attempts = 0
        self._failed_attempt = False
        self._connected_since = self._clock.monotonic()
        last_seen = self._record.get("lastConnectedAt", iso(now))
        self._record["lastConnectedAt"] = iso(now)
        log.info('Connected to "%s": %d tools (%d ms)', self.name, len(tools), self.connect_ms)
        self._take(tools, last_seen)
        self._settled.set()

    def _take(self, tools: tuple[Tool, ...], last_seen: str) -> None:
        before = self.suite
        self.suite = before.after(tools, iso(self._clock.wall()), last_seen)
        if not before.listed or [t.raw for t in before.tools] != [t.raw for t in tools]:
            self._changed(self)

    def _attempt_failed(self, reason: str) -> None:
        log.warning('Warning: failed to connect "%s": %s', self.name, reason)
        self._failed_attempt = True
        self.attempts += 1
        self._step += 1
        self._note_failure(reason)
        self._schedule()
        self._settled.set()

    def _note_failure(self, reason: str) -> None:
        self.error = reason
        self.failures += 1
        self._record["lastFailureAt"] = iso(self._clock.wall())

    def _schedule(self) -> None:
        if self._closed:
            return
        delay = delay_seconds(self.timing.policy, self._step)
        if delay is None:
            self.state = State.FAILED
            # A later call tries again, and with it the policy starts over.
            self._step, self._failed_attempt = 1, False
            return
        self.state = State.RECONNECTING
        self._next_retry = self._clock.wall() + delay
        self._timer = asyncio.get_running_loop().call_later(delay, self._begin)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._next_retry = None

    def _disconnected(self, reason: str) -> None:
        self._connection = None
        self.state = State.DISCONNECTED
        # A server that lived for a while starts with short delays again; one that dies at once does not.
        lived = self._clock.monotonic() - self._connected_since
        self._step = 0 if lived * 1000 >= self.timing.policy.max_delay_ms else self._step + 1
        self._note_failure(reason)
        log.warning('Server "%s" disconnected: %s', self.name, reason)
        self._schedule()

    def _lost(self, connection: Connection, reason: str) -> None:
        if connection is self._connection:
            self._disconnected(reason)
            self._tasks.spawn(connection.close())

    def _noise(self, connection: Connection, what: str) -> None:
        log.warning('"%s" wrote something to its output that is no message (%s)', self.name, what)

    def _heard(self, connection: Connection, method: str, params: Raw | None) -> None:
        if method == "notifications/tools/list_changed":
            self._stale = True
            if not self._refreshing:
                self._refreshing = True
                self._tasks.spawn(self._refresh())
        else:
            self._told(self, method, params)

    async def _refresh(self) -> None:
        try:
            while self._stale and (connection := self._connection) is not None:
                self._stale = False
                last_seen = iso(self._clock.wall())
                try:
                    tools = await self._list(connection, {})
                except CallFailure as failure:
                    log.warning('"%s" changed its tools but does not list them: %s', self.name, failure.cause)
                    return
                if connection is self._connection:
                    self._take(tools, last_seen)
        finally:
            self._refreshing = False


def _last_words(connection: Connection | None) -> str:
    words = getattr(connection.link, "last_words", None) if connection is not None else None
    return words() if words is not None else ""
