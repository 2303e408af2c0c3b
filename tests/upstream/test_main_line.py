"""The main connection is replaced on demand: no call falls between the old one and the new one."""

from __future__ import annotations

import asyncio

import pytest

from callmux.errors import UpstreamUnavailable
from callmux.upstream.health import State
from callmux.upstream.main_line import RESTART_GRACE_SECONDS
from tests.support import FakeClient, play, settle
from tests.upstream.fake_link import SILENCE, FakeLink
from tests.upstream.test_server import DOWN, Plant, later, now, tools


def test_a_restart_ends_the_old_connection_before_the_new_one_opens() -> None:
    """A server that holds a port or a lock can be replaced."""

    async def scene() -> None:
        old, new = FakeLink(), FakeLink()
        order: list[str] = []
        old.closing = lambda: noted(order, "closed")
        new.opening = noted(order, "opened")
        plant = await Plant(old, new).up()
        await plant.server.restart()
        assert order == ["closed", "opened"]
        assert (plant.state, plant.made) == (State.CONNECTED, [old, new])
        assert plant.changes == 1
        assert repr(plant.server._main) == "MainLine('s', connected)"
        await plant.server.close()

    play(scene())


async def noted(order: list[str], what: str) -> None:
    order.append(what)


def test_a_call_in_flight_finishes_where_it_is_and_new_ones_wait_for_the_new_connection() -> None:
    async def scene() -> None:
        plant = await Plant(FakeLink(x=SILENCE), FakeLink()).up()
        old = await plant.acquire()
        call = asyncio.ensure_future(old.request("x", None, 60))
        await settle()
        restart = asyncio.ensure_future(plant.server.restart())
        await settle()
        assert plant.server.ready(plant.client) is None
        waiting = asyncio.ensure_future(plant.acquire())
        await later(1)
        assert len(plant.made) == 1
        plant.made[0].answers("x", {"done": 1})
        assert await call == b'{"done": 1}'
        new = await waiting
        assert new is not old
        assert new.live
        assert plant.made[0].closed == 1
        await restart
        await plant.server.close()

    play(scene())


def test_a_long_call_does_not_hold_a_restart_up() -> None:
    async def scene() -> None:
        plant = await Plant(FakeLink(x=SILENCE), FakeLink()).up()
        call = asyncio.ensure_future((await plant.acquire()).request("x", None, 60))
        await settle()
        began = now()
        await plant.server.restart()
        assert now() - began == pytest.approx(RESTART_GRACE_SECONDS, abs=0.1)
        assert [link.closed for link in plant.made] == [0, 0]
        plant.made[0].answers("x", {})
        await call
        await settle()
        assert [link.closed for link in plant.made] == [1, 0]
        await plant.server.close()

    play(scene())


def test_a_restart_that_fails_is_told_and_tried_again_as_after_a_loss() -> None:
    async def scene() -> None:
        plant = await Plant(FakeLink(), DOWN, FakeLink(tools__list=tools("new"))).up()
        waiting = asyncio.ensure_future(plant.acquire())
        await plant.server.restart()
        assert plant.server.connection is None
        assert plant.server.health.error == "no such command"
        assert plant.tools == ["t"]
        await asyncio.gather(waiting, return_exceptions=True)
        with pytest.raises(UpstreamUnavailable, match="no such command"):
            await plant.acquire()
        await later(5)
        assert (plant.state, plant.tools, plant.changes) == (State.CONNECTED, ["new"], 2)
        await plant.server.close()

    play(scene())


def test_a_restart_takes_the_place_of_an_attempt_under_way_and_its_callers_wait_on() -> None:
    async def scene() -> None:
        stuck = FakeLink()
        stuck.opening = asyncio.Event().wait()
        plant = Plant(stuck, FakeLink())
        waiting = asyncio.ensure_future(plant.acquire())
        await settle()
        await plant.server.restart()
        assert (await waiting).live
        assert len(plant.made) == 2
        assert stuck.closed == 1
        await plant.server.close()

    play(scene())


def test_a_second_restart_overtakes_the_first() -> None:
    async def scene() -> None:
        plant = await Plant(FakeLink(), FakeLink()).up()
        await asyncio.gather(plant.server.restart(), plant.server.restart())
        assert plant.state is State.CONNECTED
        assert len([link for link in plant.made if not link.closed]) == 1
        await plant.server.close()

    play(scene())


def test_a_restart_starts_a_server_that_has_given_up() -> None:
    async def scene() -> None:
        plant = await Plant(DOWN, FakeLink(), max_attempts=1).up()
        assert plant.state is State.FAILED
        await plant.server.restart()
        assert plant.state is State.CONNECTED
        await plant.server.close()

    play(scene())


def test_lanes_are_replaced_too() -> None:
    async def scene() -> None:
        plant = await Plant().up()
        able = FakeClient(b'{"roots":{}}')
        lane = await plant.server.acquire("t", able)
        await plant.server.restart()
        await settle()
        assert plant.server.ready(able) is None
        assert not lane.live
        assert (await plant.server.acquire("t", able)).live
        await plant.server.close()

    play(scene())


def test_who_waits_is_not_kept_when_the_server_is_closed() -> None:
    async def scene() -> None:
        stuck = FakeLink()
        stuck.opening = asyncio.Event().wait()
        plant = Plant(stuck)
        waiting = asyncio.ensure_future(plant.acquire())
        await settle()
        await plant.server.close()
        with pytest.raises(UpstreamUnavailable):
            await waiting

    play(scene())


def test_retrying_on_demand_leaves_a_server_alone_that_is_up_or_on_its_way() -> None:
    async def scene() -> None:
        plant = Plant(DOWN, FakeLink())
        plant.server.retry()
        assert plant.made == []
        await plant.up()
        assert plant.state is State.RECONNECTING
        plant.server.retry()
        plant.server.retry()
        await settle()
        assert plant.state is State.CONNECTED
        plant.server.retry()
        await settle()
        assert len(plant.made) == 1
        await plant.server.close()
        plant.server.retry()
        await settle()
        assert len(plant.made) == 1

    play(scene())
