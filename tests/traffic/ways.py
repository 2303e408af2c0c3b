"""Three ways to drive the same stages: nothing waits, every enter waits, every leave waits.

Used by `tests.traffic.street`. The stages themselves are the real ones; only the turns between them differ.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from callmux.rings.stage import AGAIN, Stages

Pause = Callable[[], Coroutine[Any, Any, None]]
WAYS = ("ready", "enters", "leaves")


@contextmanager
def driven(way: str, chance: random.Random, *, timed: bool = True) -> Iterator[None]:
    """While this is entered, new lists of stages are driven so.

    Args:
        timed: Some waits take time, not only turns of the loop.
    """
    if way == "ready":
        yield
        return
    original = Stages.__init__

    async def pause() -> None:
        if timed and chance.random() < 0.1:
            await asyncio.sleep(chance.choice([0.001, 0.01, 0.2]))
        else:
            for _ in range(chance.randrange(3)):
                await asyncio.sleep(0)

    def made(self: Stages, stages: Any) -> None:
        late = [stage if isinstance(stage, _Late) else _Late(stage, way, pause) for stage in stages]
        original(self, late)

    Stages.__init__ = made  # type: ignore[method-assign]
    try:
        yield
    finally:
        Stages.__init__ = original  # type: ignore[method-assign]


class _Late:
    """A stage that waits on its way in, or on its way out; all else in it is the stage's own."""

    def __init__(self, stage: Any, way: str, pause: Pause) -> None:
        self._stage = stage
        if way == "enters" and hasattr(stage, "enter"):
            self.enter = _late_enter(stage.enter, pause)
        elif way == "leaves" and hasattr(stage, "leave"):
            self.leave = _late_leave(stage.leave, pause)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stage, name)


def _late_enter(enter: Callable[[Any], Any], pause: Pause) -> Callable[[Any], Any]:
    """Waits, asks to be entered once more, and enters then: what it gives may be all that it may give."""
    waited: set[int] = set()

    async def first(job: Any) -> Any:
        await pause()
        waited.add(id(job))
        return AGAIN

    def late(job: Any) -> Any:
        if id(job) not in waited:
            return first(job)
        waited.discard(id(job))
        return enter(job)

    return late


def _late_leave(leave: Callable[[Any, Any], Any], pause: Pause) -> Callable[[Any, Any], Any]:
    """Leaves, and waits before or behind it in turns. Whoever is cancelled meanwhile leaves all the same."""
    turn = itertools.count()

    async def behind(left: Any) -> Any:
        if asyncio.iscoroutine(left):
            left = await left
        await pause()
        return left

    async def before(job: Any, outcome: Any) -> Any:
        try:
            await pause()
        except asyncio.CancelledError as gone:
            left = leave(job, outcome)
            if asyncio.iscoroutine(left):
                left.close()
            raise gone from None
        left = leave(job, outcome)
        return await left if asyncio.iscoroutine(left) else left

    def late(job: Any, outcome: Any) -> Any:
        if next(turn) % 2:
            return before(job, outcome)
        return behind(leave(job, outcome))

    return late
