"""Counters that begin anew after a time of their own: fixed windows, each beginning with its first hit. Pure.

Used by `callmux.guard.rates`, as the memory behind the limits library, and by `callmux.guard.attempts`. The
time is an argument and must never go back.
"""

from __future__ import annotations

PRUNED_EVERY = 1000
"""Hits after which counters that are over are thrown away."""
MOST_KEYS = 100_000
"""Counters at a time. Past that the oldest are given up, so that many names cannot fill the memory."""


class Windows:
    """The counters, by key."""

    def __init__(self) -> None:
        # In the order in which they began.
        self._counts: dict[str, tuple[int, float]] = {}
        self._hits = 0

    def __len__(self) -> int:
        return len(self._counts)

    def hit(self, key: str, seconds: float, now: float, amount: int = 1) -> int:
        """Counts `amount` more, in a window of `seconds` if it begins with this; gives the new count.

        Less than 0 takes back what was counted in the window that is open.
        """
        self._hits += 1
        if self._hits % PRUNED_EVERY == 0:
            self.prune(now)
        found = self._counts.get(key)
        if found is None or found[1] <= now:
            if amount < 0:
                return 0
            self._counts.pop(key, None)
            if len(self._counts) >= MOST_KEYS:
                self._make_room(now)
            self._counts[key] = (amount, now + seconds)
            return amount
        count = max(0, found[0] + amount)
        self._counts[key] = (count, found[1])
        return count

    def count(self, key: str, now: float) -> int:
        """What has been counted in the window that is open."""
        found = self._counts.get(key)
        return found[0] if found is not None and found[1] > now else 0

    def end(self, key: str, now: float) -> float:
        """When that window ends; `now` where none is open."""
        found = self._counts.get(key)
        return found[1] if found is not None and found[1] > now else now

    def forget(self, key: str) -> None:
        """Its counter begins anew."""
        self._counts.pop(key, None)

    def clear(self) -> None:
        """All begin anew."""
        self._counts.clear()

    def prune(self, now: float) -> None:
        """Throws away what is over."""
        self._counts = {key: found for key, found in self._counts.items() if found[1] > now}

    def _make_room(self, now: float) -> None:
        self.prune(now)
        for key in list(self._counts)[: max(0, len(self._counts) - MOST_KEYS * 9 // 10)]:
            del self._counts[key]
