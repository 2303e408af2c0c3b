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
    """The uses of one server.

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
        """One more; `give` must follow."""
        self.count += 1

    def give(self) -> None:
        """One less."""
        self.count -= 1
        if self.lull.awaited and not self.count:
            self.lull.come()

    async def none(self) -> None:
        """Waits until there is none."""
        await self.lull.wait()


@contextmanager
def using(servers: Iterable[InUse]) -> Iterator[None]:
    """Takes all of them, and gives them back in the end."""
    taken = list(servers)
    for one in taken:
        one.take()
    try:
        yield
    finally:
        for one in taken:
            one.give()
