"""Lists that a server says have changed are read again: one reading at a time, and none is missed.

Kept by `callmux.upstream.inventory.inventory`, which hands it every such notice, and every connection once
its lists count: what was noted before is looked at then. `callmux.upstream.reading.staleness` says how soon.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from callmux.tasks import TaskSet
from callmux.upstream.connection import Connection


class Refreshing:
    """The readings of one server.

    Args:
        tasks: Where they belong.
        counts: Whether the lists of a connection count now.
        read: Reads these lists again.
    """

    def __init__(
        self,
        tasks: TaskSet,
        counts: Callable[[Connection], bool],
        read: Callable[[Connection, set[str]], Awaitable[None]],
    ) -> None:
        self._tasks = tasks
        self._counts = counts
        self._read = read

    def note(self, connection: Connection, method: str) -> None:
        """A list has changed: the notification that says which."""
        connection.staleness.lists.add(method)
        self.look(connection)

    def look(self, connection: Connection) -> asyncio.Task[None] | None:
        """Reads what has changed, if the lists of this connection count; the reading, where it begins now."""
        staleness = connection.staleness
        if not staleness.lists or staleness.reading or not self._counts(connection):
            return None
        staleness.reading = True
        return self._tasks.spawn(self._refresh(connection))

    async def _refresh(self, connection: Connection) -> None:
        staleness, loop = connection.staleness, asyncio.get_running_loop()
        try:
            while staleness.lists and self._counts(connection):
                await asyncio.sleep(staleness.delay(loop.time()))
                if self._counts(connection):
                    await self._read(connection, staleness.take(loop.time()))
        finally:
            staleness.reading = False
