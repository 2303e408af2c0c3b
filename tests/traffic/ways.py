"""Three ways to drive the same stages: nothing waits, every enter waits, every leave waits.

Used by `tests.traffic.street`. The stages themselves are the real ones; only the turns between them differ.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from callmux.rings.stage import AGAIN, Stages

WAYS = ("ready", "enters", "leaves")


@contextmanager
def driven(way: str, chance: random.Random) -> Iterator[None]:
    """While this is entered, new lists of stages are driven so."""
    if way == "ready":
        yield
        return
    original = Stages.__init__

    def made(self: Stages, stages: Any) -> None:
        original(self, [stage if isinstance(stage, _Late) else _Late(stage, way, chance) for stage in stages])

    Stages.__init__ = made  # type: ignore[method-assign]
    try:
        yield
    finally:
        Stages.__init__ = original  # type: ignore[method-assign]


class _Late:
    """A stage that waits on its way in, or on its way out."""

    def __init__(self, stage: Any, way: str, chance: random.Random) -> None:
        enter, leave = getattr(stage, "enter", None), getattr(stage, "leave", None)
        if enter is not None:
            self.enter = _late_enter(enter, chance) if way == "enters" else enter
        if leave is not None:
            self.leave = _late_leave(leave, chance) if way == "leaves" else leave


async def _pause(chance: random.Random) -> None:
    if chance.random() < 0.1:
        await asyncio.sleep(chance.choice([0.001, 0.01, 0.2]))
    else:
        for _ in range(chance.randrange(3)):
            await asyncio.sleep(0)


def _late_enter(enter: Callable[[Any], Any], chance: random.Random) -> Callable[[Any], Any]:
    """Waits, asks to be entered once more, and enters then: what it gives may be all that it may give."""
    waited: set[int] = set()

    async def first(job: Any) -> Any:
        await _pause(chance)
        waited.add(id(job))
        return AGAIN

    def late(job: Any) -> Any:
        if id(job) not in waited:
            return first(job)
        waited.discard(id(job))
        return enter(job)

    return late


def _late_leave(leave: Callable[[Any, Any], Any], chance: random.Random) -> Callable[[Any, Any], Any]:
    """Leaves, and waits before or behind it. Whoever is cancelled in the middle leaves all the same."""

    async def behind(left: Any) -> Any:
        if asyncio.iscoroutine(left):
            left = await left
        await _pause(chance)
        return left

    async def before(job: Any, outcome: Any) -> Any:
        try:
            await _pause(chance)
        except asyncio.CancelledError as gone:
            left = leave(job, outcome)
            if asyncio.iscoroutine(left):
                left.close()
            raise gone from None
        left = leave(job, outcome)
        return await left if asyncio.iscoroutine(left) else left

    def late(job: Any, outcome: Any) -> Any:
        if chance.random() < 0.5:
            return before(job, outcome)
        return behind(leave(job, outcome))

    return late
