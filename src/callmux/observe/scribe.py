"""Writes what a listener hears, in a thread of its own: whoever is heard never waits for a disk or a reader.

Used by `callmux.observe.audit`. What comes within a moment is written together.
What finds no room is dropped and counted, and what is written says so.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

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
        # A queue and a lock that are made in C: with few calls, their waiting is most of what a line costs.
        self._news: SimpleQueue[None] = SimpleQueue()
        self._closing = False
        self._closed = threading.Lock()
        self._closed.acquire()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.put = self._feed.put

    def __repr__(self) -> str:
        return f"Scribe({len(self._feed)} wait)"

    def _wake(self) -> None:
        self._news.put(None)
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, name="scribe", daemon=True)
                    self._thread.start()

    def close(self, seconds: float) -> bool:
        """Writes what waits and ends, within `seconds`; whether all was written. What comes later is lost."""
        with self._lock:
            if not self._closing:
                self._closing = True
                self._closed.release()
        self._news.put(None)
        if self._thread is not None:
            self._thread.join(seconds)
            return not self._thread.is_alive()
        return True

    def _work(self) -> None:
        while not self._closing:
            self._news.get()
            if not self._closed.acquire(timeout=GATHER_SECONDS):
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
