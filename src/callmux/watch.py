"""Watches the configuration file and reloads it.

Called by the run modes of `callmux.cli`; calls `callmux.host`.

A look at the file's identity, size and time four times a second costs a few microseconds and no dependency;
it sees atomic replacement and symbolic links that are turned. A change counts once the file has been still
for one interval, so that a half-written file is not read.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from callmux.config.model import Config
from callmux.errors import CallmuxError

if TYPE_CHECKING:
    from callmux.host import Host

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 0.25


def signature(path: Path) -> tuple[int, int, int] | None:
    """What changes when the file does; None while it is not there."""
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


async def watch_config(path: Path, host: Host, load: Callable[[], Config]) -> None:
    """Reloads whenever `path` changes, or on SIGHUP, until it is cancelled.

    Args:
        load: Reads the configuration anew; raises `CallmuxError` where it cannot be used.
    """
    hangup = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hangup.set)
    applied = last = signature(path)
    log.info("Watching config for hot reload: %s", path)
    while True:
        trigger = await _wait(hangup)
        now = signature(path)
        if trigger == "file change" and (now == applied or now != last):
            last = now
            continue
        applied = last = now
        await reload(path, host, load, trigger)


async def _wait(hangup: asyncio.Event) -> str:
    try:
        async with asyncio.timeout(INTERVAL_SECONDS):
            await hangup.wait()
    except TimeoutError:
        return "file change"
    hangup.clear()
    return "SIGHUP"


async def reload(path: Path, host: Host, load: Callable[[], Config], trigger: str) -> None:
    """Loads the file and swaps; on any failure the old configuration goes on and the reason is logged."""
    try:
        await host.reload(load())
    except CallmuxError as error:
        host.reloads.note(error.message)
        log.error("Config reload failed (%s, %s): %s", path, trigger, error.message)
        return
    host.reloads.note(None)
    log.info("Reloaded config from %s (%s)", path, trigger)
