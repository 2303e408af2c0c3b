"""What is kept as long as the process lives: cached results, and results that went out shortened.

Owned by `callmux.process.host`, so that it survives a reload, and lent to each `callmux.process.runtime`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from callmux.config.model import Config
from callmux.observe.bus import Bus
from callmux.rings.cache.keys import Numbers
from callmux.stores.cache import Cache, CacheLimits, SharedCache
from callmux.stores.counters import Counters
from callmux.stores.memory import MemoryCache
from callmux.stores.memory_parked import MemoryParkedCalls
from callmux.stores.parked import ParkedCalls, ParkedLimits
from callmux.stores.results import Results, StoreLimits
from callmux.tasks import to_the_end

if TYPE_CHECKING:
    from callmux.rings.cache.writes import Writes
    from callmux.rings.shield.shelf import Shelf
    from callmux.session.modern.parking import Parking
    from callmux.session.modern.request import ModernRequest
    from callmux.stores.tokens import Safe, TokenStore

PARKED = ParkedLimits(each=1000, total=4000)
"""Requests that may wait for their clients: where nobody is asked who they are, all are of one owner."""
LEAST_PAGE = 2000
"""Bytes that the data of a page may always take, however low the limits are."""


class Shared(Protocol):
    """What a process shares with others. Implemented by `callmux.process.shared_state`."""

    def stores(self, bus: Bus) -> Stores:
        """The stores of this process.

        Args:
            bus: Who hears what they do.
        """

    def tokens(self, directory: Path, safe: Safe | None) -> TokenStore:
        """Signed-in tokens.

        Args:
            directory: Where the files of this machine are.
            safe: Where their secrets are; in the files where absent.
        """


class Stores:
    """The stores of one process.

    Args:
        cache: Where cached results are; None for this process.
        results: Where results that went out shortened are; None for this process.
        bus: Who hears what they do.
        parked: Where records of parked requests are; None for this process.
        seal: Seals the names of parked requests, where several processes share the records.
        process: What those names begin with there.

    Attributes:
        cache: Results of reads.
        numbers: The numbers of clients in the keys of such results.
        counters: What was counted.
        parked: Requests that wait for their clients.
    """

    def __init__(
        self,
        cache: SharedCache | None = None,
        results: Results | None = None,
        bus: Bus | None = None,
        parked: ParkedCalls | None = None,
        seal: bytes | None = None,
        process: str = "",
    ) -> None:
        store: SharedCache = MemoryCache() if cache is None else cache
        self.cache: Cache = store
        self._epochs, self._lasts = store, 0.0
        self.numbers = Numbers()
        self.counters = Counters()
        self._bus, self._results = bus, results
        self._limits: tuple[StoreLimits, int] | None = None
        self.parked: ParkedCalls = MemoryParkedCalls(PARKED) if parked is None else parked
        self._seal, self._process = seal, process
        self._servers: dict[str, object] = {}

    @cached_property
    def writes(self) -> Writes:
        """The writes that make results of reads worthless."""
        from callmux.rings.cache.writes import Writes  # with the first call

        writes = Writes(self._epochs)
        writes.lasts = self._lasts
        return writes

    def wrote(self, server: str) -> None:
        """What was read of a server says nothing any more."""
        if (noting := self._epochs.wrote(server)) is not None:
            self.writes.tell(server, noting)

    @cached_property
    def results(self) -> Shelf:
        """Results that went out shortened."""
        from callmux.rings.shield.shelf import Shelf  # with the first call

        shelf = Shelf(store=self._results, bus=self._bus)
        if self._limits is not None:
            shelf.configure(*self._limits)
        return shelf

    def parking(self, now: Callable[[], float]) -> Parking[ModernRequest]:
        """Where requests wait for clients that come again.

        Args:
            now: The monotonic clock.
        """
        from callmux.session.modern.parking import Parking  # most clients greet

        return Parking(self.parked, now, self._seal, self._process)

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
            definitions=_definitions(config) if self._epochs.shared else {},
        )
        # What was kept of a server that is another one now, or none, says nothing any more.
        for name, server in self._servers.items():
            if servers.get(name) is not server:
                self.wrote(name)
        self._servers = dict(servers)
        self._lasts = config.cache_ttl_seconds
        if "writes" in self.__dict__:
            self.writes.lasts = self._lasts
        self.cache.configure(cached, now)
        shield = config.response_shield
        limits = StoreLimits(
            results=shield.max_stored_results,
            result_bytes=shield.max_stored_result_bytes,
            total_bytes=shield.max_stored_bytes,
        )
        # A page stands twice in an answer: as text and as structured content.
        self._limits = limits, max(shield.max_result_bytes // 2, LEAST_PAGE)
        if "results" in self.__dict__:
            self.results.configure(*self._limits)

    async def close(self) -> None:
        """Ends what works for them."""
        made = [self.__dict__[name].close for name in ("writes", "results") if name in self.__dict__]
        if made:
            await to_the_end(*made)


def _definitions(config: Config) -> dict[str, str]:
    """What stands for the configuration of each server: the same wherever that is the same."""

    def digest(server: object) -> str:
        encoded = msgspec.json.encode(server, enc_hook=str, order="deterministic")
        return hashlib.blake2b(encoded, digest_size=16).hexdigest()

    return {name: digest(server) for name, server in config.servers.items()}
