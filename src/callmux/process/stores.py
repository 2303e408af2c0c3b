"""What is kept as long as the process lives: cached results, and results that went out shortened.

Owned by `callmux.process.host`, so that it survives a reload, and lent to each `callmux.process.runtime`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from callmux.config.model import Config
from callmux.rings.cache.store import CacheLimits, CacheStore
from callmux.rings.shield.shelf import Shelf
from callmux.rings.shield.store import StoreLimits

LEAST_PAGE = 2000
"""Bytes that the data of a page may always take, however low the limits are."""


class Stores:
    """The stores of one process.

    Attributes:
        cache: Results of reads.
        results: Results that went out shortened.
        unresolved: Calls whose directory nobody knew, by server.
    """

    def __init__(self) -> None:
        self.cache = CacheStore()
        self.results = Shelf()
        self.unresolved: Counter[str] = Counter()

    def configure(self, config: Config, servers: Mapping[str, object], now: float) -> None:
        """Applies the bounds of a configuration to what is kept already.

        Args:
            servers: The servers by name; another object under a name means another server.
            now: A monotonic time.
        """
        cached = CacheLimits(
            ttl_seconds=config.cache_ttl_seconds,
            entries=config.max_cache_entries,
            entry_bytes=config.max_cache_entry_bytes,
            total_bytes=config.max_cache_bytes,
        )
        self.cache.configure(cached, servers, now)
        shield = config.response_shield
        limits = StoreLimits(
            results=shield.max_stored_results,
            result_bytes=shield.max_stored_result_bytes,
            total_bytes=shield.max_stored_bytes,
        )
        # A page stands twice in an answer: as text and as structured content.
        self.results.configure(limits, max(shield.max_result_bytes // 2, LEAST_PAGE))

    async def close(self) -> None:
        """Ends what works for them."""
        await self.results.close()
