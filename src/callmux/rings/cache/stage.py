"""Answers reads that were made before from what is kept. A call stage, between preparing and coalescing.

Calls `callmux.rings.cache.policy` and `.store`. It stands in the ring only where the configuration caches at
all; a call that may not be cached costs it one look-up.
"""

from __future__ import annotations

from collections.abc import Mapping

from callmux.clock import Clock
from callmux.context import ClientPort
from callmux.protocol.shapes import Result
from callmux.rings.cache.keys import Keys
from callmux.rings.cache.policy import is_whole
from callmux.rings.cache.store import CacheStore, Key
from callmux.rings.call import Call
from callmux.rings.route import Route
from callmux.rings.stage import Outcome
from callmux.upstream.server import Server


class Caching:
    """Call stage: the cache.

    Args:
        keys: Gives the keys of calls.
        store: Where results are kept.
        servers: All servers by name.
        clock: Time.
    """

    def __init__(self, keys: Keys, store: CacheStore, servers: Mapping[str, Server], clock: Clock) -> None:
        self._keys = keys
        self._store = store
        self._servers = servers
        self._clock = clock

    def concerns(self, route: Route) -> bool:
        """Whether it can have something to do for a call."""
        return route.verdict.cached

    def enter(self, call: Call) -> Result | None:
        key = self._keys.of(call)
        if key is None:
            return None
        kept = self._store.get(key, self._clock.monotonic())
        if kept is not None:
            call.source = "cache"
            return Result(kept)
        server = call.route.server
        epoch = self._store.begin(server, self._clock.monotonic)
        watch = call.watch = _Watch(call.context.client.session, epoch)
        self._servers[server].questions.watch(watch.heard)
        return None

    def leave(self, call: Call, outcome: Outcome) -> Outcome:
        watch, key = call.watch, call.identity
        if watch is not None:
            self._servers[call.route.server].questions.unwatch(watch.heard)
            if watch.own and isinstance(key, Key) and isinstance(outcome, Result) and is_whole(outcome):
                self._store.put(key, outcome.raw, self._clock.monotonic(), watch.epoch)
        return outcome

    def would_hit(self, call: Call) -> bool:
        """Whether the call would be answered from the cache now; changes and counts nothing."""
        if not call.route.verdict.cached or (key := self._keys.of(call)) is None:
            return False
        return self._store.has(key, self._clock.monotonic())


class _Watch:
    """What is noted while a read is under way.

    Args:
        session: Whose it is.
        epoch: What the store gave at the start.

    Attributes:
        own: No client had a say in it.
    """

    __slots__ = ("_session", "epoch", "own")

    def __init__(self, session: ClientPort, epoch: int | None) -> None:
        self._session = session
        self.epoch = epoch
        self.own = True

    def heard(self, session: ClientPort | None) -> None:
        """The server asks a client something. What this one answers goes into the result: that is true for
        this one call."""
        if session is None or session is self._session:
            self.own = False
