"""How many connections for single directories, credentials or other capabilities there may be.

Held by `callmux.upstream.pool`; asked by the side lanes of each server before they open one. The decision is
`callmux.upstream.lanes.make_room`; carrying it out is waiting for the one that goes.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, Protocol

from callmux.upstream.lanes import CountedLane, LaneKey, make_room

MOST = 64
MOST_OF_SERVER = 16
IDLE_SECONDS = 600.0


class ScopedLanes(Protocol):
    """The side lanes of one server as the limits over all servers see them: a `SideLanes`."""

    @property
    def owner(self) -> str:
        """The server's name."""

    @property
    def most(self) -> int | None:
        """How many it may have itself, where that is configured."""

    def counted(self) -> list[CountedLane]:
        """The lanes of this server whose number is bounded."""

    def in_use(self, key: LaneKey) -> int:
        """The calls that a lane carries."""

    def evict(self, key: LaneKey) -> asyncio.Task[None]:
        """Takes an idle lane out at once; waits for its end."""


class ScopedLimits:
    """Bounds the number of these connections over all servers.

    Attributes:
        most: How many there may be together.
        most_of_server: How many of one server, where that server does not say.
        idle_seconds: How long one stays without calls; 0 ends it after each call.
    """

    def __init__(self) -> None:
        self.most = MOST
        self.most_of_server = MOST_OF_SERVER
        self.idle_seconds = IDLE_SECONDS
        self._servers: list[ScopedLanes] = []

    def __repr__(self) -> str:
        return f"ScopedLimits({sum(len(lanes.counted()) for lanes in self._servers)} of {self.most})"

    def configure(self, most: int, most_of_server: int, idle_seconds: float) -> None:
        """Applies the bounds of a configuration; lanes that are open stay until they are idle."""
        self.most, self.most_of_server, self.idle_seconds = most, most_of_server, idle_seconds

    def join(self, lanes: ScopedLanes) -> None:
        """Counts the lanes of a server from now on."""
        self._servers.append(lanes)

    def leave(self, lanes: ScopedLanes) -> None:
        """Counts the lanes of a server no longer, because it is closed."""
        self._servers.remove(lanes)

    def facts(self) -> dict[str, Any]:
        """The processes of single directories, as status shows them."""
        items = [
            {
                "server": lane.server,
                "cwd": lane.key.scope.cwd,
                "activeCalls": lanes.in_use(lane.key),
                "idle": lane.idle_since is not None,
            }
            for lanes in self._servers
            for lane in lanes.counted()
            if lane.key.scope is not None and lane.key.scope.cwd is not None
        ]
        by_server = Counter(item["server"] for item in items)
        return {"total": len(items), "byServer": dict(sorted(by_server.items())), "items": items}

    def make_room(self, lanes: ScopedLanes) -> asyncio.Task[None] | None:
        """Makes room for one more lane of this server, at once; gives what to wait for before it is opened.

        Raises:
            NoRoom: There is none.
        """
        taken = [lane for one in self._servers for lane in one.counted()]
        most_of_server = self.most_of_server if lanes.most is None else lanes.most
        gone = make_room(taken, lanes.owner, self.most, most_of_server)
        if gone is None:
            return None
        server = next(one for one in self._servers if one.owner == gone.server and gone in one.counted())
        return server.evict(gone.key)
