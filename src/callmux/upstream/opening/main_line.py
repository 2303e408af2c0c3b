"""The main connection of a server: opened, opened again whenever it is lost, and replaced on demand.

Kept by `callmux.upstream.server`. Concurrent callers share one attempt (`callmux.upstream.opening.attempt`);
`callmux.upstream.opening.next_attempt` says when the next one is due. Until it has carried a call, it adopts
what the client of the first one declares, so that no second process stands beside one that nobody uses. It
sleeps while nobody needs it, where the configuration has it so: `callmux.upstream.demand` says when.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from callmux.clock import Clock
from callmux.context import ClientPort
from callmux.observe.bus import Bus
from callmux.observe.facts import ConnectFailed, ServerDown, ServerUp
from callmux.protocol.shapes import Tool
from callmux.protocol.versions import Era
from callmux.tasks import TaskSet
from callmux.upstream.connection import Connection
from callmux.upstream.failures import CallFailure
from callmux.upstream.health import Health, State
from callmux.upstream.inventory.offer import Offer
from callmux.upstream.opening.attempt import explain
from callmux.upstream.opening.handshake import EndedByProbe
from callmux.upstream.opening.next_attempt import NextAttempt
from callmux.upstream.opening.reconnect import Timing
from callmux.upstream.opening.starts import Start, Starts, Urgency

log = logging.getLogger(__name__)

RECONNECT_WAIT_SECONDS = 10.0
"""How long a call waits for a server that was up and is being connected again."""
TOLD_EACH = 10
"""How many attempts that fail alike are logged one by one; of the others every tenth is."""
RESTART_GRACE_SECONDS = 3.0
"""How long a restart waits for the old connection to end before it opens the new one beside it: whoever holds
a port or a lock should have given it back by then."""

Offered: TypeAlias = tuple[tuple[Tool, ...], Offer]
"""What was read from a connection: tools, and the rest."""


class MainLine:
    """One server's main connection.

    Args:
        name: The server's name, for the log.
        timing: How long things may take.
        clock: Time.
        make: Gives a connection that is not open yet; raises `CallFailure` where it cannot.
        read: Opens it and reads what the server offers; raises `CallFailure` where it cannot.
        is_up: Takes each connection once it is up, what was read, and when the server was seen last (ISO).
        is_down: Told of each attempt that failed, first.
        bus: Who hears how the server is doing.
        starts: Gives its attempts their turns among those of all servers.

    Attributes:
        connection: The live connection, or None.
        health: How the server has been doing.
        timing: How long things may take.
        declares: What is declared on it, or will be in a moment, as canonical JSON.
        era: What the server is spoken to in, or will be in a moment, unless it lacks that.
        adopter: The client that came first, while it is there: nobody else's capabilities replace its own.
        refusal: Why it could not be opened with what a client declares, where that was tried last.
        asleep: It is down because nobody needs it; whoever does opens it.
        waited: How many callers wait for it now.
        needed: Gives whether it is to be connected again once it is lost, or could not be opened.
    """

    def __init__(
        self,
        name: str,
        timing: Timing,
        clock: Clock,
        make: Callable[[], Connection],
        read: Callable[[Connection], Awaitable[Offered]],
        is_up: Callable[[Connection, Offered, str], None],
        is_down: Callable[[], None] = lambda: None,
        bus: Bus | None = None,
        starts: Starts | None = None,
    ) -> None:
        self.connection: Connection | None = None
        self.health = Health()
        self.timing = timing
        self.declares = b"{}"
        self.era = Era.LEGACY
        self.adopter: ClientPort | None = None
        self.refusal: str | None = None
        self.asleep = False
        self.waited = 0
        self.needed: Callable[[], bool] = lambda: True
        self._starts = starts or Starts()
        self._start: Start | None = None
        self._urgency = Urgency.USUAL
        self._waking = False
        self._name = name
        self._clock = clock
        self._make = make
        self._read = read
        self._is_up = is_up
        self._is_down = is_down
        self._bus = bus or Bus()
        self._tasks = TaskSet(f'main connection of "{name}"')
        self._attempt: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._next = NextAttempt(self.health, clock, self.begin)
        self._settled = asyncio.Event()
        self._was_up = False
        self._closed = False

    def __repr__(self) -> str:
        return f"MainLine({self._name!r}, {self.health.state.value})"

    @property
    def is_fresh(self) -> bool:
        """Whether no attempt has been made yet."""
        return self._attempt is None and self.connection is None and not self._settled.is_set()

    @property
    def is_settled(self) -> bool:
        """Whether the first attempt has succeeded or failed, or it is known that none is needed."""
        return self._settled.is_set()

    @property
    def is_down(self) -> bool:
        """Whether there is no connection, and no attempt under way, although there should be."""
        down = self.connection is None and self._attempt is None and self._settled.is_set()
        return down and not self.asleep

    @property
    def is_opening(self) -> bool:
        """Whether an attempt is under way, perhaps beside a connection that it is to replace."""
        return self._attempt is not None

    async def settled(self) -> None:
        """Waits until the first attempt has succeeded or failed."""
        await self._settled.wait()

    def begin(self, urgency: Urgency = Urgency.USUAL) -> None:
        """Connects as soon as it is its turn, by the urgency of whoever waits; no more once it is closed."""
        self._next.cancel()
        if self._closed:
            return
        if self.asleep:
            self.asleep, self._waking = False, True
            self.health.wakes()
        elif self._settled.is_set() and self.connection is None:
            self.health.state = State.RECONNECTING
        self._urgency = urgency
        self._attempt = self._tasks.spawn(self._replace())

    def hurry(self) -> None:
        """A call waits for the attempt under way."""
        self._urgency = Urgency.CALL
        if self._start is not None:
            self._starts.hurry(self._start)

    def sleep(self) -> None:
        """Ends the connection, or the attempt to open one; the next who needs it opens it again."""
        self._end()
        self.asleep = True
        self.health.sleeps()
        self._settled.set()

    def _end(self) -> None:
        old, self.connection = self.connection, None
        attempt, self._attempt = self._attempt, None
        self._next.cancel()
        if attempt is not None:
            attempt.cancel()
            self._ending = attempt
        if old is not None:
            self._ending = self._tasks.spawn(old.close_when_drained())

    def make_way(self) -> None:
        """Ends the connection at once: its process makes room, perhaps for the one that is to replace it."""
        if self._attempt is None:
            self.sleep()
        elif self.connection is not None:
            old, self.connection = self.connection, None
            self._tasks.spawn(old.close_when_drained())

    def retry(self) -> None:
        """Connects now where it is down and waits for its next attempt, or has given up."""
        if self.is_down and not self._closed:
            self.begin()

    async def acquire(self, force: bool) -> Connection | None:
        """The live connection; connects first where that is due. None where it is down.

        Args:
            force: Whether to connect now, whatever the backoff says.
        """
        self.waited += 1
        try:
            return await self._acquired(force)
        finally:
            self.waited -= 1

    async def _acquired(self, force: bool) -> Connection | None:
        if self.connection is None:
            if self._attempt is None:
                waiting = self.timing.policy.fast_fail_during_backoff and self._next.waits
                if self._closed or (waiting and self.health.failed_attempt and not force):
                    return None
                self.begin(Urgency.CALL)
            self.hurry()
            await self._attempted(RECONNECT_WAIT_SECONDS if self._was_up and not self._waking else None)
        wanted = self.declares
        while self.connection is not None and self.ready is None and self._attempt is not None:
            await self._attempted(None)
        # Of which era it is does not matter: a server may lack the one that was wanted.
        return self.ready if self.declares == wanted else None

    @property
    def ready(self) -> Connection | None:
        """The live connection, where it declares what it is to declare."""
        connection = self.connection
        if connection is None or (connection.era is self.era and connection.declared == self.declares):
            return connection
        return connection if self._fits(connection) else None

    def _fits(self, connection: Connection) -> bool:
        """Whether a connection is what the main one is to be."""
        if connection.era is not self.era:
            return False
        return self.era is Era.MODERN or connection.declared == self.declares

    def adopt(self, client: ClientPort, declared: bytes, era: Era = Era.LEGACY) -> bool:
        """Has the connection declare what this client does and speak its era, if it has not carried a call of
        anybody yet; whether it does now, or will in a moment."""
        connection = self.connection
        if era is self.era and (era is Era.MODERN or declared == self.declares):
            self.adopter = self.adopter or client
            return True
        audience = connection.audience if connection is not None else None
        taken = audience is not None and (audience.carried or audience.owner is not None)
        away = connection is None and self._attempt is None and not self.asleep
        if taken or away or self.adopter not in (None, client):
            return False
        self.declares, self.era, self.adopter, self.refusal = declared, era, client, None
        if self._attempt is None:
            self.begin()
        return True

    async def _attempted(self, seconds: float | None) -> None:
        """Waits until the attempt under way is over, or another one that took its place."""
        loop = asyncio.get_running_loop()
        end = None if seconds is None else loop.time() + seconds
        while (attempt := self._attempt) is not None:
            left = None if end is None else max(end - loop.time(), 0)
            await asyncio.wait({attempt}, timeout=left)
            if self._attempt is attempt or not attempt.cancelled():
                return

    async def restart(self) -> None:
        """Takes no more calls on the connection there is, ends it, and connects anew; waits for the outcome,
        which `connection` and `health` tell. Calls that come meanwhile wait for the new one; those in flight
        finish where they are."""
        if self._closed:
            return
        self._end()
        self.asleep = False
        self.health.starts_over()
        self._urgency = Urgency.CALL
        self._attempt = self._tasks.spawn(self._replace())
        await self._attempted(None)

    async def _replace(self) -> None:
        """Connects once the connection before has ended, and it is this one's turn."""
        if self._ending is not None and not self._ending.done():
            await asyncio.wait({self._ending}, timeout=RESTART_GRACE_SECONDS)
        start = self._start = self._starts.register(self._urgency)
        try:
            await self._starts.turn(start)
            await self._connect()
        finally:
            self._starts.over(start)
            if self._start is start:
                self._start = None

    async def _connect(self) -> None:
        started, era = self._clock.monotonic(), self.era
        connection: Connection | None = None
        try:
            connection = self._make()
            try:
                offered = await self._read(connection)
            except EndedByProbe:
                await connection.close()
                connection = self._make()
                offered = await self._read(connection)
        except Exception as error:
            given_up = self._attempt is not asyncio.current_task()
            if not given_up:
                facts = (error.lasting, error.sign_in) if isinstance(error, CallFailure) else (False, False)
                self._failed(explain(error, self._name, connection), *facts)
                # The attempt is over, and another may begin; what this one began is still to end.
                self._ending, self._attempt = self._attempt, None
            if connection is not None:
                await connection.close()
            if given_up:
                raise asyncio.CancelledError from error
            return
        except asyncio.CancelledError:
            if connection is not None:
                await connection.close()
            raise
        finally:
            self.health.connect_ms = round((self._clock.monotonic() - started) * 1000)
            if self._attempt is asyncio.current_task():
                self._attempt = None
        if self.era is era:
            # The server may lack the one that was wanted.
            self.era = connection.era
        self._succeeded(connection, offered)

    def _succeeded(self, connection: Connection, offered: Offered) -> None:
        now, tools = self._clock.wall(), len(offered[0])
        before, self.connection = self.connection, connection
        last_seen = self.health.last_seen(now)
        self.health.connected(now)
        again, self._was_up, self._waking = self._was_up, True, False
        if self._bus.hears(ServerUp):
            seconds = (self.health.connect_ms or 0) / 1000
            self._bus.publish(ServerUp(server=self._name, again=again, seconds=seconds, tools=tools))
        log.info('Connected to "%s": %d tools (%d ms)', self._name, tools, self.health.connect_ms)
        # Whoever waits comes next, whatever else follows from this.
        self._settled.set()
        if before is not None:
            self._tasks.spawn(before.close_when_drained())
        if not self._fits(connection):
            # A client came meanwhile. The attempt was not cut short: that may leave half an installation.
            self.begin()
        self._is_up(connection, offered, last_seen)

    def _failed(self, reason: str, lasting: bool, sign_in: bool) -> None:
        if self.connection is not None:
            # The one that was to be replaced goes on as it is.
            log.warning('could not connect "%s": %s', self._name, reason)
            self.declares, self.adopter, self.refusal = self.connection.declared, None, reason
            self.era = self.connection.era
            self._tell_failure(reason, 0, None)
            return
        self._waking = False
        again = self.health.attempt_failed(reason, self._clock.wall(), sign_in)
        delay = self._schedule(lasting)
        attempts = self.health.attempts
        if not again:
            log.warning('could not connect "%s": %s', self._name, reason)
        elif attempts <= TOLD_EACH or attempts % TOLD_EACH == 0 or delay is None:
            then = "no further one" if delay is None else f"next in {round(delay, 1):g} s"
            log.warning('could not connect "%s": attempt %d failed, %s', self._name, attempts, then)
        self._tell_failure(reason, attempts, delay)
        self._is_down()
        self._settled.set()

    def _tell_failure(self, reason: str, attempt: int, delay: float | None) -> None:
        if self._bus.hears(ConnectFailed):
            self._bus.publish(
                ConnectFailed(server=self._name, reason=reason, attempt=attempt, next_seconds=delay)
            )

    def _schedule(self, lasting: bool = False) -> float | None:
        """When the next attempt is, in seconds; None for never."""
        if self._closed:
            return None
        return self._next.plan(self.timing, needed=self.needed(), was_up=self._was_up, lasting=lasting)

    def lost(self, reason: str) -> None:
        """Takes no more calls on the connection, ends it once it is drained, and connects anew when that is
        due."""
        old, self.connection = self.connection, None
        self.health.disconnected(reason, self._clock.wall(), self.timing.policy.max_delay_ms / 1000)
        log.warning('Server "%s" disconnected: %s', self._name, reason)
        if self._bus.hears(ServerDown):
            self._bus.publish(ServerDown(server=self._name, reason=reason))
        if self._attempt is None and self.needed():
            self._schedule()
        elif self._attempt is None and not self._closed:
            self.asleep = True
            self.health.sleeps()
        if old is not None:
            self._tasks.spawn(old.close_when_drained())

    async def close(self) -> None:
        """Ends the connection and everything that works for it."""
        self._closed = True
        self._next.cancel()
        connection, self.connection = self.connection, None
        try:
            if connection is not None:
                await connection.close()
        finally:
            await self._tasks.cancel()
            self._settled.set()
