"""Parked calls of a process that shares nothing with others: in memory. Pure.

Made by whoever parks calls. See `callmux.stores.parked` for what it promises. The time is an argument.
"""

from __future__ import annotations

from collections import Counter

from callmux.stores.parked import ParkedCall, ParkedLimits


class MemoryParkedCalls:
    """Records by token, the first to be parked first.

    Args:
        limits: The bounds.
    """

    def __init__(self, limits: ParkedLimits | None = None) -> None:
        self._limits = limits or ParkedLimits()
        self._calls: dict[str, ParkedCall] = {}
        self._owners: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"MemoryParkedCalls({len(self._calls)} calls of {len(self._owners)} owners)"

    def __len__(self) -> int:
        return len(self._calls)

    def park(self, token: str, call: ParkedCall, now: float) -> bool:
        """Keeps a record; says whether there was room for one more of this owner."""
        limits = self._limits
        if len(self._calls) >= limits.total or self._owners[call.owner] >= limits.each:
            self._expire(now)
        if len(self._calls) >= limits.total or self._owners[call.owner] >= limits.each:
            return False
        self.drop(token)
        self._calls[token] = call
        self._owners[call.owner] += 1
        return True

    def take(self, token: str, owner: str, now: float) -> ParkedCall | None:
        """Gives the record of a token and forgets it; None where there is none for this owner."""
        call = self._calls.get(token)
        if call is None or call.owner != owner:
            return None
        self.drop(token)
        return call if now < call.until else None

    def drop(self, token: str) -> None:
        """Forgets a record."""
        call = self._calls.pop(token, None)
        if call is not None:
            self._owners[call.owner] -= 1
            if not self._owners[call.owner]:
                del self._owners[call.owner]

    def _expire(self, now: float) -> None:
        for token in [token for token, call in self._calls.items() if call.until <= now]:
            self.drop(token)
