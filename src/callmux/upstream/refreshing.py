"""Lists that a server says have changed are read again: one reading at a time, and none is missed.

Kept by `callmux.upstream.server`, which hands it every such notice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from callmux.tasks import TaskSet
from callmux.upstream.connection import Connection


class Refreshing:
    """The readings of one server.

    Args:
        tasks: Where they belong.
        current: Gives the connection whose lists count.
        read: Reads these lists again.
    """

    def __init__(
        self,
        tasks: TaskSet,
        current: Callable[[], Connection | None],
        read: Callable[[Connection, set[str]], Awaitable[None]],
    ) -> None:
        self._tasks = tasks
        self._current = current
        self._read = read
        self._stale: set[str] = set()
        self._reading = False

    def __repr__(self) -> str:
        return f"Refreshing({sorted(self._stale)}{', reading' if self._reading else ''})"

    def note(self, connection: Connection, method: str) -> None:
        """A list has changed: the notification that says which."""
        if connection is self._current():
            self._stale.add(method)
            if not self._reading:
                self._reading = True
                self._tasks.spawn(self._refresh(connection))

    async def _refresh(self, connection: Connection) -> None:
        try:
            while self._stale and connection is self._current():
                stale, self._stale = self._stale, set()
                await self._read(connection, stale)
        finally:
            self._reading = False
