"""What was switched off and still writes what it has heard.

Used by `callmux.process.observers` and `callmux.observe.chronicle`. A reload does not wait for a disk or a
collector, and the end of the process does, for a bounded time: its threads end with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class Endings:
    """Those that have not ended yet."""

    def __init__(self) -> None:
        self._left: list[Callable[[float], bool]] = []

    def __repr__(self) -> str:
        return f"Endings({len(self._left)} left)"

    def begin(self, close: Callable[[float], bool]) -> None:
        """Closes something and waits for nothing.

        Args:
            close: Closes it and waits at most so many seconds; whether it has ended.
        """
        self._left = [one for one in (*self._left, close) if not one(0)]

    def wait(self, seconds: float) -> None:
        """Waits for all of them, together at most so long."""
        end = time.monotonic() + seconds
        for close in self._left:
            close(max(end - time.monotonic(), 0))
