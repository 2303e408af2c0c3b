"""Answers that are kept for a while after they were sent, in case their connection broke under way.

Made by `callmux.transport.http.listener`, one for all sessions, so that what is kept stays within one bound
however many sessions there are. Filled and asked by `callmux.transport.http.web_session`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from callmux.transport.http.streams import Stream

KEPT_BYTES = 8 * 1024 * 1024
"""Bytes of all answers that are kept, except that the newest is kept whatever its size."""
KEPT_SECONDS = 120.0
"""How long an answer is kept: longer than any bridge waits for a listener."""
OVERHEAD_BYTES = 1024
"""What an answer costs beside its own bytes."""


class KeptStreams:
    """Finished streams by session and key, the oldest forgotten first.

    Args:
        now: The monotonic clock, in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._order: OrderedDict[tuple[str, str], tuple[float, Stream]] = OrderedDict()
        self._keys: dict[str, set[str]] = {}
        self._bytes = 0

    def __repr__(self) -> str:
        return f"KeptStreams({len(self._order)} streams, {self._bytes} bytes)"

    def __len__(self) -> int:
        return len(self._order)

    def put(self, session: str, stream: Stream) -> None:
        """Keeps a finished stream, in place of an older one of its key."""
        self._drop(session, stream.key)
        self._order[session, stream.key] = self._now(), stream
        self._keys.setdefault(session, set()).add(stream.key)
        self._bytes += _cost(stream)
        while self._bytes > KEPT_BYTES and len(self._order) > 1:
            self._drop(*next(iter(self._order)))
        self.expire()

    def get(self, session: str, key: str) -> Stream | None:
        """The stream, or None where it is not kept (any more)."""
        found = self._order.get((session, key))
        return found[1] if found is not None else None

    def received(self, session: str, stream: Stream) -> None:
        """The client has this one."""
        if self.get(session, stream.key) is stream:
            self._drop(session, stream.key)

    def forget(self, session: str) -> None:
        """The session is over."""
        for key in list(self._keys.get(session, ())):
            self._drop(session, key)

    def expire(self) -> None:
        """Forgets what is too old."""
        limit = self._now() - KEPT_SECONDS
        while self._order:
            oldest = next(iter(self._order))
            if self._order[oldest][0] > limit:
                return
            self._drop(*oldest)

    def _drop(self, session: str, key: str) -> None:
        found = self._order.pop((session, key), None)
        if found is None:
            return
        self._bytes -= _cost(found[1])
        keys = self._keys[session]
        keys.discard(key)
        if not keys:
            del self._keys[session]


def _cost(stream: Stream) -> int:
    return stream.size + OVERHEAD_BYTES
