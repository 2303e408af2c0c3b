"""What servers listed last, kept on disk, so that one that takes long to start holds up no first listing.

Made by `callmux.process.servers`; used by `callmux.upstream.server`, which reads once before its first
attempt and writes in a thread after each change, and by `callmux.upstream.opening.known_era`. A file holds
what a client is shown, and nothing of the configuration: its name is a hash of what the server is run with,
so whatever changes there begins anew. What a server listed anywhere to anybody is kept once more and stands
in where nothing else is known: in another directory, to another client, and after a command has looked at the
server (`callmux.process.signed_probe`).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.protocol.shapes import Tool
from callmux.upstream.inventory.offer import KINDS, RESOURCES, Offer, read_items

log = logging.getLogger(__name__)

FORMAT = 1
"""A part of each file's name: another form begins anew, a newer callmux alone does not."""
EARLIER = ("0.1.0",)
"""Versions that stood in the names of their files: theirs is read where there is none of ours."""
MAX_BYTES = 64 * 1024 * 1024
"""A larger file is not read."""
FORGOTTEN_AFTER_DAYS = 90
"""A file that nobody read for so long is removed."""


class _Kept(msgspec.Struct, rename="camel"):
    tools: list[Raw]
    items: Mapping[str, list[Raw]]
    capabilities: Mapping[str, Raw]
    instructions: str | None = None
    server_info: Raw | UnsetType = UNSET
    beside: Mapping[str, Mapping[str, Raw]] = {}
    others: Mapping[str, Raw] = {}


_KEPT = msgspec.json.Decoder(_Kept)


class Listing:
    """What one server listed, to one kind of client.

    Args:
        path: The file.
        earlier: Where earlier versions kept it.
        anywhere: What the server listed last, to whomever; None where this is that.
        portable: Whether its resources are the same anywhere.
    """

    def __init__(
        self,
        path: Path,
        earlier: Sequence[Path] = (),
        anywhere: Listing | None = None,
        *,
        portable: bool = True,
    ) -> None:
        self._path = path
        self._earlier = earlier
        self._anywhere = anywhere
        self._portable = portable
        self._digest = b""
        self._writing = asyncio.Lock()

    def recall(self, *, exact: bool = False) -> tuple[tuple[Tool, ...], Offer] | None:
        """Its tools and what else it offered; None where nothing is kept, or nothing that can be read.

        Args:
            exact: Whether what it listed elsewhere, or to others, does not stand in.
        """
        for path in (self._path, *self._earlier):
            with suppress(OSError):
                return self._read(path) if path.stat().st_size <= MAX_BYTES else None
        return None if exact or self._anywhere is None else self._anywhere.recall()

    def _read(self, path: Path) -> tuple[tuple[Tool, ...], Offer] | None:
        """What a file says.

        Raises:
            OSError: There is none.
        """
        data = path.read_bytes()
        with suppress(OSError):
            os.utime(path)
        try:
            kept = _KEPT.decode(data)
            tools = tuple(Tool(bytes(raw)) for raw in kept.tools)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            log.warning("could not read the kept listing %s: %s", path, error)
            return None
        if path == self._path:
            self._digest = hashlib.sha256(data).digest()
        items = {kind: read_items(kind, list(map(bytes, kept.items.get(kind.method, [])))) for kind in KINDS}
        offer = Offer(
            capabilities={name: Raw(bytes(raw)) for name, raw in kept.capabilities.items()},
            instructions=kept.instructions,
            server_info=None if kept.server_info is UNSET else bytes(kept.server_info),
            items={kind: found for kind, found in items.items() if found},
            beside={member: _bytes(values) for member, values in kept.beside.items()},
            others=_bytes(kept.others),
        )
        return tools, offer

    async def keep(self, tools: tuple[Tool, ...], offer: Offer, *, exact: bool = False) -> None:
        """Keeps what the server lists now, in a thread; without effect where it is kept already.

        Args:
            exact: Whether it does not stand in elsewhere, or for others.
        """
        async with self._writing:
            await asyncio.to_thread(self._save, tools, offer, exact)

    def _save(self, tools: tuple[Tool, ...], offer: Offer, exact: bool = False) -> None:
        if self._anywhere is not None and not exact:
            self._anywhere._save(tools, offer)
        if not self._portable:
            items = {kind: found for kind, found in offer.items.items() if kind is not RESOURCES}
            offer = msgspec.structs.replace(offer, items=items)
        data = msgspec.json.encode(
            _Kept(
                tools=[Raw(tool.raw) for tool in tools],
                items={kind.method: [Raw(i.raw) for i in items] for kind, items in offer.items.items()},
                capabilities=offer.capabilities,
                instructions=offer.instructions,
                server_info=UNSET if offer.server_info is None else Raw(offer.server_info),
                beside={member: _raws(values) for member, values in offer.beside.items()},
                others=_raws(offer.others),
            )
        )
        digest = hashlib.sha256(data).digest()
        if not self._digest and self._path.exists():
            # Another process, or another kind of client, has kept something there.
            with suppress(OSError):
                self._digest = hashlib.sha256(self._path.read_bytes()).digest()
        if digest == self._digest:
            return
        try:
            write(self._path, data)
            self._digest = digest
        except OSError as error:
            log.info("could not keep a listing in %s: %s", self._path, error)


def _bytes(values: Mapping[str, Raw]) -> dict[str, bytes]:
    return {name: bytes(raw) for name, raw in values.items()}


def _raws(values: Mapping[str, bytes]) -> dict[str, Raw]:
    return {name: Raw(raw) for name, raw in values.items()}


class Listings:
    """The directory of kept listings.

    Args:
        directory: It is made when the first listing is kept.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def of(self, facts: object, capabilities: bytes, *, portable: bool | None = None) -> Listing:
        """The listing of one server.

        Args:
            facts: What the server is run with; its `repr` must be the same for the same.
            capabilities: What its client declares, as canonical JSON: servers may list by it.
            portable: Whether its resources are the same in any directory; None where nothing that it listed
                elsewhere stands in.
        """
        around = facts, os.getcwd(), capabilities
        earlier = [self._named(FORMAT, version, *around) for version in EARLIER]
        anywhere = None if portable is None else self.anywhere(facts, portable=portable)
        return Listing(self._named(FORMAT, *around), earlier, anywhere)

    def anywhere(self, facts: object, *, portable: bool) -> Listing:
        """What one server listed last, wherever that was and to whomever.

        Args:
            portable: Whether its resources are the same in any directory.
        """
        return Listing(self._named(FORMAT, facts, "anywhere"), portable=portable)

    def era_of(self, facts: object) -> Path:
        """Where it is kept which era a server is of, whatever its client declares."""
        return self._named(FORMAT, facts, os.getcwd(), "era")

    def asking_of(self, facts: object) -> Path:
        """Where it is kept which tools of a server ask their client."""
        return self._named(FORMAT, facts, "asking")

    def _named(self, *known: object) -> Path:
        mark = hashlib.sha256(repr(known).encode("utf-8", "replace"))
        return self._directory / f"{mark.hexdigest()[:40]}.json"


def write(path: Path, data: bytes) -> None:
    """Writes one file in one step, for the owner only, and removes what nobody reads any more."""
    path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    new = path.with_name(f"{path.name}.{os.urandom(6).hex()}.new")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
        os.replace(new, path)
    except OSError:
        with suppress(OSError):
            new.unlink()
        raise
    oldest = time.time() - FORGOTTEN_AFTER_DAYS * 86400
    for other in path.parent.iterdir():
        with suppress(OSError):
            if other.stat().st_mtime < oldest:
                other.unlink()
