"""The interfaces of counts that limit clients: how often they have asked, and what they have in flight. Pure.

Called by `callmux.guard.rates` and `callmux.guard.limits`; implemented by `callmux.stores.memory_counts` and
`callmux.stores.redis_counts`. Whether somebody is refused because a store fails is said by who made the
check.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol


class Rates(Protocol):
    """Counters that begin anew after a time. Times are monotonic, of the process that asks."""

    def hit(self, key: str, seconds: float, now: float, amount: int = 1) -> int | Awaitable[int]:
        """Counts `amount` more, in a window of `seconds` if it begins with this; gives the new count.

        Less than 0 takes back what was counted in the window that is open.
        """

    def end(self, key: str, now: float) -> float | Awaitable[float]:
        """When the window that is open ends; `now` where none is open."""


class InFlight(Protocol):
    """How many requests of each name are in flight."""

    def enter(self, name: str, most: int | None) -> bool | Awaitable[bool]:
        """Counts one more, unless there are `most`; says whether it counted. Where it fails or is given up,
        the store sees to it that nothing stays counted."""

    def leave(self, name: str) -> Awaitable[None] | None:
        """One that was counted is over."""
