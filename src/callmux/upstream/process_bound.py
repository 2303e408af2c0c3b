"""How many processes of servers there may be at a time, and who waits for one to end.

Held by `callmux.upstream.pool`, one for all servers and one for each; taken by `callmux.upstream.links.child`
for each process. Where there are as many as there may be, one that nobody needs is ended, where there is one;
else whoever comes waits for a while, in order, and is told then what to do.
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
LOOK_SECONDS = 0.25
"""Between two looks whether there is one that nobody needs."""
ALL = (
    "as many processes of servers run as there may be ({most}, maxProcesses)",
    "raise it, or set idleStopSeconds for servers that remember nothing",
)
ONE = (
    "as many processes of it run as there may be ({most}: its maxProcesses, else maxProcessesPerServer)",
    "raise it, or set idleStopSeconds where it remembers nothing between calls",
)


class NoProcess(CallFailure):
    """There are as many processes as there may be: no fault of the server whose process it would have been.

    Args:
        cause: Which bound it is, and what to do.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(Category.TRANSPORT, cause, started=False)


class ProcessBound:
    """The processes of all servers, or of one.

    Args:
        words: What is said where there are too many, and what to do then.
        within: The processes of all servers, where this is those of one.

    Attributes:
        most: How many there may be; None for any number.
        running: How many there are.
        spare: Ends one that nobody needs; gives whether there was one.
    """

    def __init__(self, words: tuple[str, str] = ALL, within: ProcessBound | None = None) -> None:
        self.most: int | None = None
        self.running = 0
        self._words = words
        self._within = within
        self.spare: Callable[[], bool] = lambda: False
        self._waiting: deque[asyncio.Future[None]] = deque()

    def __repr__(self) -> str:
        return f"ProcessBound({self.running} of {self.most}, {len(self._waiting)} waiting)"

    async def take(self) -> None:
        """Counts one process more, once there may be one; `give` must follow.

        Raises:
            NoProcess: There are as many as there may be, and none has ended meanwhile.
        """
        await self._take()
        taken = self._within is None
        try:
            if self._within is not None:
                await self._within.take()
                taken = True
        finally:
            if not taken:
                self._give()

    async def _take(self) -> None:
        if self.most is None or self.running < self.most:
            self.running += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while not turn.done():
                    await asyncio.wait({turn}, timeout=SPARE_SECONDS if self.spare() else LOOK_SECONDS)
        except TimeoutError:
            if turn.done():
                # It has come in the last moment.
                return
            raise self._full() from None
        except asyncio.CancelledError as given_up:
            if turn.done() and not turn.cancelled():
                # It had come already.
                self._give()
                raise
            # Whoever gave up because it took too long can say why it did.
            raise given_up from self._full()
        finally:
            turn.cancel()

    def _full(self) -> NoProcess:
        what, remedy = self._words
        return NoProcess(f"{what.format(most=self.most)}, and none has ended in time: {remedy}")

    def give(self) -> None:
        """Counts one process less, and lets in who has waited for longest."""
        self._give()
        if self._within is not None:
            self._within.give()

    def _give(self) -> None:
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
