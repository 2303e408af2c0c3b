"""Which tools of one server ask their client something, kept on disk: it holds for the next process, too.

Kept by `callmux.upstream.server`; noted by `callmux.upstream.questions`, asked by `callmux.upstream.choice`:
calls of such a tool take a connection of their session, so that no question needs to be guessed at.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from callmux.tasks import TaskSet
from callmux.upstream.inventory.listings import write

log = logging.getLogger(__name__)

MOST = 1000
"""Tools that are remembered of one server."""


class AskingTools:
    """The tools of one server that ask.

    Args:
        path: Where they are kept over processes; None for nowhere.

    Attributes:
        names: Their names.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._writing = asyncio.Lock()
        self._tasks = TaskSet("tools that ask")
        self.names: set[str] = _read(path)

    def __repr__(self) -> str:
        return f"AskingTools({sorted(self.names)})"

    def note(self, tools: Iterable[str]) -> None:
        """Remembers that these tools ask, and keeps it where that is news."""
        before = len(self.names)
        self.names.update(list(tools)[: MOST - before])
        if self._path is not None and len(self.names) > before:
            self._tasks.spawn(self._keep(self._path))

    async def _keep(self, path: Path) -> None:
        async with self._writing:
            await asyncio.to_thread(_save, path, sorted(self.names))


def _read(path: Path | None) -> set[str]:
    if path is None:
        return set()
    try:
        data = path.read_bytes()
        with suppress(OSError):
            # It is in use: what nobody reads is removed.
            os.utime(path)
        return msgspec.json.decode(data, type=set[str])
    except FileNotFoundError:
        pass
    except (OSError, msgspec.MsgspecError) as error:
        log.info("could not read which tools ask in %s: %s", path, error)
    return set()


def _save(path: Path, names: list[str]) -> None:
    try:
        write(path, msgspec.json.encode(names))
    except OSError as error:
        log.info("could not keep which tools ask in %s: %s", path, error)
