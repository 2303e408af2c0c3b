"""Counts of a process that shares nothing with others: in memory. Pure.

Made by `callmux.guard.limits`, once for a listener, and by `callmux.guard.attempts`. What they promise stands
in `callmux.stores.counts`. The time is an argument and must never go back.
"""

from __future__ import annotations

PRUNED_EVERY = 1000
"""Windows that begin after which counters that are over are thrown away."""
MOST_KEYS = 100_000
"""Counters at a time. Past that the oldest are given up, so that many names cannot fill the memory."""


class _Window:
    """What was counted in one, and when it ends."""

    __slots__ = ("count", "end")

    def __init__(self, count: int, end: float) -> None:
        self.count = count
        self.end = end


class MemoryRates:
    """Counters by key, in windows that begin with their first hit."""

    def __init__(self) -> None:
        # In the order in which they began.
        self._counts: dict[str, _Window] = {}
        self._begun = 0

    def __len__(self) -> int:
        return len(self._counts)

    def hit(self, key: str, seconds: float, now: float, amount: int = 1) -> int:
        """Counts `amount` more, in a window of `seconds` if it begins with this; gives the new count.

        Less than 0 takes back what was counted in the window that is open.
        """
        found = self._counts.get(key)
        if found is None or found.end <= now:
            return 0 if amount < 0 else self._begin(key, seconds, now, amount)
        count = found.count + amount
        if count < 0:
            count = 0
        found.count = count
        return count

    def _begin(self, key: str, seconds: float, now: float, amount: int) -> int:
        self._begun += 1
        if self._begun % PRUNED_EVERY == 0:
            self._prune(now)
        self._counts.pop(key, None)
        if len(self._counts) >= MOST_KEYS:
            self._make_room(now)
        self._counts[key] = _Window(amount, now + seconds)
        return amount

    def count(self, key: str, now: float) -> int:
        """What has been counted in the window that is open."""
        found = self._counts.get(key)
        return found.count if found is not None and found.end > now else 0

    def end(self, key: str, now: float) -> float:
        """When that window ends; `now` where none is open."""
        found = self._counts.get(key)
        return found.end if found is not None and found.end > now else now

    def _prune(self, now: float) -> None:
        self._counts = {key: found for key, found in self._counts.items() if found.end > now}

    def _make_room(self, now: float) -> None:
        self._prune(now)
        for key in list(self._counts)[: max(0, len(self._counts) - MOST_KEYS * 9 // 10)]:
            del self._counts[key]


class MemoryInFlight:
    """Requests in flight, by name."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._counts)

    def enter(self, name: str, most: int | None) -> bool:
        """Counts one more, unless there are `most`; says whether it counted."""
        count = self._counts.get(name, 0)
        if most is not None and count >= most:
            return False
        self._counts[name] = count + 1
        return True

    def leave(self, name: str) -> None:
        """One that was counted is over."""
        left = self._counts.get(name, 0) - 1
        if left > 0:
            self._counts[name] = left
        else:
            self._counts.pop(name, None)
