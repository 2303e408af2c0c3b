"""What a slow listener has heard and not read yet: bounded, and honest about what it lost. Pure.

Used by `callmux.observe.scribe`: `put` is called where something happens, `take` where there is time, on
another thread if need be. When it is full the newest is dropped, and the next `take`
says how many were.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec


class Heard(msgspec.Struct, frozen=True):
    """What a listener gets at a time.

    Attributes:
        facts: Time of day and fact, in their order.
        dropped: How many came since the last time and found no room. They belong after these facts.
    """

    facts: list[tuple[float, Any]]
    dropped: int = 0


class Feed:
    """The facts of one listener.

    Args:
        wall: The time of day.
        room: How many may wait.
        wake: Called when there is something to take where there was nothing, and when there is enough.
        enough: How much that is.
    """

    def __init__(
        self,
        wall: Callable[[], float],
        room: int = 10_000,
        wake: Callable[[], None] = lambda: None,
        enough: int = 10_000,
    ) -> None:
        self._wall = wall
        self._room = room
        self._wake = wake
        self._enough = enough
        # Both ends of a deque may be used by two threads at once.
        self._waiting: deque[tuple[float, Any]] = deque()
        self._dropped = self._told = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __bool__(self) -> bool:
        return True

    def put(self, fact: Any) -> None:
        """Takes a fact; never waits."""
        waiting = self._waiting
        if len(waiting) >= self._room:
            self._dropped += 1
            return
        waiting.append((self._wall(), fact))
        count = len(waiting)
        if count == 1 or count == self._enough:
            self._wake()

    def take(self, most: int = 1000) -> Heard:
        """What waits, the oldest first, at most so many. For one reader."""
        next_one = self._waiting.popleft
        found = [next_one() for _ in range(min(len(self._waiting), most))]
        dropped = 0
        if not self._waiting:
            dropped, self._told = self._dropped - self._told, self._dropped
        return Heard(found, dropped)
