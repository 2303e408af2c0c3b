"""Equal reads at the same time are one call to the server. A call stage, between the cache and limiting.

What reads stands in the route. The call that goes out belongs to the flight, so that it outlives a caller
that gives up; it is cancelled once all have. A caller never joins a read that began before a write to that
server had finished.
"""

from __future__ import annotations

import asyncio
import copy
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from callmux.clock import Clock
from callmux.context import CallContext, ClientPort
from callmux.errors import ToolCallFailed
from callmux.protocol.shapes import Result
from callmux.rings.cache.keys import Keys
from callmux.rings.cache.policy import is_whole
from callmux.rings.cache.writes import Writes
from callmux.rings.call import Call
from callmux.rings.ring import NOT_WANTED, cancel, settle, start
from callmux.rings.route import Route
from callmux.rings.stage import AGAIN, HELD, Outcome, Sign
from callmux.stores.cache import Key
from callmux.stores.counters import Counters
from callmux.upstream.failures import timed_out, to_error
from callmux.upstream.server import Server

SOON_SECONDS = 0.001
"""A read with less time left is joined no more: a timer may come early, by the resolution of its clock."""


class Coalescing:
    """Call stage: shares reads.

    Args:
        keys: Gives the keys of calls.
        writes: Says which reads a write has made worthless.
        counters: Counts what is shared.
        servers: All servers by name.
        clock: Time.
    """

    gives_away = True

    def __init__(
        self, keys: Keys, writes: Writes, counters: Counters, servers: Mapping[str, Server], clock: Clock
    ) -> None:
        self._clock = clock
        self._keys = keys
        self._writes = writes
        self._counters = counters
        self._servers = servers
        self._flights: dict[str, dict[Key, _Flight]] = {}
        self._displaced: set[_Flight] = set()

    def __repr__(self) -> str:
        under_way = [flight for flights in self._flights.values() for flight in flights.values()]
        return f"Coalescing({[*under_way, *self._displaced]!r})"

    def concerns(self, route: Route) -> bool:
        """Whether it can have something to do for a call."""
        return route.verdict.shared

    def enter(self, call: Call) -> Sign | Coroutine[Any, Any, Sign] | None:
        key = self._keys.of(call)
        if key is None:
            return None
        noted, server = call.watch, call.route.server
        # Where something is noted, the cache has asked already, or this stage has.
        epoch = self._writes.begin(server, self._clock.monotonic) if noted is None else noted.epoch
        if not isinstance(epoch, int):
            return None if epoch is None else self._ask(call, epoch)
        flights = self._flights.get(server)
        if flights is None:
            flights = self._heed(server)
        flight = flights.get(key)
        if flight is not None:
            if flight.takes(epoch, call.context, self._clock.monotonic()):
                self._counters.coalesced += 1
                flight.join(call)
                return HELD
            self._displaced.add(flight)
        flights[key] = flight = _Flight(call, key, epoch, self._over)
        self._counters.in_flight += 1
        call.holder = flight
        start(flight.call)
        return HELD

    def _heed(self, server: str) -> dict[Key, _Flight]:
        """Begins to heed what a server asks, for as long as this stage is there."""
        questions = self._servers[server].questions

        def heard(session: ClientPort | None) -> None:
            stage = alive()
            if stage is not None:
                stage._asked(server, session)

        alive = weakref.ref(self, lambda _: questions.unwatch(heard))
        questions.watch(heard)
        flights = self._flights[server] = {}
        return flights

    def _asked(self, server: str, session: ClientPort | None) -> None:
        """Tells the flights of a server what it asks."""
        displaced = [flight for flight in self._displaced if flight.server == server]
        for flight in [*self._flights[server].values(), *displaced]:
            flight.asked(session)

    async def _ask(self, call: Call, epoch: Awaitable[int | None]) -> Sign:
        """Enters once more when the store has answered."""
        call.watch = _Begun(await epoch)
        return AGAIN

    def _over(self, flight: _Flight) -> None:
        """Closes a flight, so that nobody joins it any more."""
        self._counters.in_flight -= 1
        flights, key = self._flights[flight.server], flight.key
        found = flights.pop(key, None)
        if found is not flight:
            if found is not None:
                flights[key] = found
            self._displaced.discard(flight)


class _Begun(msgspec.Struct, frozen=True):
    """The epoch at which a read began, where nothing else is noted of it."""

    epoch: int | None


class _Flight:
    """One call under way, and those who wait for it. The first of them is the leader: the call is made on its
    behalf.

    Args:
        leader: The leader's call.
        key: What equal calls have in common.
        epoch: The server's epoch at the start.
        over: Called once, when nobody can join any more.
    """

    __slots__ = ("_epoch", "_first", "_open", "_over", "_timers", "_waiters", "call", "key")

    def __init__(self, leader: Call, key: Key, epoch: int, over: Callable[[_Flight], None]) -> None:
        self.key = key
        self._epoch = epoch
        self._over: Callable[[_Flight], None] | None = over
        self._open = True
        self._first = leader
        self._waiters = [leader]
        self._timers: dict[Call, asyncio.TimerHandle] = {}
        context = leader.context
        # In their order; what is not named has no part in a read, or is what it is at the start.
        self.call = call = Call(
            context,
            leader.route,
            leader.stages.within(leader.depth),
            self._landed,
            leader.target,
            leader.asked,
            leader.seconds,
            leader.deadline,
            leader.arguments,
            leader.key,
            leader.no_params,
            leader.scope,
        )
        if leader.paused:
            call.paused = True
        if context.progress_token is not None:
            call.progress = self._progressed
            leader.progress = context.progressed

    def __repr__(self) -> str:
        return f"_Flight({self.call.target!r}, {len(self._waiters)} waiting)"

    @property
    def server(self) -> str:
        """The server's key in the configuration."""
        return self._first.route.server

    def takes(self, epoch: int, context: CallContext, now: float) -> bool:
        """Whether another caller may wait for it, too: no write has ended meanwhile, nobody was asked for
        input, its time is not up, the leader's client does not hold it up, and a caller that wants progress
        will see some."""
        leader = self._first.context
        if not self._open or self._epoch != epoch or not leader.client.reading:
            return False
        if now + SOON_SECONDS >= self.call.deadline:
            return False
        return context.progress_token is None or leader.progress_token is not None

    def join(self, call: Call) -> None:
        """Another caller waits for it."""
        call.holder = self
        call.source = "shared"
        shared = self.call
        if call.seconds < shared.seconds:
            self._hold_to_its_time(call)
        elif call.seconds > shared.seconds:
            # It goes on for the most patient; whoever asked for less time gets no more than that.
            for waiter in self._waiters:
                if waiter not in self._timers:
                    self._hold_to_its_time(waiter)
        shared.extend(call.deadline, call.seconds)
        if call.context.progress_token is not None:
            call.progress = call.context.progressed
        self._waiters.append(call)

    def _hold_to_its_time(self, waiter: Call) -> None:
        loop = asyncio.get_running_loop()
        self._timers[waiter] = loop.call_at(waiter.deadline, self._expire, waiter)

    def _expire(self, waiter: Call) -> None:
        """Its own time is up, while others wait longer."""
        if self._leaves(waiter):
            late = timed_out(f'{waiter.method} on "{waiter.server}"', waiter.seconds * 1000)
            self._cancel_unwanted("timed out")
            settle(
                waiter, to_error(late, waiter.asked.spelling, waiter.server, safe=waiter.safe, retried=False)
            )

    def abandon(self, call: Call, reason: str | None) -> None:
        """Takes a caller that gives up out of its flight. The call goes on as long as anybody waits for
        it."""
        if self._leaves(call):
            self._cancel_unwanted(reason)

    def _leaves(self, waiter: Call) -> bool:
        if waiter not in self._waiters:
            return False
        self._waiters.remove(waiter)
        if (timer := self._timers.pop(waiter, None)) is not None:
            timer.cancel()
        return True

    def _cancel_unwanted(self, reason: str | None) -> None:
        if not self._waiters:
            self._close()
            cancel(self.call, reason)

    def _progressed(self, params: Raw) -> None:
        for waiter in self._waiters:
            if waiter.progress is not None:
                waiter.progress(params)

    def asked(self, session: ClientPort | None) -> None:
        """Reacts to a question of the server to a client. If that may be the leader, the answer will be its
        own: the others make their calls themselves."""
        if session is None or session is self._first.context.client.session:
            self._open = False
            self._send_off()
            # The leader may have left long before.
            self._cancel_unwanted(NOT_WANTED)

    def _send_off(self) -> None:
        """Followers make their calls themselves."""
        for waiter in [w for w in self._waiters if w is not self._first]:
            self._leaves(waiter)
            waiter.holder = waiter.progress = None
            waiter.source = "server"
            start(waiter)

    def _landed(self, call: Call, outcome: Outcome) -> None:
        """Tells everybody who waits how the call ended."""
        self._close()
        del self.call
        first, waiters = self._first, self._waiters
        first.number = call.number
        if call.paused:
            first.first, first.waited = call.first, call.waited
        if self._timers or len(waiters) != 1 or waiters[0] is not first:
            if isinstance(outcome, Result) and not is_whole(outcome) and not outcome.is_error:
                # It promises the answer to the leader alone.
                self._send_off()
            for timer in self._timers.values():
                timer.cancel()
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            settle(waiter, outcome if isinstance(outcome, Result) else _addressed(outcome, waiter))

    def _close(self) -> None:
        self._open = False
        over, self._over = self._over, None
        if over is not None:
            over(self)


def _addressed(error: BaseException, call: Call) -> BaseException:
    """`error` for one of several callers: it names the tool as that caller spelled it."""
    if not isinstance(error, ToolCallFailed) or error.details.get("tool") == call.asked.spelling:
        return error
    own = copy.copy(error)
    own.details = {**error.details, "tool": call.asked.spelling}
    return own
