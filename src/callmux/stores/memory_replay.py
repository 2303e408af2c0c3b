"""Finished event streams of a process that shares nothing with others: in memory. Pure.

Made by `callmux.transport.http.kept`, one for all sessions, so that what is kept stays within one bound
however many sessions there are. What it promises stands in `callmux.stores.replay`. The time is an argument.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from callmux.stores.replay import FinishedStream

KEPT_BYTES = 8 * 1024 * 1024
"""Bytes of all streams that are kept, except that the newest is kept whatever its size."""
KEPT_SECONDS = 120.0
"""How long a stream is kept: longer than any bridge waits for a listener."""
OVERHEAD_BYTES = 1024
"""What a stream costs beside its own bytes."""


class _Kept(NamedTuple):
    stream: FinishedStream
    size: int
    put_at: float


class MemoryReplay:
    """Finished streams by session and key, the oldest forgotten first."""

    def __init__(self) -> None:
        self._order: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._keys: dict[str, set[str]] = {}
        self._bytes = 0

    def __repr__(self) -> str:
        return f"MemoryReplay({len(self._order)} streams, {self._bytes} bytes)"

    def __len__(self) -> int:
        return len(self._order)

    def put(self, session: str, stream: FinishedStream, now: float) -> None:
        """Keeps a stream for a while, in place of an older one of its key."""
        self._drop(session, stream.key)
        size = OVERHEAD_BYTES + sum(len(data) for _, data in stream.events)
        self._order[session, stream.key] = _Kept(stream, size, now)
        self._keys.setdefault(session, set()).add(stream.key)
        self._bytes += size
        while self._bytes > KEPT_BYTES and len(self._order) > 1:
            self._drop(*next(iter(self._order)))
        self.expire(now)

    def get(self, session: str, key: str, now: float) -> FinishedStream | None:
        """The stream; None where it is not kept (any more)."""
        self.expire(now)
        found = self._order.get((session, key))
        return None if found is None else found.stream

    def drop(self, session: str, stream: FinishedStream | None = None) -> None:
        """Forgets a stream, unless another one has its key by now; without `stream` all of a session."""
        if stream is None:
            for key in list(self._keys.get(session, ())):
                self._drop(session, key)
            return
        found = self._order.get((session, stream.key))
        if found is not None and found.stream is stream:
            self._drop(session, stream.key)

    def expire(self, now: float) -> None:
        """Forgets what is too old."""
        while self._order:
            oldest = next(iter(self._order))
            if self._order[oldest].put_at > now - KEPT_SECONDS:
                return
            self._drop(*oldest)

    def _drop(self, session: str, key: str) -> None:
        found = self._order.pop((session, key), None)
        if found is None:
            return
        self._bytes -= found.size
        keys = self._keys[session]
        keys.discard(key)
        if not keys:
            del self._keys[session]
