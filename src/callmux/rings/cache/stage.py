"""Answers reads that were made before from what is kept. A call stage, between preparing and coalescing.

Calls `callmux.rings.cache.policy` and `.store`. It stands in the ring only where the configuration caches at
all; a call that may not be cached costs it one look-up.
"""

from __future__ import annotations

from collections.abc import Mapping

from callmux.clock import Clock
from callmux.context import CallContext, ClientPort
from callmux.protocol.shapes import Result
from callmux.rings.cache.keys import Keys
from callmux.rings.cache.policy import is_whole
from callmux.rings.cache.store import CacheStore
from callmux.rings.call import Call
from callmux.rings.stage import Proceed
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

    async def __call__(self, call: Call, context: CallContext, proceed: Proceed) -> Result:
        if not call.route.verdict.cached:
            return await proceed(call, context)
        key = self._keys.of(call, context, again=True)
        if key is None:
            return await proceed(call, context)
        kept = self._store.get(key, self._clock.monotonic())
        if kept is not None:
            return Result(kept)
        epoch = self._store.begin(call.server, self._clock.monotonic)
        own = True

        def heard(session: ClientPort | None) -> None:
            # What this client answers goes into the result: it is true for this one call.
            nonlocal own
            own = own and session is not None and session is not context.client.session

        questions = self._servers[call.server].questions
        questions.watch(heard)
        try:
            result = await proceed(call, context)
        finally:
            questions.unwatch(heard)
        if own and is_whole(result):
            self._store.put(key, result.raw, self._clock.monotonic(), epoch)
        return result

    def would_hit(self, call: Call, context: CallContext) -> bool:
        """Whether the call would be answered from the cache now; changes and counts nothing."""
        if not call.route.verdict.cached or (key := self._keys.of(call, context)) is None:
            return False
        return self._store.has(key, self._clock.monotonic())
