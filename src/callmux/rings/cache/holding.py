"""Answers reads of resources that were made before, for as long as their servers say. A call stage.

Servers of MCP 2026-07-28 say of each such result for how long it holds, and for whom
(server/utilities/caching). One that is public is kept for all callers who may do the same; one that is
private for its own reader. Nothing is kept for longer than the configuration says. It is what
`callmux.rings.cache.stage` is for results of tools, and uses the same store.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Coroutine
from typing import Any

from callmux.protocol import caching
from callmux.protocol.methods import RESOURCES_READ
from callmux.protocol.shapes import Result
from callmux.rings.cache.stage import Caching
from callmux.rings.call import Call
from callmux.rings.route import Route
from callmux.stores.cache import Key


class Holding(Caching):
    """Call stage: keeps reads of resources."""

    def concerns(self, route: Route) -> bool:
        """Whether it can have something to do for a call."""
        return route.verdict.cached and route.method == RESOURCES_READ

    def enter(self, call: Call) -> Coroutine[Any, Any, Result | None] | None:
        connection = self._servers[call.route.server].connection
        if connection is None or connection.stateless is None:
            return None
        key = self._keys.of(call)
        return None if key is None else self._find(call, key)

    async def _find(self, call: Call, key: Key) -> Result | None:
        for one in (_shared(key), _own(key, call)):
            given = self._store.get(one, self._clock.monotonic())
            kept = await self._border.answered_or(given, None) if inspect.isawaitable(given) else given
            if kept is not None and self._is_hit(call):
                # How much of its time is left, the store does not tell.
                return Result(caching.said_to(kept, modern=True, spent=True))
        await self._miss(call)
        return None

    def _keep(self, call: Call, key: Key, result: Result, epoch: int | None) -> bool | Awaitable[bool]:
        hold = caching.told(result.members())
        if hold.ms <= 0:
            return False
        name, lasts = _own(key, call) if hold.private else _shared(key), hold.ms / 1000
        return self._store.put(name, result.raw, self._clock.monotonic(), epoch, lasts)


def _shared(key: Key) -> Key:
    """What equal reads of all callers have in common, and calls of tools have not."""
    return key._replace(tool=f"{RESOURCES_READ} {key.tool}")


def _own(key: Key, call: Call) -> Key:
    """The same for this reader alone."""
    return _shared(key)._replace(credentials=f"{key.credentials} of {call.context.owner}")
