"""Connections beside the main one: one attempt for all who wait, and none left over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.lanes import LaneKey
from callmux.upstream.side_lanes import SideLanes
from tests.support import play, settle


class FakeConnection:
    def __init__(self) -> None:
        self.idle = asyncio.Event()
        self.idle.set()
        self.closed = False

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
        self.lanes = SideLanes("s", self._connect)

    async def _connect(self, key: LaneKey) -> Any:
        self.opened.append(key)
        await self.may_open.wait()
        if self.failure is not None:
            raise self.failure
        return FakeConnection()


SHARED = LaneKey(b"{}")


def test_callers_at_the_same_time_share_one_attempt() -> None:
    async def scene() -> None:
        desk = Desk()
        both = asyncio.gather(desk.lanes.acquire(SHARED), desk.lanes.acquire(SHARED))
        await settle()
        assert desk.lanes.get(SHARED) is None
        desk.may_open.set()
        one, two = await both
        assert one is two is desk.lanes.get(SHARED) is await desk.lanes.acquire(SHARED)
        assert desk.opened == [SHARED]
        assert len(desk.lanes) == 1

    play(scene())


def test_a_caller_that_gives_up_does_not_end_the_attempt_of_the_others() -> None:
    async def scene() -> None:
        desk = Desk()
        impatient = asyncio.ensure_future(desk.lanes.acquire(SHARED))
        patient = asyncio.ensure_future(desk.lanes.acquire(SHARED))
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
        both = (desk.lanes.acquire(SHARED), desk.lanes.acquire(SHARED))
        for outcome in await asyncio.gather(*both, return_exceptions=True):
            assert isinstance(outcome, CallFailure)
            assert outcome.cause == "down"
        assert caplog.messages == ['Warning: failed to open another connection to "s": down']
        assert caplog.records[0].exc_info is None
        desk.failure = None
        assert await desk.lanes.acquire(SHARED) is desk.lanes.get(SHARED)
        assert len(desk.opened) == 2

    play(scene())


def test_a_dropped_lane_ends_once_nothing_waits_on_it() -> None:
    async def scene() -> None:
        desk = Desk()
        desk.may_open.set()
        connection: Any = await desk.lanes.acquire(SHARED)
        connection.idle.clear()
        assert desk.lanes.drop(connection)
        assert not desk.lanes.drop(connection)
        await settle()
        assert not connection.closed
        connection.idle.set()
        await settle()
        assert connection.closed
        assert await desk.lanes.acquire(SHARED) is not connection

    play(scene())


def test_a_client_that_leaves_takes_its_own_lanes_along() -> None:
    async def scene() -> None:
        desk = Desk()
        desk.may_open.set()
        ann: Any = object()
        own: Any = await desk.lanes.acquire(LaneKey(b"{}", ann))
        shared: Any = await desk.lanes.acquire(SHARED)
        desk.lanes.release(ann)
        await settle()
        assert (own.closed, shared.closed) == (True, False)
        assert desk.lanes.get(LaneKey(b"{}", ann)) is None

    play(scene())


def test_a_client_that_leaves_while_its_lane_opens_leaves_no_lane() -> None:
    async def scene() -> None:
        desk = Desk()
        ann: Any = object()
        opening = asyncio.ensure_future(desk.lanes.acquire(LaneKey(b"{}", ann)))
        await settle()
        desk.lanes.release(ann)
        desk.may_open.set()
        await asyncio.gather(opening, return_exceptions=True)
        await settle()
        assert len(desk.lanes) == 0

    play(scene())


def test_closing_ends_all_of_them() -> None:
    async def scene() -> None:
        desk = Desk()
        desk.may_open.set()
        connection: Any = await desk.lanes.acquire(SHARED)
        await desk.lanes.close()
        assert connection.closed
        assert len(desk.lanes) == 0

    play(scene())
