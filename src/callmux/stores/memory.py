"""The stores of a process that shares nothing with others: all of it in memory. Pure.

Made by `callmux.process.stores`, so that they survive a reload. Least recently used results go first, nothing
outlives its time or a write to its server. The time is an argument.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from math import inf
from typing import Any, NamedTuple

import msgspec

from callmux.stores.cache import CacheLimits, Key
from callmux.stores.results import Stored, StoreLimits

DOUBT_SECONDS = 60.0
"""How long a write of unknown end is waited for where nothing is cached: only sharing is at stake."""


class _Entry(NamedTuple):
    raw: bytes
    size: int
    stored_at: float
    lasts: float


class MemoryCache:
    """Results by key, and the epochs of servers. See `callmux.stores.cache`.

    Attributes:
        limits: Its bounds.
    """

    shared = False

    def __init__(self) -> None:
        self.limits = CacheLimits()
        self._entries: dict[Key, _Entry] = {}
        self._by_server: dict[str, set[Key]] = {}
        self._bytes = 0
        self._epochs: dict[str, int] = defaultdict(int)
        self._all_epochs = 0
        self._doubts: dict[str, dict[int, float]] = {}
        self._last_doubt = 0

    def __repr__(self) -> str:
        return f"MemoryCache({len(self._entries)} entries, {self._bytes} bytes)"

    def __len__(self) -> int:
        return len(self._entries)

    def configure(self, limits: CacheLimits, now: float) -> None:
        """Applies bounds, also to what is kept already."""
        self._expire(now)
        self.limits = limits
        for key in [k for k, entry in self._entries.items() if len(entry.raw) > limits.entry_bytes]:
            self._drop(key)
        self._expire(now)
        self._evict()

    def get(self, key: Key, now: float) -> bytes | None:
        """The result for `key`, which counts as used now; None where there is none."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return None
        # A dictionary keeps its order: the least recently used entry is the first.
        self._entries[key] = entry
        # By place: a name takes as long as five places.
        raw, _, stored_at, lasts = entry
        age = now - stored_at
        if age < lasts and age < self.limits.ttl_seconds:
            return raw
        self._drop(key)
        return None

    def has(self, key: Key, now: float) -> bool:
        """Whether `get` would find something; changes nothing."""
        entry = self._entries.get(key)
        return entry is not None and now - entry.stored_at < min(self.limits.ttl_seconds, entry.lasts)

    def put(self, key: Key, raw: bytes, now: float, epoch: int | None, lasts: float = inf) -> bool:
        """Keeps a result, unless it is too large or was read before a write.

        Args:
            epoch: What `begin` gave when the read began.
            lasts: For how many seconds it is true.

        Returns:
            Whether it is kept.
        """
        if epoch is None or epoch != self.epoch(key.server):
            return False
        self._drop(key)
        if len(raw) > self.limits.entry_bytes or self.limits.ttl_seconds <= 0:
            return False
        entry = _Entry(raw, len(raw) + len(key.arguments or b""), now, lasts)
        self._entries[key] = entry
        self._by_server.setdefault(key.server, set()).add(key)
        self._bytes += entry.size
        self._evict()
        return key in self._entries

    def epoch(self, server: str) -> int:
        """A number that rises whenever reads of the server that began before become worthless."""
        return self._all_epochs + self._epochs.get(server, 0)

    def begin(self, server: str, clock: Callable[[], float]) -> int | None:
        """The epoch for a read that begins; None where it may neither be kept nor shared, because a write may
        be carried out while it runs.

        Args:
            clock: Gives the time, where that is needed.
        """
        if server in self._doubts and self._is_doubtful(server, clock()):
            return None
        return self._all_epochs + self._epochs.get(server, 0)

    def doubt(self, server: str, now: float, seconds: float = 0.0) -> int:
        """A write was given up or lost: it may still be carried out. Gives a number for `sure`."""
        self.wrote(server)
        self._is_doubtful(server, now)
        self._last_doubt += 1
        lasts = self.limits.ttl_seconds or DOUBT_SECONDS
        self._doubts.setdefault(server, {})[self._last_doubt] = now + lasts + seconds
        return self._last_doubt

    def sure(self, server: str, doubt: int) -> None:
        """The write of that number has ended after all."""
        self.wrote(server)
        if (doubts := self._doubts.get(server)) is not None:
            doubts.pop(doubt, None)
            if not doubts:
                del self._doubts[server]

    def _is_doubtful(self, server: str, now: float) -> bool:
        doubts = self._doubts.get(server)
        if doubts is None:
            return False
        # They were noted in order, and all last equally long unless the configuration has changed.
        for number in [number for number, until in doubts.items() if until <= now]:
            del doubts[number]
        if not doubts:
            del self._doubts[server]
        return bool(doubts)

    def wrote(self, server: str) -> None:
        """A write to the server has ended, or what it offers is not the same any more."""
        self._epochs[server] += 1
        if server in self._by_server:
            for key in list(self._by_server[server]):
                self._drop(key)

    def clear(self, chosen: Callable[[str, str], bool] | None, now: float, rights: str | None = None) -> int:
        """Forgets results, also those that are being read now; gives their number.

        Args:
            chosen: Says of a server's key and a bare tool name whether it is meant; None for all.
            rights: Only what callers of these rights have read; None for what anybody has.
        """
        self._expire(now)
        # What is being read at the moment is nobody's entry yet: none of it is kept.
        self._all_epochs += 1
        if chosen is None and rights is None:
            count = len(self._entries)
            self._entries.clear()
            self._by_server.clear()
            self._bytes = 0
            return count
        gone = [
            key
            for key in self._entries
            if (rights is None or key.rights == rights) and (chosen is None or chosen(key.server, key.tool))
        ]
        for key in gone:
            self._drop(key)
        return len(gone)

    def facts(self, now: float) -> dict[str, Any]:
        """The record that status shows."""
        self._expire(now)
        limits = self.limits
        return {
            "entries": len(self._entries),
            "ttlSeconds": limits.ttl_seconds,
            "enabled": limits.ttl_seconds > 0,
            "maxEntries": limits.entries,
            "maxEntryBytes": limits.entry_bytes,
            "maxTotalBytes": limits.total_bytes,
            "storedBytes": self._bytes,
        }

    def _expire(self, now: float) -> None:
        ttl = self.limits.ttl_seconds
        for key in [k for k, e in self._entries.items() if now - e.stored_at >= min(ttl, e.lasts)]:
            self._drop(key)

    def _evict(self) -> None:
        limits = self.limits
        while len(self._entries) > limits.entries or self._bytes > limits.total_bytes:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size
            keys = self._by_server[key.server]
            keys.discard(key)
            if not keys:
                del self._by_server[key.server]


class MemoryResults:
    """Kept results, oldest first. Reading one does not make it younger. See `callmux.stores.results`.

    Args:
        limits: The bounds.
    """

    def __init__(self, limits: StoreLimits | None = None) -> None:
        self.limits = limits or StoreLimits()
        self._kept: dict[str, Stored] = {}
        self._bytes = 0
        self._total = 0

    def __len__(self) -> int:
        return len(self._kept)

    def takes(self, size: int) -> bool:
        """Whether a result of `size` bytes can be kept."""
        return size <= min(self.limits.result_bytes, self.limits.total_bytes)

    def put(self, stored: Stored) -> Sequence[str]:
        """Keeps a result; gives the refs of those that had to go for it."""
        if stored.spooled:
            # Its bytes are in the file of large ones.
            stored = msgspec.structs.replace(stored, raw=None)
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

    def configure(self, limits: StoreLimits) -> Sequence[str]:
        """Applies bounds; gives the refs of the results that had to go."""
        self.limits = limits
        return self._trim()

    def _trim(self) -> list[str]:
        gone = []
        limits = self.limits
        too_large = [s for s in self._kept.values() if not self.takes(s.size)]
        for stored in too_large:
            self._remove(stored)
            gone.append(stored.ref)
        while self._kept and (len(self._kept) > limits.results or self._bytes > limits.total_bytes):
            oldest = next(iter(self._kept.values()))
            self._remove(oldest)
            gone.append(oldest.ref)
        return gone

    def _remove(self, stored: Stored) -> None:
        del self._kept[stored.ref]
        self._bytes -= stored.size

    def facts(self) -> dict[str, Any]:
        """What status shows of it."""
        return {
            "entries": len(self._kept),
            "maxEntries": self.limits.results,
            "storedBytes": self._bytes,
            "maxStoredBytes": self.limits.total_bytes,
            "maxStoredResultBytes": self.limits.result_bytes,
            "totalStored": self._total,
        }
