"""How often: requests a minute, by the limits library.

Made by `callmux.guard.limits` where `abuseControls` has a rate; nothing else imports that library. Its own
memory storage goes by the wall clock and walks over all counters with every hit, so ours stands behind it;
a storage of several machines (Redis) can stand there instead.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable

from limits import RateLimitItemPerMinute
from limits.aio.storage import Storage
from limits.aio.strategies import FixedWindowRateLimiter

from callmux.guard.windows import MOST_KEYS, Windows


class MonotonicMemory(Storage):
    """Counters in memory, by a clock that never goes back.

    Args:
        now: That clock.
    """

    STORAGE_SCHEME = None

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self.now = now
        self.windows = Windows()

    @property
    def base_exceptions(self) -> type[Exception]:
        return OSError

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        return self.windows.hit(key, expiry, self.now(), amount)

    async def get(self, key: str) -> int:
        return self.windows.count(key, self.now())

    async def get_expiry(self, key: str) -> float:
        return self.windows.end(key, self.now())

    async def clear(self, key: str) -> None:
        self.windows.forget(key)

    async def check(self) -> bool:
        return True

    async def reset(self) -> int:
        count = len(self.windows)
        self.windows.clear()
        return count


class Rate:
    """One limit for many counters.

    Args:
        amount: Requests a minute.
        name: What is counted: part of each counter's key, like the amount. Another amount begins anew.
        storage: Where the counters are.
        now: The clock that the storage goes by.
    """

    def __init__(self, amount: int, name: str, storage: Storage, now: Callable[[], float]) -> None:
        self._amount = amount
        self._item = RateLimitItemPerMinute(amount, namespace=name)
        self._limiter = FixedWindowRateLimiter(storage)
        self._now = now
        # What is in memory need not be waited for: every request passes here, and the way through the
        # library's coroutines takes ten times as long.
        self._windows = storage.windows if isinstance(storage, MonotonicMemory) else None
        self._seconds = self._item.get_expiry()
        self._keys: dict[str, str] = {}

    def hit(self, key: str = "") -> bool | Awaitable[bool]:
        """Counts one more; whether that is within the limit."""
        if self._windows is None:
            return self._limiter.hit(self._item, key)
        whole = self._keys.get(key)
        if whole is None:
            if len(self._keys) >= MOST_KEYS:
                self._keys.clear()
            whole = self._keys[key] = self._item.key_for(key)
        return self._windows.hit(whole, self._seconds, self._now()) <= self._amount

    async def give_back(self, key: str = "") -> None:
        """Takes back one hit."""
        await self._limiter.hit(self._item, key, cost=-1)

    async def seconds_left(self, key: str = "") -> int:
        """Whole seconds until the window ends, at least 1: what `Retry-After` says."""
        stats = await self._limiter.get_window_stats(self._item, key)
        return max(1, math.ceil(stats.reset_time - self._now()))
