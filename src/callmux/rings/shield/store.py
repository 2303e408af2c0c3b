"""Which results are kept, under which ref, for whom, and which must go. Pure.

Called by `callmux.rings.shield.shelf`, which holds the one store of the process. It keeps accounts; where the
bytes are (here, or in the file of `.spool`) makes no difference to it.
"""

from __future__ import annotations

from typing import Any

import msgspec


class StoreLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of the store.

    Attributes:
        results: How many results.
        result_bytes: The largest one.
        total_bytes: All together.
    """

    results: int = 100
    result_bytes: int = 64 * 1024 * 1024
    total_bytes: int = 256 * 1024 * 1024


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """One kept result.

    Attributes:
        ref: Its name.
        tool: The tool it is from.
        owner: Who may read it; empty for anybody in this process.
        size: Its bytes.
        raw: The result; None where it is in the file of large ones.
    """

    ref: str
    tool: str
    owner: str
    size: int
    raw: bytes | None


class ResultStore:
    """Kept results, oldest first. Reading one does not make it younger.

    Args:
        limits: The bounds.
    """

    def __init__(self, limits: StoreLimits | None = None) -> None:
        self.limits = limits or StoreLimits()
        self._kept: dict[str, Stored] = {}
        self._bytes = 0
        self._total = 0
        self._rejected = 0

    def __len__(self) -> int:
        return len(self._kept)

    def takes(self, size: int) -> bool:
        """Whether a result of `size` bytes can be kept."""
        return size <= min(self.limits.result_bytes, self.limits.total_bytes)

    def reject(self) -> None:
        """Counts a result that is too large."""
        self._rejected += 1

    def add(self, stored: Stored) -> list[Stored]:
        """Keeps a result; gives those that had to go for it."""
        self._kept[stored.ref] = stored
        self._bytes += stored.size
        self._total += 1
        return self._trim()

    def get(self, ref: str, owner: str) -> Stored | None:
        """The result `ref`, if it is there and `owner` may read it. One that is not theirs looks missing."""
        stored = self._kept.get(ref)
        if stored is None or (stored.owner and stored.owner != owner):
            return None
        return stored

    def resize(self, limits: StoreLimits) -> list[Stored]:
        """Applies other bounds; gives the results that had to go."""
        self.limits = limits
        return self._trim()

    def _trim(self) -> list[Stored]:
        gone = []
        limits = self.limits
        too_large = [s for s in self._kept.values() if not self.takes(s.size)]
        for stored in too_large:
            self._remove(stored)
            gone.append(stored)
        while self._kept and (len(self._kept) > limits.results or self._bytes > limits.total_bytes):
            oldest = next(iter(self._kept.values()))
            self._remove(oldest)
            gone.append(oldest)
        return gone

    def _remove(self, stored: Stored) -> None:
        del self._kept[stored.ref]
        self._bytes -= stored.size

    def facts(self) -> dict[str, Any]:
        """The block `responseStore` of `callmux_status`."""
        return {
            "entries": len(self._kept),
            "maxEntries": self.limits.results,
            "storedBytes": self._bytes,
            "maxStoredBytes": self.limits.total_bytes,
            "maxStoredResultBytes": self.limits.result_bytes,
            "totalStored": self._total,
            "rejectedOversize": self._rejected,
        }
