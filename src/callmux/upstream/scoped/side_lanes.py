"""Connections beside the main one: opened when a client needs one, dropped when they are lost or unused.

Called by `callmux.upstream.server`. A lost lane is opened anew by the next call that needs it; a private one
ends with its client. All others are counted by `callmux.upstream.scoped.scoped_limits`: lanes of single
directories or credentials are held while they carry a call, and end when they have been idle for too long;
lanes for other capabilities end soon after the last client that used them has left.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from callmux.config.traffic import ReconnectPolicy
from callmux.context import ClientPort, Loan
from callmux.tasks import TaskSet, to_the_end, together
from callmux.upstream.connection import Connection
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.lanes import CountedLane, LaneKey, NoRoom
from callmux.upstream.process_bound import NoProcess
from callmux.upstream.scoped.failed_openings import FailedOpenings
from callmux.upstream.scoped.scoped_limits import ScopedLimits

log = logging.getLogger(__name__)

ROOM_SECONDS = 20.0
"""How long a request without a session waits for a connection of its own where there are enough of them."""
LOOK_SECONDS = 0.05
"""Between two looks whether one is free."""
TASK_LOOK_SECONDS = 5.0
"""Between two looks whether a server has still to do with a task."""
FRESH_SECONDS = 0.1
"""How long whoever has waited for a lane has to send what he has."""
LINGER_SECONDS = 2.0
"""How long a lane for other capabilities stays once nobody uses it: the next client may be one of a kind."""

_CLOSED = "the server was closed while a connection to it was opened"


class _Lane:
    """One lane.

    Attributes:
        held: Calls that it carries or is going to, where it has a scope.
        idle_since: When the last of them ended, or the last began where it has none, by the loop's clock.
    """

    __slots__ = ("connection", "held", "idle_since", "loop", "timer")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.held = 0
        # Kept: on Python 3.11 asking for the running loop is a system call.
        self.loop = asyncio.get_running_loop()
        self.idle_since = self.loop.time()
        self.timer: asyncio.TimerHandle | None = None


class _Opening:
    """A lane that is being opened, and how many wait for it."""

    __slots__ = ("task", "waiters")

    def __init__(self, task: asyncio.Task[_Lane | CallFailure]) -> None:
        self.task = task
        self.waiters = 0


class SideLanes:
    """The side lanes of one server: opened, handed out and dropped here.

    Args:
        owner: The server's name.
        connect: Opens a connection for a lane, on behalf of the client given; raises `CallFailure`.
        scoped_limits: Counts the scoped ones of all servers.
        policy: Gives when one that failed is tried again.

    Attributes:
        most: How many scoped ones this server may have, where that is configured.
    """

    def __init__(
        self,
        owner: str,
        connect: Callable[[LaneKey, ClientPort], Awaitable[Connection]],
        scoped_limits: ScopedLimits | None = None,
        policy: Callable[[], ReconnectPolicy] = ReconnectPolicy,
    ) -> None:
        self.owner = owner
        self.most: int | None = None
        self._connect = connect
        self._scoped_limits = scoped_limits or ScopedLimits()
        self._scoped_limits.join(self)
        self._tasks = TaskSet(f'lanes of "{owner}"')
        self._lanes: dict[LaneKey, _Lane] = {}
        self._opening: dict[LaneKey, _Opening] = {}
        self._left: set[ClientPort] = set()
        self._failed = FailedOpenings(policy)
        self._closed = False

    def __len__(self) -> int:
        return len(self._lanes)

    def __repr__(self) -> str:
        return f"SideLanes({self.connections()!r})"

    def connections(self) -> list[Connection]:
        """The connections of the open lanes."""
        return [lane.connection for lane in self._lanes.values()]

    def described(self) -> list[tuple[str, Connection]]:
        """The connections of the open lanes, each with what it is for, in a word."""
        return [(key.purpose, lane.connection) for key, lane in self._lanes.items()]

    def counted(self) -> list[CountedLane]:
        """The lanes whose number is bounded, open or being opened."""
        opening = [CountedLane(self.owner, key, None) for key in self._opening if key.counts]
        return opening + [
            CountedLane(self.owner, key, None if lane.held or lane.connection.occupied else lane.idle_since)
            for key, lane in self._lanes.items()
            if key.counts
        ]

    def in_use(self, key: LaneKey) -> int:
        """The calls that a lane carries."""
        lane = self._lanes.get(key)
        return 0 if lane is None else lane.held

    def get(self, key: LaneKey) -> Connection | None:
        """The connection of this lane, where it is open; for a scoped one, `leave` must follow."""
        lane = self._find(key)
        if lane is None:
            return None
        if key.scope is not None:
            self._hold(lane)
        else:
            lane.idle_since = lane.loop.time()
        return lane.connection

    def spare(self, private: bool) -> list[tuple[float, Callable[[], object]]]:
        """The processes that nobody needs now: since when, and what ends each.

        Args:
            private: Whether those count that remember a single client: the server remembers nothing.
        """
        now = asyncio.get_running_loop().time()
        return [
            (lane.idle_since, partial(self.evict, key))
            for key, lane in self._lanes.items()
            if (private or key.counts)
            and lane.connection.link.transport == "stdio"
            and not (lane.held or lane.connection.occupied)
            and now - lane.idle_since >= FRESH_SECONDS
        ]

    async def acquire(self, key: LaneKey, client: ClientPort, force: bool = False) -> Connection:
        """The connection of this lane; opens it first where it is due. Concurrent callers share one attempt.
        For a scoped one, `leave` must follow.

        Args:
            client: On whose behalf it is opened.
            force: Whether to try now, however it has failed before.

        Raises:
            CallFailure: It cannot be opened.
            NoRoom: There are as many as there may be.
        """
        connection = self.get(key)
        if connection is not None:
            return connection
        if (loan := key.loan) is not None and (lent := await self._lent(key, loan)) is not None:
            return lent
        opening = self._opening.get(key)
        if self._closed:
            raise CallFailure(Category.TRANSPORT, _CLOSED, started=False)
        if opening is None:
            if not force and (why := self._failed.why(key, asyncio.get_running_loop().time())) is not None:
                raise why
            room = self._scoped_limits.make_room(self) if key.counts else None
            opening = self._opening[key] = _Opening(self._tasks.spawn(self._open(key, client, room)))
        opening.waiters += 1
        try:
            opened = await asyncio.shield(opening.task)
        except asyncio.CancelledError:
            opening.waiters -= 1
            lane = opening.task.result() if opening.task.done() and not opening.task.cancelled() else None
            if isinstance(lane, _Lane):
                self.leave(lane.connection)
            waiting = asyncio.current_task()
            if opening.task.cancelled() and waiting is not None and not waiting.cancelling():
                # Nobody gave this caller up: the server is being closed, which ended the opening.
                raise CallFailure(Category.TRANSPORT, _CLOSED, started=False) from None
            raise
        if isinstance(opened, CallFailure):
            raise opened
        return opened.connection

    async def _lent(self, key: LaneKey, loan: Loan) -> Connection | None:
        """The connection of another client of the same group that no request has now; None where there is
        room for another one.

        Raises:
            NoRoom: All that there may be are in use, and stay so.
        """
        loop, most = asyncio.get_running_loop(), self._scoped_limits.most
        end = loop.time() + ROOM_SECONDS
        while key not in self._opening:
            free = [(one, its) for one in self._lanes if (its := one.loan) is not None and its.free]
            for other, its in free:
                if (
                    its.group == loan.group
                    and LaneKey(other.capabilities, key.client, None, other.era) == key
                ):
                    return self._hand_over(other, key)
            if sum(one.loan is not None for one in (*self._lanes, *self._opening)) < most:
                return None
            if free:
                # The one that was handed over or opened longest ago.
                self.evict(free[0][0])
                return None
            if loop.time() >= end:
                raise NoRoom("maxScopedClients", most)
            await asyncio.sleep(LOOK_SECONDS)
            if (connection := self.get(key)) is not None:
                # Another call of the same request has got it.
                return connection
        return None

    def _hand_over(self, other: LaneKey, key: LaneKey) -> Connection:
        lane = self._lanes.pop(other)
        assert other.client is not None
        lane.connection.forget(other.client)
        lane.connection.audience.owner = key.client
        lane.idle_since = lane.loop.time()
        self._lanes[key] = lane
        return lane.connection

    def _find(self, key: LaneKey) -> _Lane | None:
        lane = self._lanes.get(key)
        if lane is None and key.client is not None:
            # What it shared with others in name only may have become its own when the server asked it.
            shared = LaneKey(key.capabilities, None, key.scope, key.era)
            lane = self._lanes.get(shared)
            if lane is None or lane.connection.audience.owner is not key.client:
                return None
        return lane

    def _hold(self, lane: _Lane) -> None:
        lane.held += 1
        if lane.timer is not None:
            lane.timer.cancel()
            lane.timer = None

    def leave(self, connection: Connection) -> None:
        """Gives back a connection that was taken for a scope. Call it when the call ends."""
        for key, lane in self._lanes.items():
            if lane.connection is connection:
                if key.scope is not None:
                    lane.held -= 1
                    if not lane.held:
                        self._is_idle(key, lane)
                return

    def _is_idle(self, key: LaneKey, lane: _Lane) -> None:
        lane.idle_since = lane.loop.time()
        seconds = self._scoped_limits.idle_seconds
        if seconds:
            lane.timer = lane.loop.call_later(seconds, self._expire, key, lane)
        else:
            self._expire(key, lane)

    def _expire(self, key: LaneKey, lane: _Lane) -> None:
        """Ends a lane, once its server is at work on no task and keeps nothing of one."""
        if self._lanes.get(key) is lane:
            if lane.connection.makers.holds(lane.loop.time()):
                lane.timer = lane.loop.call_later(TASK_LOOK_SECONDS, self._expire, key, lane)
            else:
                self._tasks.spawn(self._remove(key).close())

    def rest(self, connection: Connection) -> None:
        """Ends a connection that was opened only to be read, soon, unless a call comes by then."""
        for key, lane in self._lanes.items():
            if lane.connection is connection:
                self._rest(key, lane)

    def is_held(self, connection: Connection) -> bool:
        """Whether a call has one of these, or waits for it."""
        return any(lane.connection is connection and lane.held for lane in self._lanes.values())

    def is_general(self, connection: Connection) -> bool:
        """Whether a connection is for all clients that declare the same, whatever their directory."""
        return any(
            lane.connection is connection and key.client is None and key.scope is None
            for key, lane in self._lanes.items()
        )

    def is_unscoped(self, connection: Connection) -> bool:
        """Whether a connection is one of these, and neither for a directory nor for credentials."""
        return any(lane.connection is connection and key.scope is None for key, lane in self._lanes.items())

    def _rest(self, key: LaneKey, lane: _Lane) -> None:
        """Ends a lane that no client uses, soon, unless a client uses it by then."""
        if lane.timer is None:
            lane.timer = lane.loop.call_later(LINGER_SECONDS, self._end_rest, key, lane)

    def _end_rest(self, key: LaneKey, lane: _Lane) -> None:
        lane.timer = None
        audience = lane.connection.audience
        if self._lanes.get(key) is lane and not (len(audience) and audience.carried):
            if lane.connection.occupied:
                self._rest(key, lane)
            else:
                self._expire(key, lane)

    def _remove(self, key: LaneKey) -> Connection:
        lane = self._lanes.pop(key)
        if lane.timer is not None:
            lane.timer.cancel()
        return lane.connection

    def evict(self, key: LaneKey) -> asyncio.Task[None]:
        """Ends an idle lane to make room: it is gone from the count at once."""
        return self._tasks.spawn(self._remove(key).close())

    async def _open(
        self, key: LaneKey, client: ClientPort, room: asyncio.Task[None] | None
    ) -> _Lane | CallFailure:
        """Opens a lane. A failure is returned and not raised: it belongs to those who wait, not to this
        task."""
        try:
            if room is not None:
                # Its end may be cut short, too, when its own server is closed: there is room all the same.
                await asyncio.wait({room})
            connection = await self._connect(key, client)
            if key.client in self._left:
                await connection.close()
                return CallFailure(Category.TRANSPORT, "the client has left", started=False)
            for gone in self._left:
                connection.forget(gone)
            self._failed.opened(key)
            lane = self._lanes[key] = _Lane(connection)
            if key.scope is None:
                if not len(connection.audience) and key.client is None:
                    self._rest(key, lane)
            else:
                lane.held = self._opening[key].waiters
                if not lane.held:
                    self._is_idle(key, lane)
            return lane
        except CallFailure as failure:
            log.warning('could not open another connection to "%s": %s', self.owner, failure.cause)
            if not isinstance(failure, NoProcess) and not self._closed:
                self._failed.note(key, failure, asyncio.get_running_loop().time())
            return failure
        finally:
            self._opening.pop(key, None)
            if not self._opening:
                self._left.clear()

    def drop(self, connection: Connection) -> bool:
        """Takes no more calls on `connection` and ends it once it is drained; whether it was one of these."""
        for key, known in self._lanes.items():
            if known.connection is connection:
                self._remove(key)
                self._tasks.spawn(connection.close_when_drained())
                return True
        return False

    def drop_all(self) -> None:
        """Takes no more calls on any of them; each ends once it is drained."""
        for connection in self.connections():
            self.drop(connection)

    def cut_short(self) -> None:
        """Gives up those that are being opened; who waits for one is told."""
        for opening in self._opening.values():
            opening.task.cancel()

    def release(self, client: ClientPort) -> None:
        """Ends the lanes of a client that has left, and soon those that no other client uses."""
        if self._opening:
            self._left.add(client)
        self._failed.forget(client)
        for key, lane in list(self._lanes.items()):
            lane.connection.forget(client)
            if key.client is client or lane.connection.audience.owner is client:
                self._tasks.spawn(self._remove(key).close())
            elif key.scope is None and not len(lane.connection.audience):
                self._rest(key, lane)

    async def close(self) -> None:
        """Ends all of them; none is opened any more."""
        self._closed = True
        self._scoped_limits.leave(self)
        lanes = [self._remove(key) for key in list(self._lanes)]
        await to_the_end(self._tasks.cancel, lambda: together(*(lane.close() for lane in lanes)))
