"""What one server lists to clients that declare something else than its main connection does.

Kept by `callmux.upstream.inventory.inventory`. Servers may list tools only to clients with certain
capabilities, so the first client of a listener must not decide what the others see. When a client lists tools
for the first time that declares something else, a lane for its capabilities
(`callmux.upstream.scoped.side_lanes`) is read, and rests unless a call follows. What is known is read again
once the main connection's lists have changed, and kept on disk, as what the main connection lists: a server
that sleeps needs no process for each kind of clients to be listed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence, Set

from callmux.context import ClientPort, Scope
from callmux.protocol.shapes import Tool
from callmux.tasks import TaskSet
from callmux.upstream.connection import Connection
from callmux.upstream.failures import CallFailure
from callmux.upstream.inventory.listed import Listed
from callmux.upstream.inventory.listings import Listing
from callmux.upstream.lanes import LaneKey, NoRoom
from callmux.upstream.reading.lists import read_all
from callmux.upstream.scoped.side_lanes import SideLanes

log = logging.getLogger(__name__)

MOST = 16
"""Kinds of clients whose lists are kept for one server; the one that was read longest ago is forgotten."""

MOST_OWNED = 500
"""The same where each principal sees what its own sign-in shows."""

Tools = tuple[Tool, ...]


class Views:
    """The views of one server. A kind of clients is what is declared for them, as canonical JSON, and whose
    sign-in they use, where that is their own.

    Args:
        name: The server's name, for the log.
        tasks: Where readings belong.
        lanes: The server's lanes.
        listed: What the main connection lists; told when somebody else's list changes.
        seconds: Gives how long each list may take.
        look: Called with each lane once it was read: its lists count from now on.
        stateless: Gives the main connection where each request says what its client declares, so that no
            lane is needed.
        listing: Gives what the server listed in an earlier process to clients that declare this; None for
            nothing.
    """

    def __init__(
        self,
        name: str,
        tasks: TaskSet,
        lanes: SideLanes,
        listed: Listed,
        seconds: Callable[[], float],
        look: Callable[[Connection], object],
        stateless: Callable[[], Connection | None] = lambda: None,
        listing: Callable[[bytes], Listing | None] = lambda capabilities: None,
    ) -> None:
        self._name = name
        self._tasks = tasks
        self._lanes = lanes
        self._seconds = seconds
        self._listed = listed
        self._look = look
        self._stateless = stateless
        self._listing = listing
        self._assumed: set[bytes] = set()
        self._unsure: set[bytes] = set()
        self._known: dict[bytes, Tools | None] = {}
        self._stale: set[bytes] = set()
        self._guests: dict[ClientPort, bytes] = {}
        self._readings: dict[bytes, asyncio.Task[None]] = {}

    def __repr__(self) -> str:
        return (
            f"Views({len(self._known)} kinds, {len(self._guests)} guests, {len(self._readings)} being read)"
        )

    @property
    def _main(self) -> Tools:
        return self._listed.suite.tools

    @property
    def differ(self) -> bool:
        """Whether anybody sees other tools than those of the main connection."""
        return any(tools is not None for tools in self._known.values())

    def of(self, kind: bytes) -> Tools:
        """What clients of a kind see: the tools of the main connection where nothing else is known."""
        tools = self._known.get(kind)
        return self._main if tools is None else tools

    def differs(self, kind: bytes) -> bool:
        """Whether clients of this kind see other tools than those of the main connection."""
        return self._known.get(kind) is not None

    def tools(self) -> Iterator[Tool]:
        """All tools as clients of other kinds see them."""
        for tools in self._known.values():
            yield from tools or ()

    def others(self) -> Sequence[Tool]:
        """The tools that only clients of other kinds see: they exist, and can be called."""
        names = {tool.name for tool in self._main}
        found: dict[str, Tool] = {}
        for tools in self._known.values():
            for tool in tools or ():
                if tool.name not in names:
                    found.setdefault(tool.name, tool)
        return list(found.values())

    def unknown_to(self, client: ClientPort, kind: bytes) -> asyncio.Future[None] | None:
        """What to wait for until it is known what this client sees; None where it is."""
        self._guests[client] = kind
        if kind in self._known and kind not in self._stale:
            return None
        return asyncio.shield(self._read_soon(client, kind))

    def assume(self, client: ClientPort, kind: bytes, *, asleep: bool = True) -> None:
        """Shows a client what the server listed to clients of its kind in an earlier process, as long as
        there is no connection; what the main connection listed last, where nothing is kept. That is read once
        the server is awake.

        Args:
            asleep: Whether the server is not being started, either.
        """
        self._guests[client] = kind
        if kind in self._known:
            return
        listing = None if b"\0" in kind else self._listing(kind)
        kept = None if listing is None else listing.recall(exact=True)
        if kept is None:
            self._assumed.add(kind)
        elif not asleep:
            self._stale.add(kind)
        self._keep(kind, None if kept is None or self._is_main(kept[0]) else kept[0])

    def _read_soon(self, client: ClientPort, kind: bytes) -> asyncio.Task[None]:
        reading = self._readings.get(kind)
        if reading is None:
            reading = self._readings[kind] = self._tasks.spawn(self._read(client, kind))
        return reading

    async def _read(self, client: ClientPort, kind: bytes) -> None:
        self._stale.discard(kind)
        try:
            declared, _, owner = kind.partition(b"\0")
            if owner:
                own = Scope(owner=owner.decode("utf-8", "surrogatepass"))
                self.take(kind, await self._read_own(client, LaneKey(declared, scope=own)))
                return
            connection = self._stateless() or await self._lanes.acquire(LaneKey(kind), client)
            assert connection.init is not None
            tools, offer = await read_all(connection, connection.init, self._seconds(), client)
        except (CallFailure, NoRoom) as failure:
            why = failure.cause if isinstance(failure, CallFailure) else f"too many connections: {failure}"
            log.warning('could not learn what "%s" lists to other clients: %s', self._name, why)
            if kind in self._known:
                # What they saw before is better than what others see; it is compared another time.
                self._unsure.add(kind)
            else:
                self.take(kind, self._main)
                if owner:
                    # Whoever has signed in is seen by its first connection, if nobody says so before.
                    self._unsure.add(kind)
            return
        finally:
            del self._readings[kind]
        self.take(kind, tools)
        if (listing := self._listing(kind)) is not None:
            self._tasks.spawn(listing.keep(tools, offer, exact=True))
        self._lanes.rest(connection)
        self._look(connection)

    async def _read_own(self, client: ClientPort, key: LaneKey) -> Tools:
        """What a server lists to one principal, on his own lane."""
        lane = await self._lanes.acquire(key, client)
        try:
            assert lane.init is not None
            return (await read_all(lane, lane.init, self._seconds(), client))[0]
        finally:
            self._lanes.leave(lane)

    def take(self, kind: bytes, tools: Tools) -> None:
        """Takes what clients of a kind see."""
        before = self._known.pop(kind, None)
        after = None if self._is_main(tools) else tools
        self._assumed.discard(kind)
        self._unsure.discard(kind)
        self._keep(kind, after)
        if [tool.raw for tool in before or ()] != [tool.raw for tool in after or ()]:
            self._listed.changed()

    def _is_main(self, tools: Tools) -> bool:
        """Whether these are the tools of the main connection."""
        return [tool.raw for tool in tools] == [tool.raw for tool in self._main]

    def _keep(self, kind: bytes, tools: Tools | None) -> None:
        self._known[kind] = tools
        if len(self._known) > (MOST_OWNED if b"\0" in kind else MOST):
            self._drop(next(iter(self._known)))

    def _drop(self, kind: bytes) -> None:
        """Forgets a kind, whatever is noted of it."""
        self._known.pop(kind, None)
        for noted in (self._stale, self._assumed, self._unsure):
            noted.discard(kind)

    def outdate(self, main: bytes) -> None:
        """Marks the other views as stale, because the main connection lists something new, and reads those of
        clients that are here."""
        self.doubt(main)
        self._read_stale(self._stale)

    def confirm(self, main: bytes) -> None:
        """The server has been started anew and lists the same as before on its main connection: what others
        see is most likely the same, too, and is compared on the next connection of their kind. What was only
        assumed is read."""
        self._drop(main)
        self._unsure.update(self._known)
        self._stale |= self._assumed
        self._read_stale(self._assumed)

    def came_up(self, client: ClientPort, key: LaneKey) -> None:
        """A connection for a kind of clients is open: what they see is read, where that is from an earlier
        run of the server, or could not be read without the sign-in of a principal."""
        kind, general = key.capabilities, key.client is None and key.scope is None
        if key.scope is not None and key.scope.owner:
            kind, general = kind + b"\0" + key.scope.owner.encode("utf-8", "surrogatepass"), True
        if general and kind in self._unsure:
            self._read_soon(client, kind)

    def _read_stale(self, kinds: Set[bytes]) -> None:
        for client, kind in list(self._guests.items()):
            if kind in kinds and kind in self._stale:
                self._read_soon(client, kind)

    def doubt(self, main: bytes) -> None:
        """Marks the other views as stale: each is read when it is asked for next."""
        self._drop(main)
        self._stale.update(self._known)

    def outdate_owned(self) -> None:
        """Marks what principals see by their own sign-ins as stale: one of them has signed in."""
        self._stale.update(kind for kind in self._known if b"\0" in kind)
        for client, kind in list(self._guests.items()):
            if kind in self._stale and b"\0" in kind:
                self._read_soon(client, kind)

    def forget(self, client: ClientPort) -> None:
        """Forgets a client that has left."""
        self._guests.pop(client, None)
