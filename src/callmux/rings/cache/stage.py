"""Answers reads that were made before from what is kept. A call stage, between preparing and coalescing.

Calls `callmux.rings.cache.keys`, `callmux.rings.cache.writes` and the store of `callmux.stores.cache`. It
stands in the ring only where the configuration caches at all. A store that fails is a miss; one that must be
asked over a network is waited for. `callmux.rings.cache.holding` does the same for reads of resources.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Mapping
from typing import Any

from callmux.clock import Clock
from callmux.context import ClientPort
from callmux.protocol.shapes import Result
from callmux.rings.cache.aging import aged, stamped, unstamped
from callmux.rings.cache.keys import Keys
from callmux.rings.cache.policy import is_whole
from callmux.rings.cache.writes import Writes
from callmux.rings.call import Call
from callmux.rings.route import Route
from callmux.rings.stage import Outcome
from callmux.stores.border import Border
from callmux.stores.cache import Cache, Key
from callmux.stores.counters import Counters
from callmux.upstream.server import Server

BRACE = ord("}")


class Caching:
    """Call stage: the cache.

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
        return route.verdict.cached and route.method == "tools/call"

    def enter(self, call: Call) -> Result | Coroutine[Any, Any, Result | None] | None:
        key = self._keys.of(call)
        if key is None:
            return self._renew(call) if call.asked.force_reconnect else None
        writes, server = self._writes, call.route.server
        if writes.unsure and server in writes.unsure:
            self._counters.misses += 1
            return None
        kept = self._store.get(key, self._clock.monotonic())
        if kept is None:
            self._counters.misses += 1
            return self._begin(call)
        if isinstance(kept, bytes):
            self._counters.hits += 1
            call.source = "cache"
            # Only what carries its time ends otherwise.
            return Result(kept) if kept[-1] == BRACE else self._given(call, kept)
        return self._look(call, kept)

    def _renew(self, call: Call) -> Coroutine[Any, Any, None] | None:
        """Enters with a call that is made whatever is kept: what it brings takes the place of that, so that
        nobody is given the older one after it."""
        key = self._keys.of(call, anew=True)
        return None if key is None else self._begin(call, key)

    def _begin(self, call: Call, key: Key | None = None) -> Coroutine[Any, Any, None] | None:
        """Watches a read from now on."""
        epoch = self._writes.begin(call.route.server, self._clock.monotonic)
        if epoch is None or isinstance(epoch, int):
            self._watch(call, epoch, key)
            return None
        return self._begun(call, epoch, key)

    async def _look(self, call: Call, asked: Awaitable[bytes | None]) -> Result | None:
        """Enters where the store must be asked."""
        kept = await self._border.answered_or(asked, None)
        if kept is not None and self._is_hit(call):
            return self._given(call, kept)
        await self._miss(call)
        return None

    def _given(self, call: Call, kept: bytes) -> Result:
        """What a call is answered with."""
        raw, since = unstamped(kept)
        if since is None or not call.route.verdict.aged:
            return Result(raw)
        direct = call.stages is call.route.direct
        return aged(raw, self._clock.wall() - since, direct=direct)

    def _is_hit(self, call: Call) -> bool:
        """Whether a result that was found answers the call, which is noted then. A write that ended
        meanwhile, and of which the store does not know, may have made it worthless."""
        if call.route.server in self._writes.unsure:
            return False
        self._counters.hits += 1
        call.source = "cache"
        return True

    async def _miss(self, call: Call) -> None:
        self._counters.misses += 1
        if (begun := self._begin(call)) is not None:
            await begun

    async def _begun(self, call: Call, epoch: Awaitable[int | None], key: Key | None) -> None:
        self._watch(call, await epoch, key)

    def _watch(self, call: Call, epoch: int | None, key: Key | None = None) -> None:
        watch = call.watch = _Watch(call.context.client.session, epoch, key)
        self._servers[call.route.server].questions.watch(watch.heard)

    def leave(self, call: Call, outcome: Outcome) -> Outcome | Coroutine[Any, Any, Outcome]:
        watch = call.watch
        if type(watch) is _Watch:
            key = watch.key or call.identity
            self._servers[call.route.server].questions.unwatch(watch.heard)
            if watch.own and isinstance(key, Key) and isinstance(outcome, Result) and is_whole(outcome):
                kept = self._keep(call, key, outcome, watch.epoch)
                if not isinstance(kept, bool):
                    return self._put(outcome, kept)
        return outcome

    def _keep(self, call: Call, key: Key, result: Result, epoch: int | None) -> bool | Awaitable[bool]:
        raw = stamped(result.raw, self._clock.wall()) if call.route.verdict.aged else result.raw
        return self._store.put(key, raw, self._clock.monotonic(), epoch)

    async def _put(self, outcome: Outcome, kept: Awaitable[bool]) -> Outcome:
        await self._border.answered_or(kept, False)
        return outcome

    def would_hit(self, call: Call) -> bool | Coroutine[Any, Any, bool]:
        """Whether the call would be answered from the cache now; changes and counts nothing."""
        if not self.concerns(call.route) or (key := self._keys.of(call)) is None:
            return False
        if call.route.server in self._writes.unsure:
            return False
        has = self._store.has(key, self._clock.monotonic())
        return has if isinstance(has, bool) else self._border.answered_or(has, False)


class _Watch:
    """What is noted while a read is under way.

    Args:
        session: Whose it is.
        epoch: What was noted at the start.
        key: Under which its result is kept; None for that of its call.

    Attributes:
        own: No client had a say in it.
    """

    __slots__ = ("_session", "epoch", "key", "own")

    def __init__(self, session: ClientPort, epoch: int | None, key: Key | None) -> None:
        self._session = session
        self.epoch = epoch
        self.key = key
        self.own = True

    def heard(self, session: ClientPort | None) -> None:
        """Notes that the server asks a client something. The answer goes into the result, which is true
        for this call alone."""
        if session is None or session is self._session:
            self.own = False
