"""Writes to a stdout that is no pipe, such as a file or a terminal, as a transport of the event loop would.

Made by `callmux.transport.stdio`: the loop cannot watch files, and a stopped terminal or a file system that
hangs must not hold it up. A thread writes (`callmux.outlet`); nothing is dropped, but whoever writes is
told when too much waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from callmux.outlet import Outlet

HIGH = 1024 * 1024
"""Bytes that wait before whoever writes is told to pause."""
LOW = HIGH // 4


class Watcher(Protocol):
    """What asyncio tells the protocol of a transport that writes."""

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...

    def connection_lost(self, exc: Exception | None) -> None: ...


class FileWriter:
    """A writer of one descriptor.

    Args:
        descriptor: Where to write. It is not closed.
        watcher: Told what happens.
    """

    def __init__(self, descriptor: int, watcher: Watcher) -> None:
        self._loop = asyncio.get_running_loop()
        self._outlet = Outlet(descriptor, self._written)
        self._watcher = watcher
        self._paused = self._closing = self._ended = False

    def writelines(self, lines: Sequence[bytes]) -> None:
        """Has `lines` written."""
        self._outlet.write(b"".join(lines))
        if not self._paused and self._outlet.size > HIGH:
            self._paused = True
            self._watcher.pause_writing()

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """Takes nothing more; ends once everything is written."""
        self._closing = True
        self._outlet.close()
        self._look()

    def abort(self) -> None:
        """Ends at once."""
        self._closing = True
        self._end()

    def _written(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._look)
        except RuntimeError:
            # The loop has ended before the file took everything.
            return

    def _look(self) -> None:
        if self._outlet.broken or (self._closing and not self._outlet.size):
            self._closing = True
            self._end()
        elif self._paused and self._outlet.size <= LOW:
            self._paused = False
            self._watcher.resume_writing()

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._watcher.connection_lost(None)
