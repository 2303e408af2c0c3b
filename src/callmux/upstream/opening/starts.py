"""How many servers start at a time, and which of those that wait is next.

Held by `callmux.upstream.pool` for all servers; asked by `callmux.upstream.opening.main_line` before each
attempt to connect. One that takes long gives its turn to the next, so that a slow server holds up nobody.
"""

from __future__ import annotations

import asyncio
from enum import IntEnum

MOST = 20
LEARNING_AT_A_TIME = 4
"""How many are started at a time only to learn what they list."""
SLOW_SECONDS = 5.0
"""How long an attempt keeps its turn: by then a process has done most of what keeps a processor busy."""


class Urgency(IntEnum):
    """Who waits for a start; the lowest goes first."""

    CALL = 0
    USUAL = 1
    LEARNING = 2


class Start:
    """One attempt to start a server, as far as its turn goes.

    Args:
        urgency: Who waits for it.
        number: Its place among those of the same urgency.
    """

    def __init__(self, urgency: Urgency, number: int) -> None:
        self.urgency = urgency
        self.number = number
        self.come: asyncio.Future[None] | None = None
        self.timer: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        return f"Start({self.urgency.name}, {self.number})"


class Starts:
    """The turns of all servers.

    Attributes:
        most: How many may have one at a time.
    """

    def __init__(self) -> None:
        self.most = MOST
        self._having: set[Start] = set()
        self._waiting: set[Start] = set()
        self._number = 0

    def __repr__(self) -> str:
        return f"Starts({len(self._having)} of {self.most}, {len(self._waiting)} waiting)"

    def register(self, urgency: Urgency) -> Start:
        """A start that waits for its turn from now on; `over` must follow."""
        self._number += 1
        start = Start(urgency, self._number)
        self._waiting.add(start)
        self._let_in()
        return start

    async def turn(self, start: Start) -> None:
        """Waits until it is the turn of a start."""
        if start in self._waiting:
            start.come = asyncio.get_running_loop().create_future()
            await start.come

    def hurry(self, start: Start) -> None:
        """A call waits for this one now."""
        start.urgency = Urgency.CALL
        self._let_in()

    def over(self, start: Start) -> None:
        """Gives the turn of a start, or its place among those that wait, to the next; again without
        effect."""
        if start.timer is not None:
            start.timer.cancel()
            start.timer = None
        self._having.discard(start)
        self._waiting.discard(start)
        self._let_in()

    def _let_in(self) -> None:
        while len(self._having) < self.most:
            learning = sum(start.urgency is Urgency.LEARNING for start in self._having)
            full = learning >= LEARNING_AT_A_TIME
            ready = [s for s in self._waiting if not (full and s.urgency is Urgency.LEARNING)]
            if not ready:
                return
            start = min(ready, key=lambda one: (one.urgency, one.number))
            self._waiting.discard(start)
            self._having.add(start)
            start.timer = asyncio.get_running_loop().call_later(SLOW_SECONDS, self.over, start)
            if start.come is not None and not start.come.done():
                start.come.set_result(None)
