"""One server: its state, its connections, and how it comes back.

Called by `callmux.upstream.pool` (start, close) and by the retrying stage (`acquire`, `examine`). The main
connection, which also lists, is connected again in the background by the policy of
`callmux.upstream.reconnect`; concurrent callers share one attempt. What the server lists is kept over losses,
so a server that is down stays listed. Clients that cannot share it get side lanes (`callmux.upstream.lanes`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from callmux.clock import Clock
from callmux.context import ClientPort
from callmux.errors import UpstreamUnavailable
from callmux.protocol.shapes import Tool
from callmux.tasks import TaskSet
from callmux.timestamps import iso
from callmux.upstream import failures, wishes
from callmux.upstream.attempt import attempt, explain
from callmux.upstream.connection import Connection, Hooks
from callmux.upstream.failures import CallFailure
from callmux.upstream.health import Health, State
from callmux.upstream.lanes import LaneKey, choose_lane
from callmux.upstream.links.link import Link
from callmux.upstream.offer import KINDS, TOOLS_CHANGED, Offer, Suite
from callmux.upstream.questions import Questions
from callmux.upstream.reading import reread
from callmux.upstream.reconnect import Timing, delay_seconds
from callmux.upstream.side_lanes import SideLanes

log = logging.getLogger(__name__)

_LISTS = frozenset({TOOLS_CHANGED, *(kind.changed for kind in KINDS)})

RECONNECT_WAIT_SECONDS = 10.0
"""How long a call waits for a server that was up and is being connected again."""
PROBE_SECONDS = 2.0
"""How long a server may take to answer a ping after one of its calls timed out."""


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """Who hears what a server does by itself. Each takes the server first.

    Attributes:
        changed: What it lists has changed: tools, or a kind of `callmux.upstream.offer`.
        told: A notification that is no list change: method, params, and the client it is for, where one is.
    """

    changed: Callable[[Server], None]
    told: Callable[[Server, str, Raw | None, ClientPort | None], None]


class Server:
    """One configured server.

    Args:
        name: Its key.
        transport: What is shown before it is connected.
        make_link: Gives a new link for each attempt; raises `CallFailure` where it cannot.
        timing: How long things may take.
        client_info: The `clientInfo` of our handshake, as JSON.
        clock: Time.
        events: Who hears what it does by itself.

    Attributes:
        health: How it has been doing.
        suite: Its tools.
        offer: What else it offers.
        subscriptions: URIs that clients want to hear about; asked for again after each reconnect.
        questions: What it asks its clients.
    """

    def __init__(
        self,
        name: str,
        transport: str,
        make_link: Callable[[], Link],
        timing: Timing,
        client_info: bytes,
        clock: Clock,
        events: Events,
    ) -> None:
        self.name = name
        self.transport = transport
        self.timing = timing
        self.health = Health()
        self.suite = Suite()
        self._make_link = make_link
        self._client_info = client_info
        self._clock = clock
        self._events = events
        self.offer = Offer()
        self.subscriptions: set[str] = set()
        self._capabilities = b"{}"
        self._exclusive: ClientPort | None = None
        self.questions = Questions()
        self._lanes = SideLanes(name, self._open_lane)
        self._tasks = TaskSet(f'server "{name}"')
        self._connection: Connection | None = None
        self._attempt: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._settled = asyncio.Event()
        self._closed = False
        self._refreshing = False
        self._stale: set[str] = set()

    def __repr__(self) -> str:
        return f"Server({self.name!r}, {self.health.state.value}, {len(self.suite.tools)} tools)"

    @property
    def connection(self) -> Connection | None:
        """The live connection, or None."""
        return self._connection

    def start(self, capabilities: bytes = b"{}", only: ClientPort | None = None) -> None:
        """Begins the first attempt, if none was made yet.

        Args:
            capabilities: What the main connection declares: those of the first client.
            only: The only client this process will ever have, where that is so.
        """
        if self._attempt is None and self._connection is None and not self._settled.is_set():
            self._capabilities, self._exclusive = capabilities, only
            self._begin()

    async def settled(self) -> None:
        """Waits until the first attempt has succeeded or failed."""
        self.start()
        await self._settled.wait()

    def ready(self, client: ClientPort) -> Connection | None:
        """The connection this client's calls take, where it is open."""
        if client is self._exclusive:
            return self._connection
        client = client.session
        key = self._lane(client)
        connection = self._connection if key is None else self._lanes.get(key)
        if connection is not None:
            connection.attached.add(client)
        return connection

    async def acquire(self, tool: str, client: ClientPort, force: bool = False) -> Connection:
        """A live connection for this client's calls; connects first where that is due.

        Args:
            tool: The bare tool name, for the error.
            force: Connect now, whatever the backoff says.

        Raises:
            UpstreamUnavailable: It is down. Nothing was sent.
        """
        client = client.session
        key = self._lane(client)
        if key is None:
            connection = self._connection or await self._acquire_main(tool, force)
        else:
            try:
                connection = await self._lanes.acquire(key)
            except CallFailure as failure:
                raise self.unavailable(tool, failure.cause) from None
        connection.attached.add(client)
        return connection

    def _lane(self, client: ClientPort) -> LaneKey | None:
        if self._exclusive is client:
            return None
        owner = self._connection.owner if self._connection is not None else None
        return choose_lane(client, self._capabilities, owner, asking=self.questions.apart)

    async def _open_lane(self, key: LaneKey) -> Connection:
        connection = Connection(self.name, self._make_link(), self._hooks())
        connection.owner = key.client
        if key.client is not None:
            connection.attached.add(key.client)
        opened = False
        try:
            await connection.open(self._client_info, key.capabilities, self.timing.connect_seconds)
            if key.client is not None:
                await self.apply_log_level(connection, key.client)
            opened = True
        finally:
            if not opened:
                await connection.close()
        return connection

    async def apply_log_level(self, connection: Connection, client: ClientPort) -> None:
        """Tells the server the level this client wants."""
        await wishes.set_level(connection, client, self.timing.connect_seconds)

    async def _acquire_main(self, tool: str, force: bool) -> Connection:
        if self._attempt is None:
            waiting = self._timer is not None and self.timing.policy.fast_fail_during_backoff
            if self._closed or (waiting and self.health.failed_attempt and not force):
                raise self.unavailable(tool)
            self._begin()
        assert self._attempt is not None
        limit = RECONNECT_WAIT_SECONDS if self.suite.listed else None
        await asyncio.wait({self._attempt}, timeout=limit)
        if self._connection is None:
            raise self.unavailable(tool)
        return self._connection

    def unavailable(self, tool: str, why: str | None = None) -> UpstreamUnavailable:
        """The error for a call that cannot be sent."""
        return failures.unavailable(self.name, tool, self.record(), why)

    async def examine(self, connection: Connection) -> None:
        """After a call timed out: replaces the connection if the server does not even answer a ping.

        Calls in flight on the old connection go on until they end by themselves.
        """
        if connection.live and not await connection.answers(PROBE_SECONDS):
            self.retire(connection, "the server does not answer")

    def examine_soon(self, connection: Connection) -> None:
        """`examine`, without anybody waiting for it."""
        self._tasks.spawn(self.examine(connection))

    def retire(self, connection: Connection, reason: str) -> None:
        """Takes no more calls on `connection`, connects anew, and ends the old one once it is drained."""
        if connection is not self._connection:
            self._lanes.drop(connection)
            return
        self._disconnected(reason)
        self._tasks.spawn(connection.close_when_drained())

    def forget(self, client: ClientPort) -> None:
        """The client is gone: its own lanes end. A main connection that served it alone is opened anew,
        because the server may hold what it learned from that client."""
        self._lanes.release(client)
        connection = self._connection
        if connection is not None:
            connection.attached.discard(client)
            if connection.owner is client and self._exclusive is not client:
                self.retire(connection, "the client it served has left")

    async def close(self) -> None:
        """Ends the connections and everything that works for them."""
        self._closed = True
        self._cancel_timer()
        connection, self._connection = self._connection, None
        try:
            await asyncio.gather(self._lanes.close(), *([connection.close()] if connection else []))
        finally:
            await self._tasks.cancel()
            self._settled.set()

    def record(self) -> dict[str, Any]:
        """The state as status shows it: see docs/tools.md, `callmux_status`."""
        suite = self.suite
        facts: dict[str, Any] = {"name": self.name, "transport": self.transport, **self.health.record()}
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
            self.health.state = State.RECONNECTING
        self._attempt = self._tasks.spawn(self._connect())

    async def _connect(self) -> None:
        started = self._clock.monotonic()
        connection: Connection | None = None
        try:
            connection = Connection(self.name, self._make_link(), self._hooks())
            if self._exclusive is not None:
                connection.attached.add(self._exclusive)
            seconds = self.timing.connect_seconds
            tools, offer = await attempt(connection, self._client_info, self._capabilities, seconds)
        except Exception as error:  # noqa: BLE001 - the root of the attempt; `explain` logs
            self._attempt_failed(explain(error, self.name, connection))
            if connection is not None:
                await connection.close()
            return
        except asyncio.CancelledError:
            if connection is not None:
                await connection.close()
            raise
        finally:
            self.health.connect_ms = round((self._clock.monotonic() - started) * 1000)
            # While a failed attempt was closing, the next one may have begun.
            if self._attempt is asyncio.current_task():
                self._attempt = None
        self._attempt_succeeded(connection, tools, offer)

    def _hooks(self) -> Hooks:
        return Hooks(told=self._heard, asked=self._asked, lost=self._lost, noise=self._noise)

    def _attempt_succeeded(self, connection: Connection, tools: tuple[Tool, ...], offer: Offer) -> None:
        now = self._clock.wall()
        self._connection = connection
        self.transport = connection.link.transport
        last_seen = self.health.last_seen(now)
        self.health.connected(now)
        log.info('Connected to "%s": %d tools (%d ms)', self.name, len(tools), self.health.connect_ms)
        # Whoever waits comes next, whatever else follows from this.
        self._settled.set()
        seconds = self.timing.connect_seconds
        self._tasks.spawn(wishes.restore(connection, self._exclusive, self.subscriptions, seconds))
        self._take(tools, offer, last_seen)

    def _take(self, tools: tuple[Tool, ...], offer: Offer, last_seen: str) -> None:
        before, offered = self.suite, self.offer
        self.suite = before.after(tools, iso(self._clock.wall()), last_seen)
        self.offer = offer
        same = [t.raw for t in before.tools] == [t.raw for t in tools] and offered.items == offer.items
        if not before.listed or not same:
            self._events.changed(self)

    def _attempt_failed(self, reason: str) -> None:
        log.warning('Warning: failed to connect "%s": %s', self.name, reason)
        self.health.attempt_failed(reason, self._clock.wall())
        self._schedule()
        self._settled.set()

    def _schedule(self) -> None:
        if self._closed:
            return
        delay = delay_seconds(self.timing.policy, self.health.step)
        if delay is None:
            self.health.gave_up()
            return
        self.health.retries_at(self._clock.wall() + delay)
        self._timer = asyncio.get_running_loop().call_later(delay, self._begin)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.health.retries_at(None)

    def _disconnected(self, reason: str) -> None:
        self._connection = None
        self.health.disconnected(reason, self._clock.wall(), self.timing.policy.max_delay_ms / 1000)
        log.warning('Server "%s" disconnected: %s', self.name, reason)
        self._schedule()

    def _lost(self, connection: Connection, reason: str) -> None:
        if connection is self._connection:
            self._disconnected(reason)
            self._tasks.spawn(connection.close_when_drained())
        else:
            self._lanes.drop(connection)

    def _noise(self, connection: Connection, what: str) -> None:
        log.warning('"%s" wrote something to its output that is no message (%s)', self.name, what)

    def _heard(
        self, connection: Connection, method: str, params: Raw | None, client: ClientPort | None
    ) -> None:
        if method in _LISTS:
            if connection is self._connection:
                self._stale.add(method)
                if not self._refreshing:
                    self._refreshing = True
                    self._tasks.spawn(self._refresh(connection))
        else:
            self._events.told(self, method, params, connection.recipient(client))

    async def _asked(
        self, connection: Connection, method: str, params: Raw | None, client: ClientPort | None
    ) -> bytes | Raw:
        return await self.questions.ask(connection, method, params, client, self._exclusive)

    async def _refresh(self, connection: Connection) -> None:
        try:
            while self._stale and connection is self._connection:
                stale, self._stale = self._stale, set()
                last_seen = iso(self._clock.wall())
                seconds = self.timing.connect_seconds
                tools, offer = await reread(connection, stale, self.suite.tools, self.offer, seconds)
                if connection is self._connection:
                    self._take(tools, offer, last_seen)
        finally:
            self._refreshing = False
