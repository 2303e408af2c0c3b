"""Which reads may be kept and shared while writes go on, also where the store that knows is slow or fails.

Held by `callmux.process.stores`, so it survives a reload; told there of servers that are others now. Called
by the cache and coalescing stages (`begin`) and by `callmux.rings.writing`. A write that the store does not
know of yet makes this process trust nothing that is kept of that server: no read is answered from the cache,
kept or shared until the store has taken it, or everything from before it has run out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from callmux.errors import StoreUnavailable
from callmux.stores.border import Border
from callmux.stores.cache import Epochs
from callmux.tasks import TaskSet

SHARING_SECONDS = 60.0
"""How long a write of unknown end counts where nothing is cached: only sharing is at stake."""
MOST_SECONDS = 3600.0
"""The longest that a write counts before its end is known."""
PAUSE_SECONDS = 1.0
"""Between two attempts."""


class Writes:
    """The writes to all servers.

    Args:
        epochs: The store.

    Attributes:
        ended: Tells the store that a write to a server has ended; gives what to await, where it waits.
        over: The same of one that was announced, by its number.
        unsure: Servers of whose writes the store does not know yet, each with their number.
        lasts: How long results live, in seconds; 0 where none are kept.
        shared: Whether other processes must know of a write before it begins.
    """

    def __init__(self, epochs: Epochs) -> None:
        self._epochs = epochs
        self.ended = epochs.wrote
        self.over = epochs.sure
        self.shared = epochs.shared
        self._border = Border("the store of writes")
        self._tasks = TaskSet("writes")
        self.unsure: dict[str, int] = {}
        self.lasts = 0.0

    def __repr__(self) -> str:
        return f"Writes({sorted(self.unsure)} unsure)"

    def begin(self, server: str, clock: Callable[[], float]) -> int | Coroutine[Any, Any, int | None] | None:
        """The epoch for a read that begins; None where it may neither be kept nor shared."""
        if self.unsure and server in self.unsure:
            return None
        epoch = self._epochs.begin(server, clock)
        return epoch if epoch is None or isinstance(epoch, int) else self._begin(server, epoch)

    async def _begin(self, server: str, epoch: Awaitable[int | None]) -> int | None:
        begun = await self._border.answered_or(epoch, None)
        return None if server in self.unsure else begun

    def wrote(self, server: str) -> asyncio.Future[None] | None:
        """Notes that a write to the server has ended, or that the server offers something else now.

        Returns:
            Where the store must be asked: what ends with the first attempt to tell it. Nobody needs to wait.
        """
        noting = self.ended(server)
        return None if noting is None else self.tell(server, noting)

    def tell(self, server: str, noting: Awaitable[None]) -> asyncio.Future[None]:
        """What `ended` gave is awaited, and the store told again where it fails. Gives what ends with the
        first attempt."""
        return self._spawn(server, partial(self._told, server, noting))

    def doubt(self, server: str, now: float) -> Callable[[], None]:
        """Notes that a write was given up or lost and may still be carried out. Gives what says that it has
        ended."""
        number = self._epochs.doubt(server, now)
        if isinstance(number, int):
            return partial(self._sure, server, number)
        ended = asyncio.Event()
        self._spawn(server, partial(self._doubted, server, number, ended))
        return ended.set

    def announce(self, server: str, now: float, seconds: float) -> Coroutine[Any, Any, int | None] | None:
        """Notes that a write is about to begin: it counts also where this process does not see its end.
        Gives its number for `over` or `late`; None where the store does not answer.

        Args:
            seconds: How long it may take.
        """
        number = self._epochs.doubt(server, now, min(seconds, MOST_SECONDS))
        return None if isinstance(number, int) else self._border.answered_or(_optional(number), None)

    def late(self, server: str, number: int) -> None:
        """A write that was announced, and then given up or lost, has ended after all."""
        self._sure(server, number)

    async def close(self) -> None:
        """Tells nothing more."""
        await self._tasks.cancel()

    def _sure(self, server: str, number: int) -> None:
        noting = self._epochs.sure(server, number)
        if noting is not None:
            self._spawn(server, partial(self._told, server, noting))

    def _spawn(
        self, server: str, work: Callable[[asyncio.Future[None]], Coroutine[Any, Any, None]]
    ) -> asyncio.Future[None]:
        self.unsure[server] = self.unsure.get(server, 0) + 1
        tried: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = self._tasks.spawn(work(tried))
        task.add_done_callback(lambda _: self._settled(server, tried))
        return tried

    def _settled(self, server: str, tried: asyncio.Future[None]) -> None:
        if not tried.done():
            tried.set_result(None)
        left = self.unsure.pop(server) - 1
        if left:
            self.unsure[server] = left

    async def _told(self, server: str, noting: Awaitable[None] | None, tried: asyncio.Future[None]) -> None:
        """Tells the store of a write until it has taken it, or nothing from before is alive any more."""
        loop = asyncio.get_running_loop()
        end = loop.time() + (self.lasts or SHARING_SECONDS)
        while noting is not None:
            try:
                await self._border.answered(noting)
                return
            except StoreUnavailable:
                if not tried.done():
                    tried.set_result(None)
            if loop.time() >= end:
                return
            await asyncio.sleep(PAUSE_SECONDS)
            noting = self._epochs.wrote(server)

    async def _doubted(
        self, server: str, number: Awaitable[int], ended: asyncio.Event, tried: asyncio.Future[None]
    ) -> None:
        """Tells the store of a write of unknown end, and of its end."""
        noted = await self._border.answered_or(_optional(number), None)
        try:
            async with asyncio.timeout(self.lasts or SHARING_SECONDS):
                await ended.wait()
        except TimeoutError:
            pass
        noting = self._epochs.wrote(server) if noted is None else self._epochs.sure(server, noted)
        await self._told(server, noting, tried)


async def _optional(number: Awaitable[int]) -> int | None:
    return await number
