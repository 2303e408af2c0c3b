"""Writes what a listener hears, in a thread of its own: whoever is heard never waits for a disk or a reader.

Used by `callmux.observe.audit`. What comes within a moment is written together.
What finds no room is dropped and counted, and what is written says so.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from callmux.observe.feed import Feed, Heard

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.05
"""How long something may wait for what comes after it."""


class Scribe:
    """One thread that writes.

    Args:
        wall: The time of day.
        write: Writes what was heard; called in the thread only.
        room: How much may wait.
    """

    def __init__(self, wall: Callable[[], float], write: Callable[[Heard], None], room: int = 10_000) -> None:
        self._write = write
        self._feed = Feed(wall, room, self._wake)
        self._news = threading.Event()
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.put = self._feed.put

    def __repr__(self) -> str:
        return f"Scribe({len(self._feed)} wait)"

    def _wake(self) -> None:
        self._news.set()
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, name="scribe", daemon=True)
                    self._thread.start()

    def close(self, seconds: float) -> bool:
        """Writes what waits and ends, within `seconds`; whether all was written. What comes later is lost."""
        self._closing.set()
        self._news.set()
        if self._thread is not None:
            self._thread.join(seconds)
            return not self._thread.is_alive()
        return True

    def _work(self) -> None:
        while not self._closing.is_set():
            self._news.wait()
            self._closing.wait(GATHER_SECONDS)
            self._news.clear()
            self._drain()
        self._drain()

    def _drain(self) -> None:
        while True:
            heard = self._feed.take()
            if not heard.facts and not heard.dropped:
                return
            try:
                self._write(heard)
            except Exception as error:
                log.error("something that was to be written is lost: %r", error, exc_info=error)
