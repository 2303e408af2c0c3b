"""The interfaces of the cache: results by key, and epochs, which say what a write has made worthless. Pure.

Called by the cache and coalescing stages, by `callmux.rings.cache.writes`, by `callmux_cache_clear` and by
status; implemented by `callmux.stores.memory`. Both are one store: a result is kept or refused by an epoch.

A read that began before a write to its server had finished may show the state before it, so it is neither
kept nor shared afterwards: whoever starts a read notes the server's epoch, which every write moves on. A
write whose end is unknown (given up, lost) may be carried out at any moment: until its late answer comes,
or for as long as a result lives, no read that begins is kept or shared.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from math import inf
from typing import Any, NamedTuple, Protocol

import msgspec


class CacheLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of the cache; the defaults are those of the configuration.

    Attributes:
        ttl_seconds: How long a result is kept; 0 for no cache.
        entries: How many results.
        entry_bytes: The largest one.
        total_bytes: All together.
        definitions: Stands for how each server is configured, where other processes read what is kept: what
            was read from a server that is configured differently is another result.
    """

    ttl_seconds: int = 0
    entries: int = 1000
    entry_bytes: int = 8 * 1024 * 1024
    total_bytes: int = 128 * 1024 * 1024
    definitions: Mapping[str, str] = {}


class Key(NamedTuple):
    """What makes two calls the same call.

    Attributes:
        server: The server's key, however the caller spelled the tool.
        tool: The bare name.
        arguments: The canonical arguments, or their digest; None for none.
        directory: The directory the call is for; empty where it makes no difference.
        credentials: Whose credentials go with it.
        client: The number of the session, where a server keeps its clients apart; else 0.
        rights: Stands for what its caller may do, where not all may do the same.
    """

    server: str
    tool: str
    arguments: bytes | None
    directory: str = ""
    credentials: str = ""
    client: int = 0
    rights: str = ""


class Cache(Protocol):
    """Results by key. Times are monotonic, of the process that asks."""

    def get(self, key: Key, now: float) -> bytes | Awaitable[bytes | None] | None:
        """The result for `key`, which counts as used now; None where there is none."""

    def has(self, key: Key, now: float) -> bool | Awaitable[bool]:
        """Whether `get` would find something; changes nothing."""

    def put(
        self, key: Key, raw: bytes, now: float, epoch: int | None, lasts: float = inf
    ) -> bool | Awaitable[bool]:
        """Keeps a result, unless it is too large or was read before a write; says whether it is kept.

        Args:
            epoch: What `Epochs.begin` gave when the read began.
            lasts: For how many seconds it is true, where its server says so.
        """

    def clear(
        self, chosen: Callable[[str, str], bool] | None, now: float, rights: str | None = None
    ) -> int | Awaitable[int]:
        """Forgets results, also those that are being read now; gives their number.

        Args:
            chosen: Says of a server's key and a bare tool name whether it is meant; None for all.
            rights: Only what callers of these rights have read; None for what anybody has.
        """

    def configure(self, limits: CacheLimits, now: float) -> None:
        """Applies bounds, also to what is kept already. Does not wait."""

    def facts(self, now: float) -> dict[str, Any]:
        """What status shows of it, as far as this process knows. Does not wait."""


class Epochs(Protocol):
    """Numbers that rise with every write to a server.

    Attributes:
        shared: Whether other processes use them, too: they must know of a write before it begins.
    """

    shared: bool

    def begin(self, server: str, clock: Callable[[], float]) -> int | Awaitable[int | None] | None:
        """The epoch for a read that begins; None where it may neither be kept nor shared, because a write may
        be carried out while it runs.

        Args:
            clock: Gives the time, where that is needed.
        """

    def wrote(self, server: str) -> Awaitable[None] | None:
        """A write to the server has ended, or what it offers is not the same any more."""

    def doubt(self, server: str, now: float, seconds: float = 0.0) -> int | Awaitable[int]:
        """A write was given up or lost: it may still be carried out. Gives a number for `sure`.

        Args:
            seconds: How much longer that may take, where it only begins.
        """

    def sure(self, server: str, doubt: int) -> Awaitable[None] | None:
        """The write of that number has ended after all."""


class SharedCache(Cache, Epochs, Protocol):
    """Both, as one store."""
