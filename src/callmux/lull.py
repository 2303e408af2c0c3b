"""Waiting until something has nothing to do, where whoever is busy pays next to nothing for it.

Kept by sessions, connections and `callmux.upstream.in_use`. An `asyncio.Event` would be set and cleared with
each lone call, and hardly anybody ever waits: so only those who wait are noted, and told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Lull:
    """Those who wait until nothing is under way.

    Args:
        busy: How much is under way, or what; false for nothing.

    Attributes:
        awaited: Somebody waits: `come` must be called when nothing is under way any more.
    """

    __slots__ = ("_busy", "_waiting", "awaited")

    def __init__(self, busy: Callable[[], object]) -> None:
        self._busy = busy
        self._waiting: asyncio.Future[None] | None = None
        self.awaited = False

    def __repr__(self) -> str:
        return f"Lull({'now' if self.is_set() else 'not yet'}{', awaited' if self.awaited else ''})"

    def is_set(self) -> bool:
        """Whether nothing is under way."""
        return not self._busy()

    def come(self) -> None:
        """Nothing is under way now."""
        waiting, self._waiting = self._waiting, None
        self.awaited = False
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def wait(self) -> None:
        """Waits until nothing is under way; not at all where that is so."""
        while self._busy():
            if self._waiting is None or self._waiting.done():
                self._waiting = asyncio.get_running_loop().create_future()
            self.awaited = True
            # One of several that wait may give up: the others still do.
            await asyncio.shield(self._waiting)
