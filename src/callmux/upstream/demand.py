"""When one server runs: started by whoever needs it first, and stopped when nothing depends on it any more.

Kept by `callmux.upstream.server`. Asks `callmux.upstream.opening.main_line` and
`callmux.upstream.scoped.side_lanes` what goes on, and ends their connections. Nothing is noted when a call
comes or goes: from time to time it is looked whether a connection has had anything to do since the last look.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Set
from typing import TypeAlias

from callmux.upstream.connection import Connection
from callmux.upstream.failures import CallFailure
from callmux.upstream.in_use import InUse
from callmux.upstream.inventory.inventory import Inventory
from callmux.upstream.inventory.offer import Offer
from callmux.upstream.opening.main_line import MainLine
from callmux.upstream.opening.starts import Urgency
from callmux.upstream.process_bound import ProcessBound
from callmux.upstream.reading.lists import read_tools
from callmux.upstream.scoped.side_lanes import SideLanes

log = logging.getLogger(__name__)

Spare: TypeAlias = tuple[float, Callable[[], object]]
"""A process that may make room: since when it has been idle, by the loop's clock, and what ends it."""

LOOKS = 4
"""How often it is looked within the time that a connection may be idle."""
CLOCK_STEP = 0.001
"""A timer may come so much too early."""


class ServerDemand:
    """The demand for one server.

    Args:
        name: The server's name, for the log.
        main: Its main connection.
        lanes: Its other connections.
        in_use: Who is in the middle of something with it.
        inventory: What it lists.
        subscriptions: The URIs that somebody wants to hear of.
        bound: Counts its processes.
    """

    def __init__(
        self,
        name: str,
        main: MainLine,
        lanes: SideLanes,
        in_use: InUse,
        inventory: Inventory,
        subscriptions: Set[str],
        bound: ProcessBound | None = None,
    ) -> None:
        self._name = name
        self._main = main
        self._lanes = lanes
        self._in_use = in_use
        self._inventory = inventory
        self._subscriptions = subscriptions
        self._seen: dict[Connection, tuple[int, float]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._bound = bound or ProcessBound()
        self._bound.spare = lambda: end_idlest(self.spare())
        self._bound.allow(main.timing.most_processes)
        main.needed = self._is_wanted

    def __repr__(self) -> str:
        return f"ServerDemand({self._name!r}, {len(self._seen)} watched)"

    def begin(self) -> None:
        """The server is configured: it starts, unless it is known what it lists and nobody needs more."""
        if not self._main.timing.lazy:
            self._main.begin()
        elif self._inventory.recalled:
            self._inventory.rely()
            self._main.sleep()
        else:
            self._main.begin(Urgency.LEARNING)

    def came_up(self) -> None:
        """The main connection is open, and what the server lists is known."""
        main = self._main
        if main.timing.lazy and not (self._depends() or main.waited or main.is_opening):
            log.info('"%s" sleeps until it is needed: it was started to learn what it lists', self._name)
            main.sleep()
        self.watch()

    async def check(self, connection: Connection) -> None:
        """Compares what a side connection lists with what an earlier process kept, while the main one
        sleeps; where that is no longer the same, the server is started once to learn what it lists."""
        try:
            listed = await read_tools(connection, Offer(), self._main.timing.connect_seconds, {})
        except CallFailure as failure:
            log.info('could not compare what "%s" lists: %s', self._name, failure.cause)
            return
        known = [tool.raw for tool in self._inventory.suite.tools]
        if self._main.asleep and self._inventory.recalled and [tool.raw for tool in listed] != known:
            self._main.begin(Urgency.LEARNING)

    def changed(self) -> None:
        """The configuration says otherwise than before when the server runs, or how often."""
        self._bound.allow(self._main.timing.most_processes)
        if self._main.asleep and not self._main.timing.on_demand:
            self._main.begin()
        self.watch()

    def watch(self) -> None:
        """Looks after the connections that are open, from now on."""
        seconds = self._main.timing.idle_seconds
        if seconds is None:
            return
        loop = asyncio.get_running_loop()
        for connection in self._connections():
            self._seen.setdefault(connection, (connection.sent, loop.time()))
        if self._timer is None and self._seen:
            self._timer = loop.call_later(seconds / LOOKS, self._look)

    def stop(self) -> None:
        """Somebody wants it down: connections end once their calls are done, those that are being opened at
        once, and the next call starts it."""
        self._lanes.cut_short()
        self._lanes.drop_all()
        if not self._main.is_fresh:
            self._main.sleep()

    def spare(self) -> list[Spare]:
        """The processes that may make room for another one: they have nothing to do, and nothing is lost with
        them. Whoever counts as one who uses the server may be waiting for that other one."""
        found, main = self._lanes.spare(self._main.timing.idle_seconds is not None), self._main.connection
        if main is not None and self._may_go(main):
            since = self.idle_since(main)
            found.append((asyncio.get_running_loop().time() if since is None else since, self._make_way))
        return found

    def _may_go(self, main: Connection) -> bool:
        """Whether the main connection may make room: it may be stopped, or it has carried no call yet."""
        timing, used = self._main.timing, bool(main.audience.carried)
        if main.link.transport != "stdio" or main.occupied or self._subscriptions:
            return False
        if self._main.is_opening:
            return not used
        return not self._main.waited and (not used or timing.idle_seconds is not None)

    def _make_way(self) -> None:
        log.info('stopped "%s": its process makes room for another one', self._name)
        self._main.make_way()

    def idle_since(self, connection: Connection) -> float | None:
        """Since when a connection has had nothing to do, by the loop's clock; None where nobody looks."""
        seen = self._seen.get(connection)
        return None if seen is None or seen[0] != connection.sent or connection.occupied else seen[1]

    def close(self) -> None:
        """Looks no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._seen.clear()

    def _depends(self) -> bool:
        return bool(self._in_use.count or self._subscriptions)

    def _is_wanted(self) -> bool:
        """Whether it is to be connected again by itself once it is lost, or could not be opened."""
        known = self._inventory.suite.listed
        return not (known and self._main.timing.on_demand) or self._depends()

    def _connections(self) -> list[Connection]:
        main = self._main.connection
        return [*([] if main is None else [main]), *self._lanes.connections()]

    def _look(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        seconds = self._main.timing.idle_seconds
        self._seen = {one: (one.sent, self._since(one, now)) for one in self._connections()}
        if seconds is not None and not self._depends():
            # The main one goes last: as long as there are others, it tells them of lists that change.
            for connection, (_, since) in reversed(self._seen.items()):
                if now - since >= seconds - CLOCK_STEP:
                    self._stop(connection, seconds)
        self._seen = {one: self._seen[one] for one in self._connections()}
        self.watch()

    def _since(self, connection: Connection, now: float) -> float:
        """Since when a connection has had nothing to do, as far as anybody has looked."""
        sent, since = self._seen.get(connection, (-1, now))
        return since if sent == connection.sent and not connection.occupied else now

    def _stop(self, connection: Connection, seconds: float) -> None:
        if connection is not self._main.connection:
            if not self._lanes.is_held(connection) and self._lanes.drop(connection):
                log.info('ended a connection to "%s": idle for %g s', self._name, seconds)
        elif not (len(self._lanes) or self._main.waited or self._main.is_opening):
            log.info('stopped "%s": idle for %g s', self._name, seconds)
            self._main.sleep()


def end_idlest(spare: Iterable[Spare]) -> bool:
    """Ends the process that has been idle for longest; whether there was one."""
    found = sorted(spare, key=lambda one: one[0])
    if found:
        found[0][1]()
    return bool(found)
