"""Watches the configuration file and the files it refers to, and reloads when one of them changes.

Made by `callmux.process.config_watch`; calls `callmux.process.host`.

A look at each file's identity, size and time four times a second costs a few microseconds and no dependency;
it sees atomic replacement and symbolic links that are turned. A change counts once the files have been still
for one interval, so that a half-written file is not read.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from callmux.config.model import Config
from callmux.config.sources import Sources
from callmux.errors import CallmuxError
from callmux.observe.facts import Reloaded

if TYPE_CHECKING:
    from callmux.process.host import Host

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 0.25


async def reload_on_change(
    path: Path, host: Host, load: Callable[[Sources], Config], sources: Sources
) -> None:
    """Reloads whenever one of the files changes, or on SIGHUP, until it is cancelled.

    Args:
        path: The configuration file.
        load: Reads the configuration anew and notes what it reads; raises `CallmuxError` where it cannot be
            used.
        sources: What the reading that is in force has noted.
    """
    hangup = asyncio.Event()
    if sys.platform != "win32":
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hangup.set)
    last = sources.noted
    log.info("Watching config for hot reload: %s", path)
    while True:
        on_demand = await _wait(hangup)
        now = sources.now()
        if not on_demand and (now == sources.noted or now != last):
            last = now
            continue
        trigger = "SIGHUP"
        if not on_demand:
            trigger = "file change" if now.get(path) != sources.noted.get(path) else "secret change"
        sources = Sources()
        await reload(path, host, load, sources, trigger)
        last = sources.noted


async def _wait(hangup: asyncio.Event) -> bool:
    """Whether a reload was asked for before the next look is due."""
    try:
        async with asyncio.timeout(INTERVAL_SECONDS):
            await hangup.wait()
    except TimeoutError:
        return False
    hangup.clear()
    return True


async def reload(
    path: Path, host: Host, load: Callable[[Sources], Config], sources: Sources, trigger: str
) -> None:
    """Loads the file and swaps; on any failure the old configuration goes on and the reason is told."""
    try:
        await host.reload(lambda: load(sources))
    except Exception as error:
        known = isinstance(error, CallmuxError)
        reason = error.message if isinstance(error, CallmuxError) else f"an error in callmux: {error!r}"
        host.bus.publish(Reloaded(error=reason))
        log.error(
            "Config reload failed (%s, %s): %s", path, trigger, reason, exc_info=None if known else error
        )
        return
    host.bus.publish(Reloaded())
    log.info("Reloaded config from %s (%s)", path, trigger)
