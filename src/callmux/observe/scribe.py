"""Writes what a listener hears, in a thread of its own: whoever is heard never waits for a disk or a reader.

Used by `callmux.observe.audit` and `callmux.observe.event_store`. What comes within a moment is written
together. What finds no room is dropped and counted, and what is written says so.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

from callmux.observe.feed import Feed, Heard

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.05
"""How long something may wait for what comes after it."""


class Scribe:
    """One thread that writes.

    Args:
        wall: The time of day.
        write: Writes what was heard; called in the thread only. Where it gives seconds, it is called after
            these once more, also where nothing has come.
        room: How much may wait.
        gather: How long something may wait for what comes after it.
        enough: How much is written at once without waiting for more.
    """

    def __init__(
        self,
        wall: Callable[[], float],
        write: Callable[[Heard], float | None],
        room: int = 10_000,
        gather: float = GATHER_SECONDS,
        enough: int = 10_000,
    ) -> None:
        self._write = write
        self._gather = gather
        self._feed = Feed(wall, room, self._wake, enough)
        # A queue that is made in C: with few calls, waiting is most of what a line costs.
        self._news: SimpleQueue[None] = SimpleQueue()
        self._closing = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.put = self._feed.put

    def __repr__(self) -> str:
        return f"Scribe({len(self._feed)} wait)"

    def hurry(self) -> None:
        """Has what waits written at once."""
        self._news.put(None)

    def _wake(self) -> None:
        self._news.put(None)
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, name="scribe", daemon=True)
                    self._thread.start()

    def close(self, seconds: float) -> bool:
        """Writes what waits and ends, within `seconds`; whether all was written. What comes later is lost."""
        self._closing = True
        self._news.put(None)
        if self._thread is not None:
            self._thread.join(seconds)
            return not self._thread.is_alive()
        return True

    def _work(self) -> None:
        again: float | None = None
        while not self._closing:
            if self._is_woken(again) and not self._closing:
                self._is_woken(self._gather)
            # Whatever was put until now is taken below.
            while not self._news.empty():
                self._news.get()
            again = self._drain(anew=again is not None)
        self._drain()

    def _is_woken(self, seconds: float | None) -> bool:
        try:
            self._news.get(timeout=seconds)
        except Empty:
            return False
        return True

    def _drain(self, *, anew: bool = False) -> float | None:
        """Writes all that waits; `anew` where there is something to do even though nothing waits."""
        again: float | None = None
        while True:
            heard = self._feed.take()
            if not heard.facts and not heard.dropped and not anew:
                return again
            anew = False
            try:
                again = self._write(heard)
            except Exception as error:
                log.error("something that was to be written is lost: %r", error, exc_info=error)
