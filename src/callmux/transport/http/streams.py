"""Event streams that survive the connection that carries them.

One `Stream` for each request that is answered by events, and one for what a session says by itself. Events
are numbered and kept within bounds, so that a client whose connection broke goes on where it was (MCP
2025-11-25, basic/transports, "Resumability and Redelivery"). Called by `callmux.transport.http.web_session`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import takewhile
from typing import Protocol

from callmux.protocol.jsonrpc import Failure, Response, parse
from callmux.stores.replay import FinishedStream

PATIENCE_SECONDS = 2.0
"""How long an answer may take before the client gets an event stream."""
KEPT_EVENTS = 500
"""Events of one stream that are kept for a client that comes back; as many answers, beside those unread."""
KEPT_BYTES = 16 * 1024 * 1024
"""Bytes of either that are kept; the last is kept whatever its size."""


class Stream:
    """The events of one stream. An answer is kept until it is read, whatever comes in between.

    Args:
        key: Its name within the session; stands in front of each event's number.

    Attributes:
        finished: Nothing comes any more.
        owed: Requests whose answers are still to come on it.
        dropped: Events that nobody has read and that are no longer kept.
        record: What `finished_as` gave; None before.
    """

    record: FinishedStream | None = None

    def __init__(self, key: str) -> None:
        self.key = key
        self.finished = False
        self.owed = 0
        self.dropped = 0
        self._events = _Queue()
        self._answers = _Queue()
        self._last = 0
        self._reader = 0
        self._read = 0
        self._news, self._progress = _Bell(), _Bell()

    def __repr__(self) -> str:
        return f"Stream({self.key!r}, {self._last} events{', finished' if self.finished else ''})"

    def begin_at(self, number: int) -> None:
        """Goes on where another stream has ended: its last event had this number."""
        self._last = self._read = number

    def push(self, line: bytes, is_answer: bool = False) -> None:
        """Adds a message.

        Args:
            is_answer: Whether it answers a request.
        """
        data = line.rstrip(b"\n")
        self._last += 1
        if is_answer:
            self._answers.add(self._last, data)
            while self._answers.is_over and self._answers.first <= self._read:
                self._answers.pop()
        else:
            self._events.add(self._last, data)
            while self._events.is_over:
                self.dropped += self._events.pop() > self._read
        self._news.ring()

    def finish(self) -> None:
        """Nothing comes any more."""
        self.finished = True
        self._news.ring()
        self._progress.ring()

    def finished_as(self) -> FinishedStream:
        """What is kept of a finished stream: the same record each time."""
        if self.record is None:
            self.record = FinishedStream(self.key, tuple(self._since(0)))
        return self.record

    @classmethod
    def again(cls, kept: FinishedStream) -> Stream:
        """A finished stream from what was kept of it."""
        stream = cls(kept.key)
        for number, data in kept.events:
            stream._events.add(number, data)
            stream._last = number
        stream.finished = True
        stream.record = kept
        return stream

    def only(self) -> bytes | None:
        """The answer, where the stream is finished and holds nothing else."""
        if self.finished and self._last == 1:
            return self.finished_as().events[0][1]
        return None

    def answers(self) -> list[bytes]:
        """The answers that are kept, in order."""
        found = [data for _, data in self._answers.since(0)]
        if found or self.record is None:
            return found
        # What was kept of a stream does not say which of its events are answers.
        return [data for _, data in self.record.events if isinstance(parse(data), Response | Failure)]

    def last_answer(self) -> bytes | None:
        """The last answer that is kept; None where there is none."""
        return self.answers()[-1] if self._answers.bytes else None

    def unread(self) -> tuple[int, int]:
        """How many answers nobody has read yet, and their bytes."""
        waiting = self._answers.since(self._read)
        return len(waiting), sum(len(data) for _, data in waiting)

    async def read_on(self) -> None:
        """Waits until somebody reads on, or nothing comes any more."""
        if not self.finished:
            await self._progress.next()

    @property
    def last(self) -> int:
        """The number of the last event; 0 for none."""
        return self._last

    @property
    def is_taken(self) -> bool:
        """Whether somebody reads it, or has."""
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
        self._news.ring()
        return self._reader

    def is_read_by(self, reader: int) -> bool:
        """Whether nobody has taken over from this reader."""
        return reader == self._reader

    async def wait(self, seconds: float | None) -> None:
        """Waits until something is there or the stream is finished, at most `seconds`."""
        if self._last or self.finished:
            return
        # Waking it without news is far cheaper than a time-out of its own, and every request waits here.
        timer = None
        if seconds is not None:
            timer = asyncio.get_running_loop().call_later(seconds, self._news.ring)
        try:
            await self._news.next()
        finally:
            if timer is not None:
                timer.cancel()

    async def answer(self) -> bytes | None:
        """Waits until the stream is finished, and gives its last message: the answer."""
        while not self.finished:
            await self._news.next()
        found = self._since(self._last - 1)
        return found[0][1] if found else None

    def _since(self, number: int) -> list[tuple[int, bytes]]:
        found = self._answers.since(number)
        if not found:
            return self._events.since(number)
        return sorted(found + self._events.since(number))

    async def after(self, number: int, reader: int, seconds: float) -> list[tuple[int, bytes]] | None:
        """The events after `number`, up to which the reader has them; empty if none come within `seconds`;
        None once there will be none for this reader."""
        while True:
            if reader != self._reader:
                return None
            if number > self._read:
                self._read = number
                self._progress.ring()
            found = self._since(number)
            if found:
                return found
            if self.finished:
                return None
            try:
                async with asyncio.timeout(seconds):
                    await self._news.next()
            except TimeoutError:
                return []


class Owed(Protocol):
    """What takes the answer to a request in place of a stream, while the answer is all that comes."""

    @property
    def key(self) -> str:
        """The name of the stream that it would become."""

    def answered(self, line: bytes) -> None:
        """The answer is there, and nothing came before it."""

    def become_stream(self) -> Stream:
        """Goes on as a stream of its session, which its client reads from now on."""


class _Bell:
    """Wakes whoever waits for it to ring. Every session has two and hardly ever waits: a lock of the standard
    library is ten times as large."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: tuple[asyncio.Future[None], ...] = ()

    def ring(self) -> None:
        """Whoever waits goes on."""
        waiting, self._waiting = self._waiting, ()
        for one in waiting:
            if not one.done():
                one.set_result(None)

    async def next(self) -> None:
        """Waits until it rings."""
        one: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting += (one,)
        try:
            await one
        finally:
            self._waiting = tuple(other for other in self._waiting if other is not one)


class _Queue:
    """Numbered events of one kind, and their bytes."""

    __slots__ = ("_events", "bytes")

    def __init__(self) -> None:
        # Most streams have no events of one kind, and an empty queue is large.
        self._events: deque[tuple[int, bytes]] | tuple[()] = ()
        self.bytes = 0

    def add(self, number: int, data: bytes) -> None:
        if not self._events:
            self._events = deque()
        self._events.append((number, data))
        self.bytes += len(data)

    @property
    def is_over(self) -> bool:
        """Whether there are more than are to be kept."""
        count = len(self._events)
        return count > 1 and (self.bytes > KEPT_BYTES or count > KEPT_EVENTS)

    @property
    def first(self) -> int:
        """The number of the oldest."""
        assert isinstance(self._events, deque)
        return self._events[0][0]

    def pop(self) -> int:
        """Forgets the oldest; gives its number."""
        assert isinstance(self._events, deque)
        number, data = self._events.popleft()
        self.bytes -= len(data)
        return number

    def since(self, number: int) -> list[tuple[int, bytes]]:
        """Those after `number`, in order; costs what there are of them."""
        found = list(takewhile(lambda event: event[0] > number, reversed(self._events)))
        found.reverse()
        return found
