"""Finished event streams of a process that shares nothing with others: in memory. Pure.

Made by `callmux.transport.http.kept`, one for all sessions, so that what is kept stays within one bound
however many sessions there are. What it promises stands in `callmux.stores.replay`. The time is an argument.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeAlias

from callmux.stores.replay import FinishedStream

KEPT_BYTES = 8 * 1024 * 1024
"""Bytes of all streams that are kept, except that the newest is kept whatever its size."""
KEPT_SECONDS = 120.0
"""How long a stream is kept: longer than any bridge waits for a listener."""
OVERHEAD_BYTES = 1024
"""What a stream costs beside its own bytes."""


_Kept: TypeAlias = tuple[FinishedStream, int, float]
"""A stream, what it costs, and when it was put here."""


class MemoryReplay:
    """Finished streams by session and key, the oldest forgotten first."""

    def __init__(self) -> None:
        self._order: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._keys: dict[str, set[str]] = {}
        self._bytes = 0
        self._due = 0.0  # before this, nothing is too old

    def __repr__(self) -> str:
        return f"MemoryReplay({len(self._order)} streams, {self._bytes} bytes)"

    def __len__(self) -> int:
        return len(self._order)

    def put(self, session: str, stream: FinishedStream, now: float) -> None:
        """Keeps a stream for a while, in place of an older one of its key."""
        # Each answer of a listener comes by.
        place = session, stream.key
        if place in self._order:
            self._drop(session, stream.key)
        size = OVERHEAD_BYTES
        for _, data in stream.events:
            size += len(data)
        self._order[place] = stream, size, now
        if (keys := self._keys.get(session)) is None:
            keys = self._keys[session] = set()
        keys.add(stream.key)
        self._bytes += size
        while self._bytes > KEPT_BYTES and len(self._order) > 1:
            self._drop(*next(iter(self._order)))
        if now >= self._due:
            self.expire(now)

    def get(self, session: str, key: str, now: float) -> FinishedStream | None:
        """The stream; None where it is not kept (any more)."""
        self.expire(now)
        found = self._order.get((session, key))
        return None if found is None else found[0]

    def drop(self, session: str, stream: FinishedStream | None = None) -> None:
        """Forgets a stream, unless another one has its key by now; without `stream` all of a session."""
        if stream is None:
            for key in list(self._keys.get(session, ())):
                self._drop(session, key)
            return
        found = self._order.get((session, stream.key))
        if found is not None and found[0] is stream:
            self._drop(session, stream.key)

    def expire(self, now: float) -> None:
        """Forgets what is too old."""
        self._due = now + KEPT_SECONDS
        while self._order:
            oldest = next(iter(self._order))
            put_at = self._order[oldest][2]
            if put_at > now - KEPT_SECONDS:
                self._due = put_at + KEPT_SECONDS
                return
            self._drop(*oldest)

    def _drop(self, session: str, key: str) -> None:
        _, size, _ = self._order.pop((session, key))
        self._bytes -= size
        keys = self._keys[session]
        keys.discard(key)
        if not keys:
            del self._keys[session]
