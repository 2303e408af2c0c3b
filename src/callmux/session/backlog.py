"""What servers tell a client that does not read: kept up to a bound, then dropped, and the log says how much.

Kept by `callmux.session.session`. Answers are beside this: whoever asks for them is made to wait instead.
"""

from __future__ import annotations

import asyncio
import logging

log = logging.getLogger(__name__)

MOST_HELD = 1000
"""Messages of servers that wait for a client that does not read."""
HELD_BYTES = 8 * 1024 * 1024
"""What these may take."""


class Backlog:
    """The messages of one client.

    Attributes:
        dropped: Messages for which there was no room.
    """

    __slots__ = ("_bytes", "_messages", "_reads_again", "dropped")

    def __init__(self) -> None:
        self._messages = self._bytes = self.dropped = 0
        self._reads_again: asyncio.Event | None = None

    def __repr__(self) -> str:
        return f"Backlog({self._messages} messages, {self.dropped} dropped)"

    def takes(self, size: int) -> bool:
        """Whether there is room for another message of so many bytes; then it is counted."""
        if self._messages >= MOST_HELD or self._bytes + size > HELD_BYTES:
            return False
        self._messages += 1
        self._bytes += size
        return True

    def is_over(self) -> None:
        """Ends the backlog, because the client reads again."""
        if self.dropped:
            log.warning("%d messages of servers were dropped: the client did not read", self.dropped)
        self._messages = self._bytes = self.dropped = 0
        if self._reads_again is not None:
            self._reads_again.set()
            self._reads_again = None

    async def wait(self) -> None:
        """Waits until the client reads again, which it does not now."""
        if self._reads_again is None:
            self._reads_again = asyncio.Event()
        await self._reads_again.wait()
