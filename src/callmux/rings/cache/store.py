"""The cached results: least recently used go first, nothing outlives its time or a write to its server. Pure.

Held by `callmux.process.stores`, so it survives a reload. Called by the cache stage, by the coalescing stage
(which reports writes and joins by epochs), by `callmux_cache_clear` and by status. The time is an argument.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import msgspec

DOUBT_SECONDS = 60.0
"""How long a write of unknown end is waited for where nothing is cached: only sharing is at stake."""


class CacheLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of the cache; the defaults are those of the configuration.

    Attributes:
        ttl_seconds: How long a result is kept; 0 for no cache.
        entries: How many results.
        entry_bytes: The largest one.
        total_bytes: All together.
    """

    ttl_seconds: int = 0
    entries: int = 1000
    entry_bytes: int = 8 * 1024 * 1024
    total_bytes: int = 128 * 1024 * 1024


class Key(NamedTuple):
    """What makes two calls the same call.

    Attributes:
        server: The server's key, however the caller spelled the tool.
        tool: The bare name.
        arguments: The canonical arguments, or their digest; None for none.
        directory: The directory the call is for; empty where it makes no difference.
        credentials: Whose credentials go with it.
        client: The number of the session, where a server keeps its clients apart; else 0.
    """

    server: str
    tool: str
    arguments: bytes | None
    directory: str = ""
    credentials: str = ""
    client: int = 0


class _Entry(NamedTuple):
    raw: bytes
    size: int
    stored_at: float


class CacheStore:
    """Results by key.

    A read that began before a write to its server had finished may show the state before it, so it is neither
    kept nor shared afterwards: whoever starts a read notes the server's epoch, which every write moves on. A
    write whose end is unknown (given up, lost) may be carried out at any moment: until its late answer comes,
    or for as long as a result lives, no read that begins is kept or shared.

    Attributes:
        limits: Its bounds.
        hits: Look-ups that found something.
        misses: Look-ups that found nothing.
        coalesced: Calls that shared the call of another.
        in_flight: Calls under way that others may share.
    """

    def __init__(self) -> None:
        self.limits = CacheLimits()
        self.hits = self.misses = self.coalesced = self.in_flight = 0
        self._entries: dict[Key, _Entry] = {}
        self._by_server: dict[str, set[Key]] = {}
        self._bytes = 0
        self._epochs: dict[str, int] = {}
        self._all_epochs = 0
        self._doubts: dict[str, dict[int, float]] = {}
        self._last_doubt = 0
        self._identities: dict[str, object] = {}
        self._numbers: WeakKeyDictionary[object, int] = WeakKeyDictionary()
        self._last_number = 0

    def __repr__(self) -> str:
        return f"CacheStore({len(self._entries)} entries, {self._bytes} bytes)"

    def __len__(self) -> int:
        return len(self._entries)

    def configure(self, limits: CacheLimits, identities: Mapping[str, object], now: float) -> None:
        """Applies the bounds of a configuration to what is kept already.

        Args:
            identities: What each name of a server stands for: results of one that stands for another server
                now, or for none, are forgotten.
        """
        self._expire(now)
        for name, identity in self._identities.items():
            if identities.get(name) is not identity:
                self.wrote(name)
        self._identities = dict(identities)
        self.limits = limits
        for key in [k for k, entry in self._entries.items() if len(entry.raw) > limits.entry_bytes]:
            self._drop(key)
        self._expire(now)
        self._evict()

    def get(self, key: Key, now: float) -> bytes | None:
        """The result for `key`, which counts as used now; None, and a miss, where there is none."""
        entry = self._entries.get(key)
        if entry is not None:
            if now - entry.stored_at < self.limits.ttl_seconds:
                self.hits += 1
                # A dictionary keeps its order: the least recently used entry is the first.
                self._entries[key] = self._entries.pop(key)
                return entry.raw
            self._drop(key)
        self.misses += 1
        return None

    def has(self, key: Key, now: float) -> bool:
        """Whether `get` would find something; changes and counts nothing."""
        entry = self._entries.get(key)
        return entry is not None and now - entry.stored_at < self.limits.ttl_seconds

    def put(self, key: Key, raw: bytes, now: float, epoch: int | None) -> bool:
        """Keeps a result, unless it is too large or was read before a write.

        Args:
            epoch: What `begin` gave when the read began.

        Returns:
            Whether it is kept.
        """
        if epoch is None or epoch != self.epoch(key.server):
            return False
        self._drop(key)
        if len(raw) > self.limits.entry_bytes or self.limits.ttl_seconds <= 0:
            return False
        entry = _Entry(raw, len(raw) + len(key.arguments or b""), now)
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
        return self.epoch(server)

    def doubt(self, server: str, now: float) -> int:
        """A write was given up or lost: it may still be carried out. Gives a number for `sure`."""
        self.wrote(server)
        self._is_doubtful(server, now)
        self._last_doubt += 1
        lasts = self.limits.ttl_seconds or DOUBT_SECONDS
        self._doubts.setdefault(server, {})[self._last_doubt] = now + lasts
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
        self._epochs[server] = self._epochs.get(server, 0) + 1
        if server in self._by_server:
            for key in list(self._by_server[server]):
                self._drop(key)

    def clear(self, chosen: Callable[[str, str], bool] | None, now: float) -> int:
        """Forgets results, also those that are being read now; gives their number.

        Args:
            chosen: Says of a server's key and a bare tool name whether it is meant; None for all.
        """
        self._expire(now)
        if chosen is None:
            count = len(self._entries)
            self._all_epochs += 1
            self._entries.clear()
            self._by_server.clear()
            self._bytes = 0
            return count
        for server in self._identities:
            # What is being read at the moment is nobody's entry yet: none of it is kept.
            self._epochs[server] = self._epochs.get(server, 0) + 1
        gone = [key for key in self._entries if chosen(key.server, key.tool)]
        for key in gone:
            self._drop(key)
        return len(gone)

    def number(self, client: object) -> int:
        """A number of this client's own, for keys that no other client may share."""
        number = self._numbers.get(client)
        if number is None:
            self._last_number += 1
            number = self._numbers[client] = self._last_number
        return number

    def facts(self, now: float) -> dict[str, Any]:
        """The record that status shows."""
        self._expire(now)
        limits = self.limits
        looked_up = self.hits + self.misses
        return {
            "entries": len(self._entries),
            "ttlSeconds": limits.ttl_seconds,
            "enabled": limits.ttl_seconds > 0,
            "maxEntries": limits.entries,
            "maxEntryBytes": limits.entry_bytes,
            "maxTotalBytes": limits.total_bytes,
            "storedBytes": self._bytes,
            "inFlight": self.in_flight,
            "coalesced": self.coalesced,
            "hits": self.hits,
            "misses": self.misses,
            "hitRate": self.hits / looked_up if looked_up else 0,
        }

    def _expire(self, now: float) -> None:
        ttl = self.limits.ttl_seconds
        for key in [k for k, entry in self._entries.items() if now - entry.stored_at >= ttl]:
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
