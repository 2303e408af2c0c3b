"""Event streams that survive the connection that carries them.

One `Stream` for each request that is answered by events, and one for what a session says by itself. Events
are numbered and kept within bounds, so that a client whose connection broke goes on where it was (MCP
2025-11-25, basic/transports, "Resumability and Redelivery"). Called by `callmux.transport.http.web_session`.
"""

from __future__ import annotations

import asyncio
from collections import deque

KEPT_EVENTS = 500
"""Events of one stream that are kept for a client that comes back."""
KEPT_BYTES = 16 * 1024 * 1024
"""Bytes of one stream that are kept; the last event is kept whatever its size."""


class Stream:
    """The events of one stream.

    Args:
        key: Its name within the session; stands in front of each event's number.

    Attributes:
        finished: Nothing comes any more.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        self.finished = False
        self._events: deque[tuple[int, bytes]] = deque()
        self._bytes = 0
        self._last = 0
        self._reader = 0
        self._news = asyncio.Event()

    def __repr__(self) -> str:
        return f"Stream({self.key!r}, {self._last} events{', finished' if self.finished else ''})"

    def push(self, line: bytes) -> None:
        """Adds a message."""
        data = line.rstrip(b"\n")
        self._last += 1
        self._events.append((self._last, data))
        self._bytes += len(data)
        while len(self._events) > 1 and (self._bytes > KEPT_BYTES or len(self._events) > KEPT_EVENTS):
            self._bytes -= len(self._events.popleft()[1])
        self._news.set()

    def finish(self) -> None:
        """Nothing comes any more."""
        self.finished = True
        self._news.set()

    def only(self) -> bytes | None:
        """The answer, where the stream is finished and holds nothing else."""
        if self.finished and self._last == 1:
            return self._events[0][1]
        return None

    @property
    def size(self) -> int:
        """Bytes of the events that are kept."""
        return self._bytes

    @property
    def last(self) -> int:
        """The number of the last event; 0 for none."""
        return self._last

    @property
    def is_taken(self) -> bool:
        """Somebody reads it, or has."""
        return self._reader > 0

    @property
    def is_empty(self) -> bool:
        return self._last == 0

    def event_id(self, number: int) -> str:
        """The id of an event as clients see it."""
        return f"{self.key}_{number}"

    def take_over(self) -> int:
        """Makes the caller the only reader; whoever reads now stops. Gives the reader's number."""
        self._reader += 1
        self._news.set()
        return self._reader

    def is_read_by(self, reader: int) -> bool:
        """Nobody has taken over from this reader."""
        return reader == self._reader

    async def wait(self, seconds: float | None) -> None:
        """Waits until something is there or the stream is finished, at most `seconds`."""
        if self._last or self.finished:
            return
        # Waking it without news is far cheaper than a time-out of its own, and every request waits here.
        self._news.clear()
        timer = None
        if seconds is not None:
            timer = asyncio.get_running_loop().call_later(seconds, self._news.set)
        try:
            await self._news.wait()
        finally:
            if timer is not None:
                timer.cancel()

    async def answer(self) -> bytes | None:
        """Waits until the stream is finished, and gives its last message: the answer."""
        while not self.finished:
            self._news.clear()
            await self._news.wait()
        return self._events[-1][1] if self._events else None

    async def after(self, number: int, reader: int, seconds: float) -> list[tuple[int, bytes]] | None:
        """The events after `number`; empty if none come within `seconds`; None once there will be none for
        this reader."""
        while True:
            if reader != self._reader:
                return None
            found = [event for event in self._events if event[0] > number]
            if found:
                return found
            if self.finished:
                return None
            self._news.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                return []
