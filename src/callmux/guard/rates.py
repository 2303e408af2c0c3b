"""How often: requests a minute.

Made by `callmux.guard.limits` where `abuseControls` has a rate. The counts stand in a store; one that must be
waited for is asked over a border (`callmux.stores.border`). Whether somebody is refused because it fails is
said by who made it.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

from callmux.stores.border import Border
from callmux.stores.counts import Rates

SECONDS = 60.0
"""How long a window is."""


class Rate:
    """One limit for many counters.

    Args:
        amount: Requests a minute.
        name: What is counted: part of each counter's key, like the amount. Another amount begins anew.
        counts: Where the counters are.
        now: The monotonic clock.
        strict: Whether nobody is within the limit while the store does not answer.
    """

    def __init__(
        self, amount: int, name: str, counts: Rates, now: Callable[[], float], *, strict: bool = False
    ) -> None:
        self._amount = amount
        self._prefix = f"{name}/{amount}/"
        self._hit = counts.hit
        self._end = counts.end
        self._now = now
        self._strict = strict
        self._border = Border("the store of rates")

    def hit(self, key: str = "") -> bool | Awaitable[bool]:
        """Counts one more; whether that is within the limit. Where it is waited for, `StoreUnavailable` may
        be raised."""
        count = self._hit(self._prefix + key, SECONDS, self._now())
        return count <= self._amount if isinstance(count, int) else self._within(count)

    async def _within(self, count: Awaitable[int]) -> bool:
        if self._strict:
            return await self._border.answered(count) <= self._amount
        return await self._border.answered_or(count, 0) <= self._amount

    async def give_back(self, key: str = "") -> None:
        """Takes back one hit."""
        count = self._hit(self._prefix + key, SECONDS, self._now(), -1)
        if not isinstance(count, int):
            await self._border.answered_or(count, 0)

    async def seconds_left(self, key: str = "") -> int:
        """Whole seconds until the window ends, at least 1: what `Retry-After` says."""
        now = self._now()
        end = self._end(self._prefix + key, now)
        if not isinstance(end, (int, float)):
            end = await self._border.answered_or(end, now)
        return max(1, math.ceil(end - now))
