"""Restarts servers whose own files have changed: the key `watch`, for authors who rebuild all day.

Run by `callmux.process.config_watch`; calls `callmux.process.host`. A change counts once the files have been
still for a while, so that a build is over before the server starts anew.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from callmux.config.servers import StdioServer
from callmux.errors import CallmuxError
from callmux.process.file_patterns import MOST_FILES, Seen, look
from callmux.tasks import TaskSet

if TYPE_CHECKING:
    from callmux.process.host import Host

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 0.5
"""How often the files are looked at, and how long they must have been still."""
SHARE = 20
"""A look may take this part of the time, at most: large trees are looked at less often."""

Wanted: TypeAlias = tuple[tuple[str, ...], Path]
"""Patterns, and where relative ones start."""


class Watched:
    """The files of one server.

    Args:
        wanted: What is looked at.
        seen: The files as they are now.
    """

    def __init__(self, wanted: Wanted, seen: Seen) -> None:
        self.wanted = wanted
        self._applied = self._last = seen

    def changed(self, seen: Seen) -> list[str]:
        """The files that have changed since the last restart; none while they are still changing."""
        still, self._last = seen == self._last, seen
        if not still or seen == self._applied:
            return []
        before, self._applied = self._applied, seen
        return sorted(path for path in {*before, *seen} if before.get(path) != seen.get(path))


def wanted_of(host: Host, base_dir: Path) -> dict[str, Wanted]:
    """What the current configuration wants watched, by server.

    Args:
        base_dir: Where patterns start for a server without a `cwd`: the configuration file's directory.
    """
    wanted = {}
    for name, config in host.runtime.config.servers.items():
        if isinstance(config, StdioServer) and config.watch and not config.disabled:
            base = Path(os.path.abspath(config.cwd if config.cwd is not None else base_dir))
            wanted[name] = (config.watch, base)
    return wanted


async def restart_rebuilt(host: Host, base_dir: Path) -> None:
    """Restarts servers whose files have changed, until it is cancelled."""
    tasks = TaskSet("rebuilt servers")
    servers: dict[str, Watched] = {}
    try:
        while True:
            wanted = wanted_of(host, base_dir)
            began = time.monotonic()
            seen = await asyncio.to_thread(_look_at_all, wanted) if wanted else {}
            took = time.monotonic() - began
            for name in servers.keys() - wanted.keys():
                del servers[name]
            for name, files in seen.items():
                known = servers.get(name)
                if known is None or known.wanted != wanted[name]:
                    servers[name] = Watched(wanted[name], files)
                    _tell(name, files)
                elif changed := known.changed(files):
                    tasks.spawn(_restart(host, name, changed))
            await asyncio.sleep(max(INTERVAL_SECONDS, took * SHARE))
    finally:
        await tasks.cancel()


def _look_at_all(wanted: Mapping[str, Wanted]) -> dict[str, Seen]:
    return {name: look(patterns, base) for name, (patterns, base) in wanted.items()}


def _tell(name: str, files: Seen) -> None:
    if not files:
        log.warning('could not watch files of "%s": its "watch" matches none yet', name)
    elif len(files) >= MOST_FILES:
        log.warning(
            'could not watch all files of "%s": only the first %d that its "watch" matches', name, MOST_FILES
        )
    else:
        log.info('watching %d files of "%s"', len(files), name)


async def _restart(host: Host, name: str, changed: list[str]) -> None:
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    try:
        await host.restart(name, f"{changed[0]}{more} changed")
    except CallmuxError as error:
        # It was taken out of the configuration meanwhile.
        log.info('"%s" is not restarted: %s', name, error.message)
