"""The interface of finished event streams, which are kept for clients whose connection broke. Pure.

Called by `callmux.transport.http.kept`; implemented by `callmux.stores.memory_replay`. A stream that goes on
is not here: whoever reads such a stream is woken by the process that writes it, which keeps its events until
it is finished.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol, TypeAlias

import msgspec

Event: TypeAlias = tuple[int, bytes]
"""The number of an event in its stream, and its data."""


class FinishedStream(msgspec.Struct, frozen=True):
    """A stream on which nothing comes any more.

    Attributes:
        key: Its name within the session.
        events: Its events that are kept, in order.
    """

    key: str
    events: tuple[Event, ...]


class Replay(Protocol):
    """Finished streams by session and key. Times are monotonic, of the process that asks."""

    def put(self, session: str, stream: FinishedStream, now: float) -> Awaitable[None] | None:
        """Keeps a stream for a while, in place of an older one of its key."""

    def get(
        self, session: str, key: str, now: float
    ) -> FinishedStream | Awaitable[FinishedStream | None] | None:
        """The stream; None where it is not kept (any more)."""

    def drop(self, session: str, stream: FinishedStream | None = None) -> Awaitable[None] | None:
        """Forgets a stream, unless another one has its key by now; without `stream` all of a session."""

    def expire(self, now: float) -> None:
        """Forgets what is too old. Does not wait."""
