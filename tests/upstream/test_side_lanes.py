"""Connections beside the main one: one attempt for all who wait, and none left over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callmux.context import Scope
from callmux.upstream.audience import Audience
from callmux.upstream.berths import IDLE_SECONDS, Berths
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.lanes import LaneKey, NoRoom
from callmux.upstream.side_lanes import SideLanes
from tests.support import FakeClient, play, settle


class FakeConnection:
    def __init__(self) -> None:
        self.idle = asyncio.Event()
        self.idle.set()
        self.closed = False
        self.audience = Audience()

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
        self.berths = Berths()
        self.lanes = SideLanes("s", self._connect, self.berths)

    async def _connect(self, key: LaneKey, client: Any) -> Any:
        self.opened.append(key)
        await self.may_open.wait()
        if self.failure is not None:
            raise self.failure
        return FakeConnection()


SHARED = LaneKey(b"{}")
ANN: Any = FakeClient()


def test_callers_at_the_same_time_share_one_attempt() -> None:
    async def scene() -> None:
        desk = Desk()
        both = asyncio.gather(desk.lanes.acquire(SHARED, ANN), desk.lanes.acquire(SHARED, ANN))
        await settle()
        assert desk.lanes.get(SHARED) is None
        desk.may_open.set()
        one, two = await both
        assert one is two is desk.lanes.get(SHARED) is await desk.lanes.acquire(SHARED, ANN)
        assert desk.opened == [SHARED]
        assert len(desk.lanes) == 1

    play(scene())


def test_a_caller_that_gives_up_does_not_end_the_attempt_of_the_others() -> None:
    async def scene() -> None:
        desk = Desk()
        impatient = asyncio.ensure_future(desk.lanes.acquire(SHARED, ANN))
        patient = asyncio.ensure_future(desk.lanes.acquire(SHARED, ANN))
        await settle()
        impatient.cancel()
        desk.may_open.set()
        assert await patient is desk.lanes.get(SHARED)
        assert desk.opened == [SHARED]

    play(scene())


def test_a_failed_attempt_fails_who_waits_and_the_next_one_tries_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One line tells of it: it is no defect."""

    async def scene() -> None:
        desk = Desk()
        desk.may_open.set()
        desk.failure = CallFailure(Category.TRANSPORT, "down")
        both = (desk.lanes.acquire(SHARED, ANN), desk.lanes.acquire(SHARED, ANN))
        for outcome in await asyncio.gather(*both, return_exceptions=True):
            assert isinstance(outcome, CallFailure)
            assert outcome.cause == "down"
        assert caplog.messages == ['Warning: failed to open another connection to "s": down']
        assert caplog.records[0].exc_info is None
        desk.failure = None
        assert await desk.lanes.acquire(SHARED, ANN) is desk.lanes.get(SHARED)
        assert len(desk.opened) == 2

    play(scene())


def test_a_dropped_lane_ends_once_nothing_waits_on_it() -> None:
    async def scene() -> None:
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

    play(scene())


def test_a_client_that_leaves_takes_its_own_lanes_along() -> None:
    async def scene() -> None:
        desk = Desk()
        desk.may_open.set()
        own: Any = await desk.lanes.acquire(LaneKey(b"{}", ANN), ANN)
        shared: Any = await desk.lanes.acquire(SHARED, ANN)
        desk.lanes.release(ANN)
        await settle()
        assert (own.closed, shared.closed) == (True, False)
        assert desk.lanes.get(LaneKey(b"{}", ANN)) is None

    play(scene())


def test_a_client_that_leaves_while_its_lane_opens_leaves_no_lane() -> None:
    async def scene() -> None:
        desk = Desk()
        opening = asyncio.ensure_future(desk.lanes.acquire(LaneKey(b"{}", ANN), ANN))
        await settle()
        desk.lanes.release(ANN)
        desk.may_open.set()
        await asyncio.gather(opening, return_exceptions=True)
        await settle()
        assert len(desk.lanes) == 0

    play(scene())


def test_closing_ends_all_of_them() -> None:
    async def scene() -> None:
        desk = Desk()
        desk.may_open.set()
        connection: Any = await desk.lanes.acquire(SHARED, ANN)
        await desk.lanes.close()
        assert connection.closed
        assert len(desk.lanes) == 0

    play(scene())


def scoped(directory: str) -> LaneKey:
    return LaneKey(b"{}", None, Scope(cwd=directory))


async def later(seconds: float) -> None:
    await asyncio.sleep(seconds)
    await settle()


def test_a_lane_of_a_directory_ends_when_it_has_been_idle_for_long() -> None:
    async def scene() -> None:
        desk = Desk()
        desk.may_open.set()
        connection: Any = await desk.lanes.acquire(scoped("/a"), ANN)
        await later(IDLE_SECONDS + 1)
        assert not connection.closed  # its call still runs
        desk.lanes.leave(connection)
        await later(IDLE_SECONDS - 1)
        assert desk.lanes.get(scoped("/a")) is connection
        desk.lanes.leave(connection)
        await later(IDLE_SECONDS - 1)
        assert not connection.closed
        await later(2)
        assert connection.closed
        assert desk.lanes.get(scoped("/a")) is None

    play(scene())


def test_with_an_idle_time_of_zero_a_lane_ends_after_its_last_call() -> None:
    async def scene() -> None:
        desk = Desk()
        desk.berths.idle_seconds = 0
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

    play(scene())


def test_a_lane_that_nobody_waits_for_any_more_is_idle_from_the_start() -> None:
    async def scene() -> None:
        desk = Desk()
        desk.berths.idle_seconds = 0
        impatient = asyncio.ensure_future(desk.lanes.acquire(scoped("/a"), ANN))
        await settle()
        impatient.cancel()
        await settle()
        desk.may_open.set()
        await settle()
        assert len(desk.lanes) == 0

    play(scene())


def test_the_lane_that_has_been_idle_longest_makes_room_and_ends_first() -> None:
    async def scene() -> None:
        desk = Desk()
        desk.berths.configure(9, 2, 600)
        desk.may_open.set()
        first: Any = await desk.lanes.acquire(scoped("/1"), ANN)
        second: Any = await desk.lanes.acquire(scoped("/2"), ANN)
        desk.lanes.leave(second)
        await later(1)
        desk.lanes.leave(first)
        await desk.lanes.acquire(scoped("/3"), ANN)
        assert (first.closed, second.closed) == (False, True)

    play(scene())


def test_without_an_idle_lane_there_is_no_room_and_nothing_is_opened() -> None:
    async def scene() -> None:
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
        # Lanes of no directory are not counted.
        await desk.lanes.acquire(SHARED, ANN)
        assert desk.opened == [scoped("/1"), SHARED]

    play(scene())


def test_a_lane_that_became_a_clients_own_is_found_by_that_client_alone() -> None:
    """The server asked it something: what was shared in name is not shared any more."""

    async def scene() -> None:
        desk = Desk()
        desk.may_open.set()
        lane: Any = await desk.lanes.acquire(scoped("/a"), ANN)
        lane.audience.owner = ANN
        bob: Any = FakeClient()
        assert desk.lanes.get(LaneKey(b"{}", ANN, Scope(cwd="/a"))) is lane
        assert desk.lanes.get(LaneKey(b"{}", bob, Scope(cwd="/a"))) is None
        desk.lanes.release(ANN)
        await settle()
        assert lane.closed

    play(scene())
