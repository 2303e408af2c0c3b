"""Answers reads of resources that were made before, for as long as their servers say. A call stage.

Servers of MCP 2026-07-28 say of each such result for how long it holds, and for whom
(server/utilities/caching). One that is public is kept for all callers who may do the same; one that is
private for its own reader. Nothing is kept for longer than the configuration says. It stands beside
`callmux.rings.cache.stage`, which keeps results of tools, and uses the same store.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Coroutine, Mapping
from typing import Any, TypeVar

import msgspec

from callmux.clock import Clock
from callmux.protocol import caching
from callmux.protocol.methods import RESOURCES_READ
from callmux.protocol.shapes import Result
from callmux.rings.cache.keys import Keys
from callmux.rings.cache.policy import is_whole
from callmux.rings.cache.stage import Watch
from callmux.rings.cache.writes import Writes
from callmux.rings.call import Call
from callmux.rings.route import Route
from callmux.rings.stage import Outcome
from callmux.stores.border import Border
from callmux.stores.cache import Cache, Key
from callmux.stores.counters import Counters
from callmux.upstream.server import Server

T = TypeVar("T")


class _Reading(msgspec.Struct, frozen=True):
    """What is noted while a read is under way.

    Attributes:
        key: What equal reads have in common.
        own: The same for this reader alone.
    """

    key: Key
    own: Key
    watch: Watch


class Holding:
    """Call stage: keeps reads of resources.

    Args:
        keys: Gives the keys of calls.
        store: Where results are kept.
        writes: Says which reads a write has made worthless.
        counters: Counts hits and misses.
        servers: All servers by name.
        clock: Time.
    """

    def __init__(
        self,
        keys: Keys,
        store: Cache,
        writes: Writes,
        counters: Counters,
        servers: Mapping[str, Server],
        clock: Clock,
    ) -> None:
        self._keys = keys
        self._store = store
        self._writes = writes
        self._counters = counters
        self._servers = servers
        self._clock = clock
        self._border = Border("the cache")

    def concerns(self, route: Route) -> bool:
        """Whether it can have something to do for a call."""
        return route.verdict.cached and route.method == RESOURCES_READ

    def enter(self, call: Call) -> Coroutine[Any, Any, Result | None] | None:
        connection = self._servers[call.route.server].connection
        if connection is None or connection.stateless is None:
            return None
        key = self._keys.of(call)
        return None if key is None else self._look(call, key._replace(tool=f"{RESOURCES_READ} {key.tool}"))

    async def _look(self, call: Call, key: Key) -> Result | None:
        context, server = call.context, call.route.server
        own = key._replace(credentials=f"{key.credentials} of {context.owner}")
        for one in (key, own):
            kept = await self._given(self._store.get(one, self._clock.monotonic()), None)
            # A write that ended meanwhile, and of which the store does not know, may have made it worthless.
            if kept is not None and server not in self._writes.unsure:
                self._counters.hits += 1
                call.source = "cache"
                # How much of its time is left, the store does not tell.
                return Result(caching.said_to(kept, modern=True, spent=True))
        self._counters.misses += 1
        begun = self._writes.begin(server, self._clock.monotonic)
        epoch = begun if begun is None or isinstance(begun, int) else await begun
        watch = Watch(context.client.session, epoch)
        call.watch = _Reading(key, own, watch)
        self._servers[server].questions.watch(watch.heard)
        return None

    def leave(self, call: Call, outcome: Outcome) -> Outcome | Coroutine[Any, Any, Outcome]:
        reading = call.watch
        if type(reading) is not _Reading:
            return outcome
        call.watch, watch = None, reading.watch
        self._servers[call.route.server].questions.unwatch(watch.heard)
        if not watch.own or not isinstance(outcome, Result) or not is_whole(outcome):
            return outcome
        hold = caching.told(outcome.members())
        if hold.ms <= 0:
            return outcome
        key = reading.own if hold.private else reading.key
        now, lasts = self._clock.monotonic(), hold.ms / 1000
        return self._kept(outcome, self._store.put(key, outcome.raw, now, watch.epoch, lasts))

    async def _kept(self, outcome: Outcome, kept: bool | Awaitable[bool]) -> Outcome:
        await self._given(kept, False)
        return outcome

    async def _given(self, given: T | Awaitable[T], instead: T) -> T:
        return await self._border.answered_or(given, instead) if inspect.isawaitable(given) else given
