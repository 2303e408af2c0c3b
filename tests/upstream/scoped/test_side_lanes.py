"""Connections beside the main one: one attempt for all who wait, and none left over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callmux.config.traffic import ReconnectPolicy
from callmux.context import Loan, Scope
from callmux.upstream.audience import Audience
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.lanes import LaneKey, NoRoom
from callmux.upstream.scoped.scoped_limits import IDLE_SECONDS, ScopedLimits
from callmux.upstream.scoped.side_lanes import LINGER_SECONDS, ROOM_SECONDS, SideLanes
from callmux.upstream.task_makers import TaskMakers
from tests.support import FakeClient, settle


class FakeConnection:
    def __init__(self) -> None:
        self.idle = asyncio.Event()
        self.idle.set()
        self.closed = False
        self.in_flight = 0
        self.audience = Audience()
        self.makers = TaskMakers()

    @property
    def occupied(self) -> bool:
        return bool(self.in_flight or self.makers.holds(asyncio.get_running_loop().time()))

    def forget(self, client: Any) -> None:
        self.audience.leave(client)

    async def drained(self) -> None:
        await self.idle.wait()

    async def close(self) -> None:
        self.closed = True

    async def close_when_drained(self) -> None:
        await self.drained()
        await self.close()


class Desk:
    """Lanes whose connections open when they are let."""

    def __init__(self) -> None:
        self.opened: list[LaneKey] = []
        self.may_open = asyncio.Event()
        self.failure: CallFailure | None = None
        self.scoped_limits = ScopedLimits()
        self.lanes = SideLanes("s", self._connect, self.scoped_limits)

    def open_lane(self, key: LaneKey) -> Any:
        """The connection of this lane, which is a fake."""
        return self.lanes.get(key)

    async def _connect(self, key: LaneKey, client: Any) -> Any:
        self.opened.append(key)
        await self.may_open.wait()
        if self.failure is not None:
            raise self.failure
        return FakeConnection()


SHARED = LaneKey(b"{}")
ANN: Any = FakeClient()


async def test_callers_at_the_same_time_share_one_attempt() -> None:
    desk = Desk()
    both = asyncio.gather(desk.lanes.acquire(SHARED, ANN), desk.lanes.acquire(SHARED, ANN))
    await settle()
    assert desk.lanes.get(SHARED) is None
    desk.may_open.set()
    one, two = await both
    assert one is two is desk.lanes.get(SHARED) is await desk.lanes.acquire(SHARED, ANN)
    assert desk.opened == [SHARED]
    assert len(desk.lanes) == 1


async def test_whoever_waits_when_the_server_is_closed_is_told_so() -> None:
    """A cancellation that nobody asked for would look like a fault of callmux itself."""

    desk = Desk()
    waiting = asyncio.ensure_future(desk.lanes.acquire(SHARED, ANN))
    await settle()
    await desk.lanes.close()
    with pytest.raises(CallFailure, match="the server was closed") as caught:
        await waiting
    assert (caught.value.category, caught.value.started) == (Category.TRANSPORT, False)


async def test_a_place_whose_end_is_cut_short_by_the_close_of_its_server_is_free_all_the_same() -> None:
    one, other = Desk(), Desk()
    other.lanes = SideLanes("t", other._connect, one.scoped_limits)
    one.scoped_limits.configure(1, 1, IDLE_SECONDS)
    for desk in (one, other):
        desk.may_open.set()
    old: Any = await one.lanes.acquire(scoped("/a"), ANN)
    one.lanes.leave(old)
    never = asyncio.Event()

    async def hangs() -> None:
        await never.wait()

    old.close = hangs
    waiting = asyncio.ensure_future(other.lanes.acquire(scoped("/a"), ANN))
    await settle()
    assert not waiting.done()
    await one.lanes.close()
    assert await waiting is other.lanes.get(scoped("/a"))


async def test_a_caller_that_gives_up_does_not_end_the_attempt_of_the_others() -> None:
    desk = Desk()
    impatient = asyncio.ensure_future(desk.lanes.acquire(SHARED, ANN))
    patient = asyncio.ensure_future(desk.lanes.acquire(SHARED, ANN))
    await settle()
    impatient.cancel()
    desk.may_open.set()
    assert await patient is desk.lanes.get(SHARED)
    assert desk.opened == [SHARED]


async def test_a_failed_attempt_fails_who_waits_and_the_next_one_tries_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One line tells of it: it is no defect."""

    desk = Desk()
    desk.may_open.set()
    desk.failure = CallFailure(Category.TRANSPORT, "down")
    both = (desk.lanes.acquire(SHARED, ANN), desk.lanes.acquire(SHARED, ANN))
    for outcome in await asyncio.gather(*both, return_exceptions=True):
        assert isinstance(outcome, CallFailure)
        assert outcome.cause == "down"
    assert caplog.messages == ['could not open another connection to "s": down']
    assert caplog.records[0].exc_info is None
    desk.failure = None
    assert await desk.lanes.acquire(SHARED, ANN) is desk.lanes.get(SHARED)
    assert len(desk.opened) == 2


async def test_one_that_fails_again_and_again_is_tried_ever_more_rarely_unless_somebody_insists() -> None:
    desk = Desk()
    policy = ReconnectPolicy(initial_delay_ms=1000, max_delay_ms=8000, jitter_ratio=0.0)
    desk.lanes = SideLanes("s", desk._connect, desk.scoped_limits, lambda: policy)
    desk.may_open.set()
    desk.failure = CallFailure(Category.TRANSPORT, "down")
    for _ in range(600):
        with pytest.raises(CallFailure, match="down"):
            await desk.lanes.acquire(SHARED, ANN)
        await asyncio.sleep(0.1)
    # Twice at once, then after 2, 4, 8, 8 ... seconds.
    assert len(desk.opened) == 10
    with pytest.raises(CallFailure, match=r"^down"):
        await desk.lanes.acquire(SHARED, ANN)
    tried = len(desk.opened)
    with pytest.raises(CallFailure, match=r"^down; the first call in [1-8] s tries again$"):
        await desk.lanes.acquire(SHARED, ANN)
    with pytest.raises(CallFailure, match=r"^down$"):
        await desk.lanes.acquire(SHARED, ANN, force=True)
    assert len(desk.opened) == tried + 1
    desk.failure = None
    assert await desk.lanes.acquire(SHARED, ANN, force=True) is desk.lanes.get(SHARED)


async def test_a_dropped_lane_ends_once_nothing_waits_on_it() -> None:
    desk = Desk()
    desk.may_open.set()
    connection: Any = await desk.lanes.acquire(SHARED, ANN)
    connection.idle.clear()
    assert desk.lanes.drop(connection)
    assert not desk.lanes.drop(connection)
    await settle()
    assert not connection.closed
    connection.idle.set()
    await settle()
    assert connection.closed
    assert await desk.lanes.acquire(SHARED, ANN) is not connection


async def test_a_client_that_leaves_takes_its_own_lanes_along() -> None:
    desk = Desk()
    desk.may_open.set()
    own: Any = await desk.lanes.acquire(LaneKey(b"{}", ANN), ANN)
    shared: Any = await desk.lanes.acquire(SHARED, ANN)
    desk.lanes.release(ANN)
    await settle()
    assert (own.closed, shared.closed) == (True, False)
    assert desk.lanes.get(LaneKey(b"{}", ANN)) is None


async def test_a_client_that_leaves_while_its_lane_opens_leaves_no_lane() -> None:
    desk = Desk()
    opening = asyncio.ensure_future(desk.lanes.acquire(LaneKey(b"{}", ANN), ANN))
    await settle()
    desk.lanes.release(ANN)
    desk.may_open.set()
    await asyncio.gather(opening, return_exceptions=True)
    await settle()
    assert len(desk.lanes) == 0


async def test_closing_ends_all_of_them() -> None:
    desk = Desk()
    desk.may_open.set()
    connection: Any = await desk.lanes.acquire(SHARED, ANN)
    await desk.lanes.close()
    assert connection.closed
    assert len(desk.lanes) == 0


def scoped(directory: str) -> LaneKey:
    return LaneKey(b"{}", None, Scope(cwd=directory))


async def later(seconds: float) -> None:
    await asyncio.sleep(seconds)
    await settle()


async def test_a_lane_of_a_directory_ends_when_it_has_been_idle_for_long() -> None:
    desk = Desk()
    desk.may_open.set()
    connection: Any = await desk.lanes.acquire(scoped("/a"), ANN)
    await later(IDLE_SECONDS + 1)
    assert not connection.closed  # its call still runs
    desk.lanes.leave(connection)
    await later(IDLE_SECONDS - 1)
    assert desk.open_lane(scoped("/a")) is connection
    desk.lanes.leave(connection)
    await later(IDLE_SECONDS - 1)
    assert not connection.closed
    await later(2)
    assert connection.closed
    assert desk.lanes.get(scoped("/a")) is None


async def test_with_an_idle_time_of_zero_a_lane_ends_after_its_last_call() -> None:
    desk = Desk()
    desk.scoped_limits.idle_seconds = 0
    desk.may_open.set()
    both = [desk.lanes.acquire(scoped("/a"), ANN) for _ in range(2)]
    one, two = await asyncio.gather(*both)
    assert one is two
    desk.lanes.leave(one)
    await settle()
    assert len(desk.lanes) == 1
    desk.lanes.leave(one)
    assert len(desk.lanes) == 0
    await settle()
    closed: Any = one
    assert closed.closed


@pytest.mark.parametrize("idle_seconds", [0, IDLE_SECONDS])
async def test_a_lane_whose_server_is_at_work_on_a_task_stays_until_that_is_over(idle_seconds: float) -> None:
    desk = Desk()
    desk.scoped_limits.idle_seconds = idle_seconds
    desk.may_open.set()
    connection: Any = await desk.lanes.acquire(scoped("/a"), ANN)
    now = asyncio.get_running_loop().time()
    connection.makers.note(b'{"task":{"taskId":"1","ttl":3600000}}', ANN, now)
    desk.lanes.leave(connection)
    desk.scoped_limits.most = 1
    with pytest.raises(NoRoom):
        await desk.lanes.acquire(scoped("/b"), ANN)
    await later(3599)
    assert not connection.closed
    await later(10)
    assert connection.closed


async def test_a_lane_that_nobody_waits_for_any_more_is_idle_from_the_start() -> None:
    desk = Desk()
    desk.scoped_limits.idle_seconds = 0
    impatient = asyncio.ensure_future(desk.lanes.acquire(scoped("/a"), ANN))
    await settle()
    impatient.cancel()
    await settle()
    desk.may_open.set()
    await settle()
    assert len(desk.lanes) == 0


async def test_the_lane_that_has_been_idle_longest_makes_room_and_ends_first() -> None:
    desk = Desk()
    desk.scoped_limits.configure(9, 2, 600)
    desk.may_open.set()
    first: Any = await desk.lanes.acquire(scoped("/1"), ANN)
    second: Any = await desk.lanes.acquire(scoped("/2"), ANN)
    desk.lanes.leave(second)
    await later(1)
    desk.lanes.leave(first)
    await desk.lanes.acquire(scoped("/3"), ANN)
    assert (first.closed, second.closed) == (False, True)


async def test_without_an_idle_lane_there_is_no_room_and_nothing_is_opened() -> None:
    desk = Desk()
    desk.lanes.most = 1
    opening = asyncio.ensure_future(desk.lanes.acquire(scoped("/1"), ANN))
    await settle()
    with pytest.raises(NoRoom):
        await desk.lanes.acquire(scoped("/2"), ANN)
    desk.may_open.set()
    await opening
    with pytest.raises(NoRoom):
        await desk.lanes.acquire(scoped("/2"), ANN)
    with pytest.raises(NoRoom):
        await desk.lanes.acquire(SHARED, ANN)
    assert desk.opened == [scoped("/1")]


async def test_a_lane_that_became_a_clients_own_is_found_by_that_client_alone() -> None:
    """The server asked it something: what was shared in name is not shared any more."""

    desk = Desk()
    desk.may_open.set()
    lane: Any = await desk.lanes.acquire(scoped("/a"), ANN)
    lane.audience.owner = ANN
    bob: Any = FakeClient()
    assert desk.open_lane(LaneKey(b"{}", ANN, Scope(cwd="/a"))) is lane
    assert desk.lanes.get(LaneKey(b"{}", bob, Scope(cwd="/a"))) is None
    desk.lanes.release(ANN)
    await settle()
    assert lane.closed


def other(n: int) -> LaneKey:
    return LaneKey(b'{"experimental":{"%d":{}}}' % n)


async def used(desk: Desk, key: LaneKey, *clients: Any) -> Any:
    """An open lane that has carried calls of these clients."""
    connection: Any = None
    for client in clients:
        connection = desk.lanes.get(key) or await desk.lanes.acquire(key, client)
        connection.audience.calls(client)
    return connection


async def test_a_lane_for_other_capabilities_ends_soon_after_its_last_client_has_left() -> None:
    desk, bob = Desk(), FakeClient()
    desk.may_open.set()
    lane = await used(desk, other(1), ANN, bob)
    desk.lanes.release(ANN)
    await asyncio.sleep(10 * LINGER_SECONDS)
    assert not lane.closed
    desk.lanes.release(bob)
    await asyncio.sleep(0.9 * LINGER_SECONDS)
    assert not lane.closed
    await asyncio.sleep(0.2 * LINGER_SECONDS)
    assert lane.closed
    assert len(desk.lanes) == 0


async def test_a_client_of_the_same_kind_that_comes_meanwhile_keeps_it() -> None:
    desk, bob = Desk(), FakeClient()
    desk.may_open.set()
    lane = await used(desk, other(1), ANN)
    desk.lanes.release(ANN)
    await asyncio.sleep(0.9 * LINGER_SECONDS)
    assert await used(desk, other(1), bob) is lane
    await asyncio.sleep(10 * LINGER_SECONDS)
    assert not lane.closed


async def test_a_lane_that_nobody_needs_waits_for_its_calls() -> None:
    desk = Desk()
    desk.may_open.set()
    lane = await used(desk, other(1), ANN)
    lane.in_flight = 1
    desk.lanes.release(ANN)
    await asyncio.sleep(10 * LINGER_SECONDS)
    assert not lane.closed
    lane.in_flight = 0
    await asyncio.sleep(2 * LINGER_SECONDS)
    assert lane.closed


async def test_a_lane_whose_client_left_while_it_was_opened_ends() -> None:
    desk = Desk()
    connected = desk.lanes._connect

    async def connect(key: LaneKey, client: Any) -> Any:
        connection = await connected(key, client)
        connection.audience.join(client)
        return connection

    desk.lanes._connect = connect
    caller = asyncio.ensure_future(desk.lanes.acquire(other(1), ANN))
    await settle()
    caller.cancel()
    desk.lanes.release(ANN)
    desk.may_open.set()
    await settle()
    assert len(desk.lanes) == 1
    await asyncio.sleep(2 * LINGER_SECONDS)
    assert len(desk.lanes) == 0


async def test_lanes_for_other_capabilities_count_and_the_one_not_used_for_longest_goes() -> None:
    desk = Desk()
    desk.scoped_limits.configure(64, 3, IDLE_SECONDS)
    desk.may_open.set()
    lanes = []
    for n in range(3):
        lanes.append(await used(desk, other(n), ANN))
        await asyncio.sleep(1)
    await used(desk, other(0), ANN)
    await used(desk, other(3), ANN)
    await settle()
    assert [lane.closed for lane in lanes] == [False, True, False]
    assert len(desk.lanes) == 3


async def test_where_all_of_them_are_busy_there_is_no_room_for_another() -> None:
    desk = Desk()
    desk.scoped_limits.configure(2, 64, IDLE_SECONDS)
    desk.may_open.set()
    for n in range(2):
        (await used(desk, other(n), ANN)).in_flight = 1
    with pytest.raises(NoRoom, match="maxScopedClients"):
        await desk.lanes.acquire(other(2), ANN)
    assert len(desk.lanes) == 2
    # What one client has for itself does not count: its number is that of the clients.
    await desk.lanes.acquire(LaneKey(b"{}", ANN), ANN)


class Lender(Desk):
    """Clients whose sessions are lent to single requests."""

    def __init__(self) -> None:
        super().__init__()
        self.may_open.set()
        self.scoped_limits.configure(2, 1, IDLE_SECONDS)

    def comes(self, group: str = "ada") -> Any:
        client: Any = FakeClient()
        client.loan = Loan(group)
        return client

    async def takes(self, client: Any, capabilities: bytes = b"{}") -> Any:
        connection = await self.lanes.acquire(LaneKey(capabilities, client), client)
        connection.audience.owner = client
        connection.audience.calls(client)
        return connection


async def test_a_connection_of_a_request_that_is_over_serves_the_next_one_of_the_same_client() -> None:
    desk = Lender()
    one, two = desk.comes(), desk.comes()
    first = await desk.takes(one)
    assert await desk.takes(one) is first
    one.loan.free = True
    assert await desk.takes(two) is first
    assert first.audience.owner is two
    assert one not in first.audience
    assert await desk.takes(one) is not first, "it has none any more"
    assert len(desk.opened) == 2


@pytest.mark.parametrize("other", [("bob", b"{}"), ("ada", b'{"roots":{}}')])
async def test_nobody_else_gets_it(other: tuple[str, bytes]) -> None:
    desk = Lender()
    one = desk.comes()
    first = await desk.takes(one)
    one.loan.free = True
    group, capabilities = other
    assert await desk.takes(desk.comes(group), capabilities) is not first


async def test_where_there_are_enough_a_request_waits_for_one_that_is_free_and_not_for_ever() -> None:
    desk = Lender()
    clients = [desk.comes() for _ in range(2)]
    first, _ = [await desk.takes(client) for client in clients]
    third = desk.comes()
    waiting = [asyncio.ensure_future(desk.takes(third)) for _ in range(2)]
    await asyncio.sleep(ROOM_SECONDS / 2)
    assert len(desk.opened) == 2
    clients[0].loan.free = True
    assert await asyncio.gather(*waiting) == [first, first], "both calls of one request have it"
    with pytest.raises(NoRoom) as full:
        await desk.takes(desk.comes())
    assert full.value.setting == "maxScopedClients"


async def test_one_that_is_free_and_of_no_use_makes_room() -> None:
    desk = Lender()
    one, two = desk.comes("bob"), desk.comes()
    first = await desk.takes(one)
    await desk.takes(two)
    one.loan.free = True
    await desk.takes(desk.comes())
    await settle()
    assert first.closed
    assert len(desk.lanes) == 2


async def test_lanes_are_closed_also_where_whoever_closes_them_gives_up() -> None:
    desk = Desk()
    desk.may_open.set()
    kept: Any = await desk.lanes.acquire(SHARED, ANN)
    other = LaneKey(b"[]")
    old: Any = await desk.lanes.acquire(other, ANN)
    lets_go = asyncio.Event()

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await lets_go.wait()

    old.close = hangs
    desk.lanes.evict(other)
    closing = asyncio.ensure_future(desk.lanes.close())
    await settle()
    assert not kept.closed
    closing.cancel()
    await settle()
    assert closing.cancelled()
    assert kept.closed
    lets_go.set()
    await settle()
