"""One server: its state, its connections, and how it comes back.

Called by `callmux.upstream.pool` (start, close) and by the retrying stage (`acquire`, `examine`). What it
lists outlives losses, so a server that is down stays listed.

Parts decide or keep one thing each: `MainLine` the connection that lists, `SideLanes` all others,
`LaneChoice` which a client gets, `ServerDemand` when the server runs at all, `Inventory` what is listed,
`Questions` what the server asks, `InUse` who must not lose it. They meet here, where hooks are wired.

What is ugly: three places know which client a connection is for (its audience, `exclusive`, the adopter of
the main line), and connections become one client's by what their server asks: hence the loop in `acquire`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Set
from typing import Any

from msgspec import Raw

from callmux.clock import Clock
from callmux.context import ClientPort, Scope
from callmux.errors import CallmuxError
from callmux.protocol.unanswered import Unanswered
from callmux.protocol.versions import Era
from callmux.tasks import TaskSet, together
from callmux.upstream import failures
from callmux.upstream.asking_tools import AskingTools
from callmux.upstream.choice import LaneChoice
from callmux.upstream.connection import Connection
from callmux.upstream.demand import ServerDemand
from callmux.upstream.events import Events
from callmux.upstream.failures import CallFailure
from callmux.upstream.hooks import Hooks
from callmux.upstream.in_use import InUse
from callmux.upstream.inventory.inventory import Inventory
from callmux.upstream.inventory.listings import Listing
from callmux.upstream.inventory.offer import Offer, Suite
from callmux.upstream.inventory.views import Views
from callmux.upstream.lanes import LaneKey, NoRoom, Sharing
from callmux.upstream.links.link import Link
from callmux.upstream.noise import Noise
from callmux.upstream.opening import restoring
from callmux.upstream.opening.attempt import attempt
from callmux.upstream.opening.known_era import KnownEra
from callmux.upstream.opening.main_line import MainLine, Offered
from callmux.upstream.opening.reconnect import Timing
from callmux.upstream.opening.side_lane import open_lane
from callmux.upstream.opening.starts import Starts
from callmux.upstream.process_bound import ProcessBound
from callmux.upstream.questions import Questions
from callmux.upstream.scoped.scoped_limits import ScopedLimits
from callmux.upstream.scoped.side_lanes import SideLanes


class Server:
    """One configured server.

    Args:
        name: Its key.
        transport: What is shown before it is connected.
        make_link: Gives a new link of a scope for each attempt; raises `CallFailure` where it cannot.
        timing: How long things may take.
        client_info: The `clientInfo` of our handshake, as JSON.
        clock: Time.
        events: Hear what it does by itself.
        listing: Gives what it listed in an earlier process, by what its client declares; None for nothing.
        scoped_limits: Counts the scoped connections of all servers.
        starts: Gives its attempts their turns.
        known: Which eras it speaks; None for a handshake.
        asking: Its tools that ask their client.
        bound: Counts its processes.

    Attributes:
        lanes: The connections beside the main one.
        inventory: What it offers.
        health: How it has been doing.
        subscriptions: URIs that clients want to hear about; asked for again after each reconnect.
        questions: What it asks its clients.
        in_use: Who is in the middle of something with it.
        demand: When it runs.
        choice: Which connection a client gets.
        main_line: Its main connection.
        exclusive: The only client this process will ever have, if there is one.
        unanswered: Requests that were given up and may still be answered.
    """

    def __init__(
        self,
        name: str,
        transport: str,
        make_link: Callable[[Scope | None], Link],
        timing: Timing,
        client_info: bytes,
        clock: Clock,
        events: Events,
        listing: Callable[[bytes], Listing | None] = lambda capabilities: None,
        scoped_limits: ScopedLimits | None = None,
        known: KnownEra | None = None,
        starts: Starts | None = None,
        asking: AskingTools | None = None,
        bound: ProcessBound | None = None,
    ) -> None:
        self.name, self.transport = name, transport
        self._make_link, self._client_info = make_link, client_info
        self._known = known or KnownEra(only=Era.LEGACY)
        self._clock, self._events = clock, events
        self._tasks = TaskSet(f'server "{name}"')
        self.lanes = SideLanes(name, self._open_lane, scoped_limits, lambda: self.timing.policy)
        self.inventory = Inventory(
            name,
            self._tasks,
            clock,
            lambda: self._events.changed(),
            listing,
            self.lanes,
            lambda: self._main.connection,
            lambda: self.timing.connect_seconds,
        )
        make, up, down = self._new_connection, self._is_up, self.inventory.forget_recalled
        self._main = MainLine(name, timing, clock, make, self._read, up, down, events.bus, starts)
        self.main_line, self.health = self._main, self._main.health
        self.subscriptions: set[str] = set()
        self.exclusive: ClientPort | None = None
        self._newest: Connection | None = None
        self.questions = Questions(asking)
        self.in_use, self.unanswered, self._noise = InUse(), Unanswered(), Noise(name)
        self.choice = LaneChoice(self._main, self.questions, self._known, self.inventory)
        parts = self._main, self.lanes, self.in_use, self.inventory
        self.demand = ServerDemand(name, *parts, self.subscriptions, bound)

    def __repr__(self) -> str:
        return f"Server({self.name!r}, {self.health.state.value}, {len(self.suite.tools)} tools)"

    @property
    def connection(self) -> Connection | None:
        """The live main connection, or None."""
        return self._main.connection

    @property
    def suite(self) -> Suite:
        """Its tools."""
        return self.inventory.suite

    @property
    def offer(self) -> Offer:
        """What else it offers."""
        return self.inventory.offer

    @property
    def recalled(self) -> bool:
        """Whether tools and offer are those of an earlier process, until it is started."""
        return self.inventory.recalled

    @property
    def asleep(self) -> bool:
        """Whether it is down because nobody needs it."""
        return self._main.asleep

    @property
    def views(self) -> Views:
        """What it lists to others."""
        return self.inventory.views

    @property
    def timing(self) -> Timing:
        """How long things may take."""
        return self._main.timing

    @timing.setter
    def timing(self, timing: Timing) -> None:
        self._main.timing = timing
        self.demand.changed()

    def start(
        self, capabilities: bytes = b"{}", only: ClientPort | None = None, revision: str | None = None
    ) -> None:
        """Begins the first attempt, if none was made yet.

        Args:
            capabilities: What the main connection declares: those of the first client.
            only: The only client this process will ever have, where that is so.
            revision: What the first client speaks; None where there is none yet.
        """
        if self._main.is_fresh:
            self._main.declares = declared = self.choice.begin(capabilities, only)
            self.exclusive = self.questions.only = only
            self._main.era = self._known.choose(revision)
            self.inventory.recall(declared)
            self.demand.begin()

    def recall(self, capabilities: bytes) -> None:
        """Tells what it listed last to such a client, where it was not started yet."""
        if self._main.is_fresh and not self.recalled:
            self.inventory.recall(capabilities)

    def retry(self) -> None:
        """Connects now where it is down, and reads anew what principals see by sign-ins of their own."""
        self._main.retry()
        self.views.outdate_owned()

    async def restart(self) -> None:
        """Ends its connections once their calls are done, connects anew and waits, as new calls do."""
        self.lanes.drop_all()
        await self._main.restart()

    def subscribe(self, uris: Set[str]) -> None:
        """Somebody wants to hear of these, too: it is asked now, and after each reconnect."""
        self.subscriptions |= uris
        connection, seconds = self._main.connection, self.timing.connect_seconds
        if connection is not None and uris:
            self._tasks.spawn(restoring.restore(connection, None, list(uris), seconds))

    async def settled(self, *, for_call: bool = False) -> None:
        """Waits until the first attempt has succeeded or failed, or it is known that none is needed.

        Args:
            for_call: Whether a call waits, so that it is this server's turn next.
        """
        self.start()
        if for_call:
            self._main.hurry()
        await self._main.settled()

    def share(self, sharing: Sharing) -> None:
        """Takes how its connections are shared from a configuration that is in force."""
        self.choice.sharing = sharing
        self.lanes.most = sharing.most

    def ready(self, client: ClientPort, scope: Scope | None = None, target: str = "") -> Connection | None:
        """The connection of this session's calls, where it is open. With a scope, `leave` must follow."""
        if client is self.exclusive and scope is None:
            return self._main.connection
        key = self.choice.lane(client, scope, target)
        connection = self._main.ready if key is None else self.lanes.get(key)
        if connection is not None and connection.audience.owner in (None, client):
            connection.audience.calls(client)
            return connection
        if connection is not None:
            self.leave(connection)
        return None

    async def acquire(
        self, tool: str, client: ClientPort, force: bool = False, scope: Scope | None = None
    ) -> Connection:
        """A live connection for this client's calls; connects first where that is due. With a scope, `leave`
        must follow.

        Args:
            tool: The bare tool name, for the error.
            force: Whether to connect now, whatever the backoff says.
            scope: The directory or credentials the connection must have.

        Raises:
            UpstreamUnavailable: It is down. Nothing was sent.
            ScopedClientCapacity: There are as many scoped connections as there may be.
            CallFailure: The connection of this scope cannot be opened.
        """
        client, apart = client.session, False
        while True:
            key = self.choice.lane(client, scope, tool, apart)
            connection = await self._acquire(key, tool, client, force)
            if connection.audience.owner in (None, client):
                connection.audience.calls(client)
                return connection
            apart = True  # what the server asked there has made it another client's, for good
            self.leave(connection)

    async def _acquire(self, key: LaneKey | None, tool: str, client: ClientPort, force: bool) -> Connection:
        if key is None:
            connection = self._main.ready or await self._main.acquire(force)
            if connection is None:
                raise self.unavailable(tool, self._main.refusal)
            return connection
        try:
            connection = await self.lanes.acquire(key, client, force)
            self.demand.watch()
            return connection
        except CallFailure as failure:
            if key.scope is not None:
                raise
            raise self.unavailable(tool, failure.cause) from None
        except NoRoom as full:
            raise failures.no_room(self.name, tool, full.limit, full.setting) from None

    def leave(self, connection: Connection) -> None:
        """Gives back a connection that was taken for a scope. Call it when the call ends."""
        self.lanes.leave(connection)

    def connections(self, client: ClientPort) -> list[Connection]:
        """The open connections that carry calls of this client."""
        main = [self._main.connection] if self._main.connection is not None else []
        found = main + self.lanes.connections()
        return found if client is self.exclusive else [one for one in found if client in one.audience]

    def unlisted_for(self, client: ClientPort) -> Awaitable[object] | None:
        """What to wait for until it is known what it lists to this client; None where it is."""
        return self.choice.unlisted_for(client)

    def kind_of(self, client: bytes) -> bytes | None:
        """Its kind as `views` knows it; empty for that of the main connection, None where there is one."""
        return self.inventory.kind_of(self.choice.sharing.kind(client, self._main.connection is None))

    async def _open_lane(self, key: LaneKey, client: ClientPort) -> Connection:
        connection = self._made(key.scope, key.era)
        connection.audience.owner = key.client or (client if client is self.exclusive else None)
        expected: set[str] = set()
        if key.scope is not None and key.capabilities == self._main.declares and not self.recalled:
            expected = {t.name for t in self.suite.tools if self.choice.sharing.exposes(t.name)}
        seconds = self.timing.connect_seconds
        await open_lane(connection, key, client, self._client_info, seconds, expected, self._known)
        if self.recalled:
            self._tasks.spawn(self.demand.check(connection))
        self.views.came_up(client, key)
        return connection

    def unavailable(self, tool: str, why: str | None = None) -> CallmuxError:
        """The error for a call that cannot be sent."""
        return failures.unavailable(self.name, tool, self.record(), why)

    async def examine(self, connection: Connection) -> None:
        """After a call timed out: replaces a connection on which nothing is answered; its calls go on."""
        if connection.live and not await connection.liveness.answers():
            self.retire(connection, "the server does not answer")

    def examine_soon(self, connection: Connection) -> None:
        """`examine`, without anybody waiting for it."""
        self._tasks.spawn(self.examine(connection))

    def retire(self, connection: Connection, reason: str) -> None:
        """Takes no more calls on `connection`, connects anew, and ends the old one once it is drained."""
        if connection is self._main.connection:
            self._main.lost(reason)
        else:
            self.lanes.drop(connection)

    def forget(self, client: ClientPort) -> None:
        """Ends the lanes of a client that has left; a main connection that served it alone is opened anew."""
        self.lanes.release(client)
        self.inventory.forget(client)
        if self._main.adopter is client:
            self._main.adopter = None
        connection = self._main.connection
        if self._newest is not None and self._newest is not connection:
            self._newest.forget(client)
        if connection is not None:
            connection.forget(client)
            if connection.audience.owner is client and self.exclusive is not client:
                self.retire(connection, "the client it served has left")

    async def drained(self) -> None:
        """Waits until nobody is in the middle of something with it."""
        await self.in_use.none()
        if self._main.connection is not None:
            await self._main.connection.drained()

    async def close(self) -> None:
        """Ends the connections and everything that works for them."""
        try:
            self.demand.close()
            await together(self.lanes.close(), self._main.close())
        finally:
            await self._tasks.cancel()

    def record(self) -> dict[str, Any]:
        """The state as status shows it: see docs/tools.md, `callmux_status`."""
        kept = {"listedFrom": "disk"} if self.recalled else {}
        facts = {**self.health.record(), **self.suite.record(), **kept}
        return {"name": self.name, "transport": self.transport, **facts}

    def _new_connection(self) -> Connection:
        connection = self._newest = self._made(None, self._main.era)
        if (client := self.exclusive or self._main.adopter) is not None:
            connection.audience.join(client)
        return connection

    async def _read(self, connection: Connection) -> Offered:
        seconds = self.timing.connect_seconds
        return await attempt(connection, self._client_info, self._main.declares, seconds, self._known)

    def _made(self, scope: Scope | None, era: Era) -> Connection:
        hooks = Hooks(self._heard, self.questions.ask, self.retire, self._noise.heard, self.unanswered)
        return Connection(self.name, self._make_link(scope), hooks, era, self.choice.declared)

    def _is_up(self, connection: Connection, offered: Offered, last_seen: str) -> None:
        self.transport = connection.link.transport
        if connection.stateless is not None:
            connection.stateless.listening.begin(offered[1].capabilities)
        self._tasks.spawn(self._known.keep())
        seconds = self.timing.connect_seconds
        self._tasks.spawn(restoring.restore(connection, self.exclusive, self.subscriptions, seconds))
        self.inventory.take(connection, *offered, last_seen)
        self.demand.came_up()

    def _heard(
        self, connection: Connection, method: str, params: Raw | None, client: ClientPort | None
    ) -> None:
        if not self.inventory.heard(connection, method):
            self._events.told(method, params, client)
