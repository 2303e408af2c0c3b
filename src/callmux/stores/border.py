"""The border to a store: its answer is there at once, or comes in a bounded time, or the store has failed.

Held by everything that calls a store: the cache and coalescing stages, `callmux.rings.cache.writes`,
`callmux.rings.shield.shelf`, `callmux_cache_clear`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Coroutine
from typing import TypeVar

from callmux.errors import StoreUnavailable
from callmux.tasks import TaskSet, at_once

log = logging.getLogger(__name__)

T = TypeVar("T")
SECONDS = 1.0
"""How long a store is waited for: longer than a round trip to any that helps."""
REST_SECONDS = 5.0
"""How long a store that gave no answer in time is not asked: nobody waits for it in vain meanwhile."""
SILENT_SECONDS = 60.0
"""How long nothing more is logged of a store that has failed."""


class Border:
    """One user's side of a store.

    Args:
        name: What the store is, for messages: `the cache`.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._silent_until = 0.0
        self._rests_until = 0.0

    async def answered(self, waiting: Awaitable[T]) -> T:
        """Waits for an answer, at most `SECONDS`.

        Raises:
            StoreUnavailable: There is none, or the store failed in any way.
        """
        if asyncio.get_running_loop().time() < self._rests_until:
            if isinstance(waiting, Coroutine):
                waiting.close()
            raise self._failed("no answer in time, a moment ago")
        asked: asyncio.Task[T] = at_once(_awaited(waiting))
        try:
            done, _ = await asyncio.wait({asked}, timeout=SECONDS)
        except asyncio.CancelledError:
            _abandon(asked)
            raise
        if not done:
            _abandon(asked)
            self._rests_until = asyncio.get_running_loop().time() + REST_SECONDS
            raise self._failed(f"no answer within {SECONDS:g} s")
        if asked.cancelled():
            raise self._failed("it gave up")
        if (error := asked.exception()) is not None:
            if isinstance(error, StoreUnavailable):
                # Whoever raises it has said so in the log.
                raise StoreUnavailable(f"{self._name} cannot be reached: try again in a moment") from error
            raise self._failed(repr(error))
        return asked.result()

    async def answered_or(self, waiting: Awaitable[T], otherwise: T) -> T:
        """The same; `otherwise` where the store has failed."""
        try:
            return await self.answered(waiting)
        except StoreUnavailable:
            return otherwise

    def tell(self, waiting: Awaitable[object], tasks: TaskSet) -> None:
        """Lets a store take what nobody waits for.

        Args:
            tasks: Whose task that is.
        """
        task = tasks.spawn(self.answered_or(waiting, None))
        if isinstance(waiting, Coroutine):
            # It need not have begun when its task is given up.
            task.add_done_callback(lambda _: waiting.close())

    def _failed(self, why: str) -> StoreUnavailable:
        now = asyncio.get_running_loop().time()
        if now >= self._silent_until:
            self._silent_until = now + SILENT_SECONDS
            log.warning("could not reach %s, callmux goes on without it: %s", self._name, why)
        return StoreUnavailable(f"{self._name} cannot be reached: try again in a moment")


async def _awaited(waiting: Awaitable[T]) -> T:
    return await waiting


def _abandon(asked: asyncio.Task[T]) -> None:
    """Nobody waits for it any more; whatever it ends with is nobody's business."""
    asked.cancel()
    asked.add_done_callback(lambda task: task.cancelled() or task.exception())
