"""What one server offers: kept over losses, read again where it says so, and as other clients see it.

Kept by `callmux.upstream.server`, which hands it what each new main connection lists (`take`) and every
notice of a change (`heard`). Calls `callmux.upstream.reading` for what is read again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from callmux.clock import Clock
from callmux.context import ClientPort
from callmux.protocol.caching import Freshness
from callmux.protocol.shapes import Tool
from callmux.tasks import TaskSet
from callmux.timestamps import iso
from callmux.upstream.connection import Connection
from callmux.upstream.inventory.listed import Listed
from callmux.upstream.inventory.listings import Listing
from callmux.upstream.inventory.offer import KINDS, TOOLS_CHANGED, Offer, Suite
from callmux.upstream.inventory.views import Views
from callmux.upstream.reading.lists import reread
from callmux.upstream.reading.refreshing import Refreshing
from callmux.upstream.scoped.side_lanes import SideLanes

_NOTICES = {"tools/list": TOOLS_CHANGED, **{kind.method: kind.changed for kind in KINDS}}
_LISTS = frozenset({TOOLS_CHANGED, *(kind.changed for kind in KINDS)})


class Inventory:
    """The offer of one server.

    Args:
        name: The server's name, for the log.
        tasks: Where readings belong.
        clock: Time.
        changed: Called when something else is listed than before, to anybody.
        listing: Gives what it listed in an earlier process, by what its client declares; None for nothing.
        lanes: The server's connections beside the main one.
        main: Gives the main connection, where it is open.
        seconds: Gives how long each list may take.

    Attributes:
        views: What it lists to clients that declare something else than the main connection.
    """

    def __init__(
        self,
        name: str,
        tasks: TaskSet,
        clock: Clock,
        changed: Callable[[], None],
        listing: Callable[[bytes], Listing | None],
        lanes: SideLanes,
        main: Callable[[], Connection | None],
        seconds: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._lanes = lanes
        self._main = main
        self._seconds = seconds
        self._listed = Listed(listing, tasks, clock, changed)
        self._refreshing = Refreshing(tasks, self._counts, self._reread)
        self._hearsay: set[str] = set()
        look = self._refreshing.look
        self.views = Views(name, tasks, lanes, self._listed, seconds, look, self._stateless, listing)

    def __repr__(self) -> str:
        return f"Inventory({self._listed!r}, {self.views!r})"

    @property
    def suite(self) -> Suite:
        """The tools."""
        return self._listed.suite

    @property
    def offer(self) -> Offer:
        """What the server offers beside its tools."""
        return self._listed.offer

    @property
    def recalled(self) -> bool:
        """Whether both are those of an earlier process, because the server was not started yet."""
        return self._listed.recalled

    def recall(self, declared: bytes) -> None:
        """Begins with what an earlier process kept for a client that declares this."""
        self._listed.recall(declared)

    def recall_for(self, declared: bytes) -> bool:
        """Takes what an earlier process kept for a client that declares this, in place of what is known from
        one for another; whether there is anything."""
        if not (self._listed.recalled and self._listed.recall(declared, exact=True)):
            return False
        self._listed.rely()
        self._listed.changed()
        return True

    def rely(self) -> None:
        """Takes what an earlier process kept for what the server lists, because it is not started yet."""
        self._listed.rely()

    def forget_recalled(self) -> None:
        """Forgets what an earlier process knew, because the server cannot be started: it offers nothing
        now."""
        self._listed.forget_recalled()

    def take(self, connection: Connection, tools: tuple[Tool, ...], offer: Offer, last_seen: str) -> None:
        """Takes what a new main connection has listed.

        Args:
            last_seen: When the server was seen last with what it listed before (ISO).
        """
        self._listed.declares(connection.declared)
        before = self.suite
        self._listed.take(tools, offer, last_seen)
        if before.listed and [tool.raw for tool in before.tools] == [tool.raw for tool in tools]:
            self.views.confirm(connection.declared)
        else:
            self.views.outdate(connection.declared)
        self._refreshing.look(connection)

    def heard(self, connection: Connection, method: str) -> bool:
        """Whether a notification is about a list, which then is read again: on the connection that said so,
        and on the main one, because a server may say only to the client that called what has changed for all.
        """
        if method not in _LISTS:
            return False
        self._refreshing.note(connection, method)
        main = self._main()
        if connection is main:
            self._hearsay.discard(method)
        elif main is not None and self._lanes.is_unscoped(connection):
            if method not in main.staleness.lists:
                self._hearsay.add(method)
            self._refreshing.note(main, method)
        return True

    def renewed(self, connection: Connection | None) -> Awaitable[object] | None:
        """What to wait for until lists are read again that hold no longer and whose changes the server does
        not tell; None where there are none."""
        if connection is None or connection.stateless is None:
            return None
        expired = connection.staleness.expired(asyncio.get_running_loop().time())
        untold = {notice for method, notice in _NOTICES.items() if method in expired}
        untold -= connection.stateless.listening.notices
        if not untold:
            return None
        connection.staleness.lists |= untold
        self._hearsay -= untold
        reading = self._refreshing.look(connection)
        return None if reading is None else asyncio.shield(reading)

    def holds(self, method: str, now: float, *, apart: bool) -> Freshness:
        """What the server says of a list, by how it is asked for.

        Args:
            apart: Whether it lists to each principal by its own sign-in.
        """
        main = self._stateless()
        own = Freshness() if main is None else main.staleness.said(method, now)
        return own.narrowed(Freshness(private=apart or self.views.differ))

    def kind_of(self, declared: bytes) -> bytes | None:
        """The kind of clients that declare this, as `views` knows it, empty for that of the main connection;
        None where all see the same."""
        if not self.views.differ:
            return None
        return declared if self.views.differs(declared) else b""

    def forget(self, client: ClientPort) -> None:
        """Forgets a client that has left."""
        self.views.forget(client)

    def _stateless(self) -> Connection | None:
        main = self._main()
        return main if main is not None and main.stateless is not None else None

    def _counts(self, connection: Connection) -> bool:
        return connection is self._main() or self._lanes.is_general(connection)

    async def _reread(self, connection: Connection, stale: set[str]) -> None:
        last_seen = iso(self._clock.wall())
        main = connection is self._main()
        before = self.suite.tools if main else self.views.of(connection.declared)
        tools, offer = await reread(connection, stale, before, self.offer, self._seconds())
        if connection is self._main():
            said, self._hearsay = stale - self._hearsay, self._hearsay - stale
            changed = [tool.raw for tool in tools] != [tool.raw for tool in before]
            self._listed.take(tools, offer, last_seen)
            if said:
                self.views.outdate(connection.declared)
            elif changed:
                # Read when they are asked for: a lane that is opened to read them may say that lists change.
                self.views.doubt(connection.declared)
        elif not main:
            self.views.take(connection.declared, tools)
