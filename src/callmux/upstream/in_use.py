"""Who is in the middle of something with a server, so that a reload does not end it under them.

Taken by the limiting stage around each call and by `callmux.router` around each run of a meta-tool; waited
for by `callmux.upstream.server` before a server that is no longer configured ends. The requests on its
connections are not enough: a call that waits for its turn, or a pipeline between two steps, has none there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from callmux.lull import Lull


class InUse:
    """Counts who uses one server.

    Attributes:
        count: How many there are. The limiting stage counts by itself: a call is saved twice for each call.
        lull: Those who wait until there is none.
    """

    __slots__ = ("count", "lull")

    def __init__(self) -> None:
        self.count = 0
        self.lull = Lull(lambda: self.count)

    def __repr__(self) -> str:
        return f"InUse({self.count})"

    def take(self) -> None:
        """Counts one use more; `give` must follow."""
        self.count += 1

    def give(self) -> None:
        """Counts one use less."""
        self.count -= 1
        if self.lull.awaited and not self.count:
            self.lull.come()

    async def none(self) -> None:
        """Waits until nobody uses the server."""
        await self.lull.wait()


@contextmanager
def using(servers: Iterable[InUse]) -> Iterator[None]:
    """Counts one use of each server while the context lasts."""
    taken = list(servers)
    for one in taken:
        one.take()
    try:
        yield
    finally:
        for one in taken:
            one.give()
