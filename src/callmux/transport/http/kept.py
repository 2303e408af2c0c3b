"""Answers that are kept for a while after they were sent, in case their connection broke under way.

Made by `callmux.transport.http.listener`, one for all sessions. Filled and asked by
`callmux.transport.http.web_session`. What is kept stands in a store (`callmux.stores.replay`), which may be
slow or fail: then an answer is not there for a client that comes back, and nobody waits for the store.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine

from callmux.stores.border import Border
from callmux.stores.memory_replay import MemoryReplay
from callmux.stores.replay import FinishedStream, Replay
from callmux.tasks import TaskSet
from callmux.transport.http.streams import Stream


class KeptStreams:
    """Finished streams by session and key.

    Args:
        now: The monotonic clock, in seconds.
        store: Where they are; None for this process.
    """

    def __init__(self, now: Callable[[], float], store: Replay | None = None) -> None:
        self._now = now
        self._store: Replay = MemoryReplay() if store is None else store
        self._border = Border("the store of answers")
        self._tasks = TaskSet("kept answers")

    def put(self, session: str, stream: Stream) -> None:
        """Keeps a finished stream, in place of an older one of its key."""
        if (waiting := self._store.put(session, stream.finished_as(), self._now())) is not None:
            self._border.tell(waiting, self._tasks)

    def get(self, session: str, key: str) -> Stream | Coroutine[None, None, Stream | None] | None:
        """The stream, or None where it is not kept (any more); what must be awaited first where the store is
        elsewhere."""
        found = self._store.get(session, key, self._now())
        if isinstance(found, FinishedStream):
            return Stream.again(found)
        return None if found is None else self._get(found)

    async def _get(self, waiting: Awaitable[FinishedStream | None]) -> Stream | None:
        found = await self._border.answered_or(waiting, None)
        return None if found is None else Stream.again(found)

    def received(self, session: str, stream: Stream) -> None:
        """The client has this one."""
        # What was never put here has no record.
        record = stream.record
        if record is not None and (waiting := self._store.drop(session, record)) is not None:
            self._border.tell(waiting, self._tasks)

    def forget(self, session: str) -> None:
        """The session is over."""
        if (waiting := self._store.drop(session)) is not None:
            self._border.tell(waiting, self._tasks)

    def expire(self) -> None:
        """Forgets what is too old."""
        self._store.expire(self._now())

    async def close(self) -> None:
        """Tells the store nothing more."""
        await self._tasks.cancel()
