"""The interface of kept results: under which ref, for whom. Pure.

Called by `callmux.rings.shield.shelf`; implemented by `callmux.stores.memory`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any, Protocol, TypeAlias

import msgspec

Sources: TypeAlias = tuple[tuple[str, str], ...]
"""Tools, by server and bare name."""


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


class Remainder(msgspec.Struct, frozen=True):
    """Where a part of a result goes on that went out as its beginning.

    Attributes:
        path: The part; empty for all of the data.
        offset: Its items or characters that went out.
    """

    path: str
    offset: int


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """One kept result.

    Attributes:
        ref: Its name.
        tool: The tool it is from.
        owner: Who may read it; empty for anybody in this process.
        size: Its bytes.
        raw: The result; None where the store has left it to the file of large ones.
        spooled: Whether this process has it in that file, too.
        sources: The tools it is from, by server and bare name, where rules apply.
        remainders: Where its parts go on, if its beginning went out; the first page is of the first of them.
        elsewhere: Whether another listener has it, which alone can read it: it is too large to be shared.
    """

    ref: str
    tool: str
    owner: str
    size: int
    raw: bytes | None
    spooled: bool = False
    sources: Sources = ()
    remainders: tuple[Remainder, ...] = ()
    elsewhere: bool = False


class Results(Protocol):
    """Kept results by ref."""

    def takes(self, size: int) -> bool:
        """Whether a result of `size` bytes can be kept. Does not wait."""

    def put(self, stored: Stored) -> Sequence[str] | Awaitable[Sequence[str]]:
        """Keeps a result; gives the refs of those that had to go for it."""

    def get(self, ref: str, owner: str) -> Stored | Awaitable[Stored | None] | None:
        """The result `ref`, if it is there and `owner` may read it. One that is not theirs looks missing."""

    def configure(self, limits: StoreLimits) -> Sequence[str]:
        """Applies bounds; gives the refs of the results that had to go. Does not wait."""

    def facts(self) -> dict[str, Any]:
        """What status shows of it, as far as this process knows. Does not wait."""
