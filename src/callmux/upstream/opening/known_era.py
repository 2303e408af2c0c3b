"""Which eras a server speaks, as far as it is known: found out once, and kept beside what it lists.

Kept by `callmux.upstream.server`, which takes each client's own era where the server has it; told and asked
by `callmux.upstream.opening.handshake`. It is a property of the server and not of a connection
(MCP 2026-07-28, basic/versioning): what an earlier process has found spares the next one the question. A
server that says another name or version of itself than it said before in the same era is another server: what
was known of the one before it says nothing of it, in this process and in the next one.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import UNSET

from callmux.protocol.upstream_peer import InitializeResult
from callmux.protocol.versions import Era, era_of
from callmux.upstream.inventory.listings import write

log = logging.getLogger(__name__)

OTHER = {Era.LEGACY: Era.MODERN, Era.MODERN: Era.LEGACY}


class _Kept(msgspec.Struct, frozen=True):
    """What a file says: eras by their names, and by era a mark of what the server said of itself in it."""

    has: frozenset[str] = frozenset()
    lacks: frozenset[str] = frozenset()
    servers: dict[str, str] = {}


class KnownEra:
    """What is known of one server.

    Args:
        path: Where it is kept over processes; None for nowhere.
        only: The only era that it is ever spoken to in; None for either.

    Attributes:
        has_modern: Whether it was spoken to without a handshake, as known when it was spoken to last.
    """

    has_modern = False

    def __init__(self, path: Path | None = None, only: Era | None = None) -> None:
        self._path = path
        self.only = only
        self._before: _Kept | None = None
        self._has: set[Era] = set()
        self._lacks: set[Era] = set()
        self._missed: set[Era] = set()
        self._marks: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"KnownEra(has {sorted(_names(self._has))}, lacks {sorted(_names(self._lacks))})"

    def has(self, era: Era) -> bool:
        """Whether the server was spoken to in this era."""
        self._recall()
        return era in self._has

    def lacks(self, era: Era) -> bool:
        """Whether it is known not to speak it."""
        self._recall()
        return era in self._lacks

    def choose(self, revision: str | None) -> Era:
        """The era for a first client of this revision: its own, as long as the server is not known to lack
        it. Where no client is, a server is asked for the newest."""
        if self.only is not None:
            return self.only
        wanted = era_of(revision) or Era.MODERN
        return OTHER[wanted] if self.lacks(wanted) else wanted

    def beside(self, revision: str | None, main: Era) -> Era:
        """The same where there is a connection of the era `main`. No other one is opened to find out whether
        a server does without a handshake: whoever has one can be served on it."""
        wanted = era_of(revision)
        if wanted is None or wanted is main or (main is Era.LEGACY and not self.has(Era.MODERN)):
            return main
        return self.choose(revision)

    def found(self, era: Era, init: InitializeResult) -> None:
        """The server has been spoken to in this era.

        Args:
            init: What it says of itself.
        """
        self._recall()
        told = b"" if init.server_info is UNSET else bytes(init.server_info)
        mark = hashlib.sha256(told).hexdigest()[:16]
        if self._marks.get(era.name, mark) != mark:
            # Another server: of this one is known only what it did not answer before it said who it is.
            self._has, self._lacks, self._marks = set(), self._lacks & self._missed, {}
        self._missed.clear()
        self._marks[era.name] = mark
        self._has.add(era)
        self._lacks.discard(era)
        self.has_modern = Era.MODERN in self._has

    def missed(self, era: Era) -> None:
        """The server does not speak this era."""
        self._recall()
        self._has.discard(era)
        self._lacks.add(era)
        self.has_modern = Era.MODERN in self._has
        self._missed.add(era)

    async def keep(self) -> None:
        """Keeps what is known, in a thread; without effect where it is kept already."""
        now = _Kept(frozenset(_names(self._has)), frozenset(_names(self._lacks)), dict(self._marks))
        if self._path is not None and now != self._before:
            self._before = now
            await asyncio.to_thread(_save, self._path, now)

    def _recall(self) -> None:
        if self._before is not None:
            return
        self._before = kept = _read(self._path)
        self._has = {era for era in Era if era.name in kept.has}
        self._lacks = {era for era in Era if era.name in kept.lacks} - self._has
        self._marks = dict(kept.servers)


def _names(eras: set[Era]) -> set[str]:
    return {era.name for era in eras}


def _read(path: Path | None) -> _Kept:
    if path is None:
        return _Kept()
    try:
        data = path.read_bytes()
        with suppress(OSError):
            # It is in use: what nobody reads is removed.
            os.utime(path)
        return msgspec.json.decode(data, type=_Kept)
    except FileNotFoundError:
        pass
    except (OSError, msgspec.MsgspecError) as error:
        log.info("could not read the kept eras %s: %s", path, error)
    return _Kept()


def _save(path: Path, kept: _Kept) -> None:
    try:
        write(path, msgspec.json.encode(kept, order="deterministic"))
    except OSError as error:
        log.info("could not keep eras in %s: %s", path, error)
