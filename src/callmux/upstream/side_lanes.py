"""Connections beside the main one: opened when a client needs one, dropped when they are lost or unused.

Called by `callmux.upstream.server`. A lost lane is opened anew by the next call that needs it; a private one
ends with its client.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from callmux.context import ClientPort
from callmux.tasks import TaskSet
from callmux.upstream.connection import Connection
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.lanes import LaneKey

log = logging.getLogger(__name__)


class SideLanes:
    """The lanes of one server.

    Args:
        owner: The server's name.
        connect: Opens a connection that declares these capabilities; raises `CallFailure`.
    """

    def __init__(self, owner: str, connect: Callable[[LaneKey], Awaitable[Connection]]) -> None:
        self._owner = owner
        self._connect = connect
        self._tasks = TaskSet(f'lanes of "{owner}"')
        self._lanes: dict[LaneKey, Connection] = {}
        self._opening: dict[LaneKey, asyncio.Task[Connection | CallFailure]] = {}
        self._left: set[LaneKey] = set()

    def __len__(self) -> int:
        return len(self._lanes)

    def __repr__(self) -> str:
        return f"SideLanes({list(self._lanes.values())!r})"

    def get(self, key: LaneKey) -> Connection | None:
        """The connection of this lane, where it is open."""
        return self._lanes.get(key)

    async def acquire(self, key: LaneKey) -> Connection:
        """The connection of this lane; opens it first where it is due. Concurrent callers share one attempt.

        Raises:
            CallFailure: It cannot be opened.
        """
        connection = self._lanes.get(key)
        if connection is not None:
            return connection
        opening = self._opening.get(key)
        if opening is None:
            opening = self._opening[key] = self._tasks.spawn(self._open(key))
        opened = await asyncio.shield(opening)
        if isinstance(opened, CallFailure):
            raise opened
        return opened

    async def _open(self, key: LaneKey) -> Connection | CallFailure:
        """A failure is given, not raised: it belongs to whoever waits, and is no defect of this task."""
        try:
            connection = await self._connect(key)
            if key in self._left:
                await connection.close()
                return CallFailure(Category.TRANSPORT, "the client has left", started=False)
            self._lanes[key] = connection
            return connection
        except CallFailure as failure:
            log.warning('Warning: failed to open another connection to "%s": %s', self._owner, failure.cause)
            return failure
        finally:
            self._opening.pop(key, None)
            self._left.discard(key)

    def drop(self, connection: Connection) -> bool:
        """Takes no more calls on `connection` and ends it once it is drained; whether it was one of these."""
        for key, known in self._lanes.items():
            if known is connection:
                del self._lanes[key]
                self._tasks.spawn(connection.close_when_drained())
                return True
        return False

    def drop_all(self) -> None:
        """Takes no more calls on any of them; each ends once it is drained."""
        for connection in list(self._lanes.values()):
            self.drop(connection)

    def release(self, client: ClientPort) -> None:
        """The client is gone: so are the lanes that were its own."""
        self._left.update(k for k in self._opening if k.client is client)
        for key in [k for k in self._lanes if k.client is client]:
            self._tasks.spawn(self._lanes.pop(key).close())

    async def close(self) -> None:
        lanes, self._lanes = list(self._lanes.values()), {}
        await self._tasks.cancel()
        await asyncio.gather(*(lane.close() for lane in lanes))
