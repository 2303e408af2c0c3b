"""Who wants to hear of facts in a program: also before a listener runs, and when it is started again.

Made by `callmux.library.listener` and `callmux.library.gateway`.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import TypeVar

from callmux.observe.bus import Bus
from callmux.observe.facts import Dropped, Fact
from callmux.observe.feed import Feed

F = TypeVar("F", bound=Fact)
ROOM = 1000
"""Facts that wait for a slow reader."""


class FactStream:
    """Facts as they happen, for `async for`. However slowly they are read, no call waits: what finds no room
    is dropped, and a `Dropped` in its place says how many. Ends with what it listens to.

    Args:
        room: How many facts may wait.
    """

    def __init__(self, room: int = ROOM) -> None:
        self._news = asyncio.Event()
        self._feed = Feed(time.time, room, self._news.set)
        self._ready: deque[Fact] = deque()
        self._is_over = False
        self.put = self._feed.put
        self.leave: Callable[[], None] = lambda: None

    def __repr__(self) -> str:
        return f"FactStream({len(self._feed) + len(self._ready)} wait)"

    def __aiter__(self) -> FactStream:
        return self

    async def __anext__(self) -> Fact:
        while not self._ready:
            self._news.clear()
            heard = self._feed.take()
            self._ready += [fact for _, fact in heard.facts]
            if heard.dropped:
                self._ready.append(Dropped(count=heard.dropped))
            if not self._ready:
                if self._is_over:
                    raise StopAsyncIteration
                await self._news.wait()
        return self._ready.popleft()

    def close(self) -> None:
        """Hears no more. What was heard can still be read."""
        self.leave()
        self._is_over = True
        self._news.set()


class Subscribers:
    """Those who listen. They hear what is published on the bus that is attached, and what is told here."""

    def __init__(self) -> None:
        self._own = Bus()
        self._bus: Bus | None = None
        self._kinds: Counter[type[Fact]] = Counter()
        self._followed: dict[type[Fact], Callable[[], None]] = {}
        self._open: list[FactStream] = []
        self.tell = self._own.publish

    def subscribe(self, kind: type[F], listener: Callable[[F], None]) -> Callable[[], None]:
        """Has `listener` called with each fact of this kind. Gives what ends that."""
        leave = self._own.subscribe(kind, listener)
        self._kinds[kind] += 1
        self._follow(kind)
        is_in = True

        def end() -> None:
            nonlocal is_in
            if is_in:
                is_in = False
                leave()
                self._kinds[kind] -= 1
                self._follow(kind)

        return end

    def events(self, kinds: tuple[type[Fact], ...], room: int) -> FactStream:
        """Facts of these kinds from now on."""
        events = FactStream(room)
        ends = [self.subscribe(kind, events.put) for kind in kinds]
        self._open.append(events)

        def leave() -> None:
            for end in ends:
                end()
            if events in self._open:
                self._open.remove(events)

        events.leave = leave
        return events

    def attach(self, bus: Bus) -> None:
        """From now on this bus is heard."""
        self._bus = bus
        for kind in list(self._kinds):
            self._follow(kind)

    def detach(self) -> None:
        """No bus is heard any more. Subscriptions stay for the next one; readers come to an end."""
        self._bus = None
        for kind in list(self._followed):
            self._follow(kind)
        for events in self._open.copy():
            events.close()

    def _follow(self, kind: type[Fact]) -> None:
        """Listens to a kind on the bus where somebody wants that, and there only."""
        wanted = self._bus is not None and self._kinds[kind] > 0
        if wanted and self._bus is not None and kind not in self._followed:
            self._followed[kind] = self._bus.subscribe(kind, self._own.publish)
        elif not wanted and kind in self._followed:
            self._followed.pop(kind)()
