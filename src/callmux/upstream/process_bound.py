"""How many processes of servers there may be at a time, and who waits for one to end.

Held by `callmux.upstream.pool`; taken by `callmux.upstream.links.child` for each process. Where there are as
many as there may be, one that nobody needs is ended, where servers may be stopped at all; else whoever comes
waits for a while, in order, and is told then what to do.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from callmux.upstream.failures import CallFailure, Category

WAIT_SECONDS = 10.0
"""How long a start waits for another process to end."""
SPARE_SECONDS = 2.0
"""How long a process that makes room may take to end before another one has to."""


class ProcessBound:
    """The processes of all servers.

    Attributes:
        most: How many there may be; None for any number.
        running: How many there are.
        spare: Ends one that nobody needs; gives whether there was one.
    """

    def __init__(self) -> None:
        self.most: int | None = None
        self.running = 0
        self.spare: Callable[[], bool] = lambda: False
        self._waiting: deque[asyncio.Future[None]] = deque()

    def __repr__(self) -> str:
        return f"ProcessBound({self.running} of {self.most}, {len(self._waiting)} waiting)"

    async def take(self) -> None:
        """Counts one process more, once there may be one; `give` must follow.

        Raises:
            CallFailure: There are as many as there may be, and none has ended meanwhile.
        """
        if self.most is None or self.running < self.most:
            self.running += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while not turn.done():
                    self.spare()
                    await asyncio.wait({turn}, timeout=SPARE_SECONDS)
        except TimeoutError:
            if turn.done():
                # It has come in the last moment.
                return
            raise CallFailure(
                Category.TRANSPORT,
                f"as many processes of servers run as there may be ({self.most}, maxProcesses), and none has "
                "ended in time: raise it, or set idleStopSeconds for servers that remember nothing",
                started=False,
            ) from None
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # It had come already.
                self.give()
            raise
        finally:
            turn.cancel()

    def give(self) -> None:
        """Counts one process less, and lets in who has waited for longest."""
        self.running -= 1
        self._let_in()

    def allow(self, most: int | None) -> None:
        """There may be so many from now on: who waits need not wait for longer than that."""
        self.most = most
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting and (self.most is None or self.running < self.most):
            turn = self._waiting.popleft()
            if not turn.done():
                self.running += 1
                turn.set_result(None)
