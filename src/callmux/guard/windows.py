"""Counters that begin anew after a time of their own: fixed windows, each beginning with its first hit. Pure.

Used by `callmux.guard.rates`, as the memory behind the limits library, and by `callmux.guard.attempts`. The
time is an argument and must never go back.
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


class Windows:
    """The counters, by key."""

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
            self.prune(now)
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

    def forget(self, key: str) -> None:
        """Its counter begins anew."""
        self._counts.pop(key, None)

    def clear(self) -> None:
        """All begin anew."""
        self._counts.clear()

    def prune(self, now: float) -> None:
        """Throws away what is over."""
        self._counts = {key: found for key, found in self._counts.items() if found.end > now}

    def _make_room(self, now: float) -> None:
        self.prune(now)
        for key in list(self._counts)[: max(0, len(self._counts) - MOST_KEYS * 9 // 10)]:
            del self._counts[key]
