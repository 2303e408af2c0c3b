"""The main connection is replaced on demand: no call falls between the old one and the new one."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import Any

import pytest

from callmux.errors import UpstreamUnavailable
from callmux.protocol.versions import Era
from callmux.upstream.failures import CallFailure, Category, lost
from callmux.upstream.health import State
from callmux.upstream.opening.known_era import KnownEra
from callmux.upstream.opening.main_line import RESTART_GRACE_SECONDS
from callmux.upstream.opening.next_attempt import SIGN_IN_SECONDS
from tests.support import FakeClient, play, settle
from tests.upstream.fake_link import SILENCE, FakeLink
from tests.upstream.modern_link import ModernLink
from tests.upstream.test_server import DOWN, Plant, later, now, tools


async def test_a_restart_ends_the_old_connection_before_the_new_one_opens() -> None:
    """A server that holds a port or a lock can be replaced."""

    old, new = FakeLink(), FakeLink()
    order: list[str] = []
    old.closing = lambda: noted(order, "closed")
    new.opening = noted(order, "opened")
    plant = await Plant(old, new).up()
    await plant.server.restart()
    assert order == ["closed", "opened"]
    assert (plant.state(), plant.made) == (State.CONNECTED, [old, new])
    assert plant.changes == 1
    assert repr(plant.server._main) == "MainLine('s', connected)"
    await plant.server.close()


async def noted(order: list[str], what: str) -> None:
    order.append(what)


async def test_a_call_in_flight_finishes_where_it_is_and_new_ones_wait_for_the_new_connection() -> None:
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


async def test_a_long_call_does_not_hold_a_restart_up() -> None:
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


async def test_a_restart_that_fails_is_told_and_tried_again_as_after_a_loss() -> None:
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
    assert (plant.state(), plant.tools, plant.changes) == (State.CONNECTED, ["new"], 2)
    await plant.server.close()


async def test_a_restart_takes_the_place_of_an_attempt_under_way_and_its_callers_wait_on() -> None:
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


async def test_a_server_that_is_stopped_while_it_starts_is_given_up_until_the_next_call() -> None:
    stuck = FakeLink()
    stuck.opening = asyncio.Event().wait()
    plant = Plant(stuck, FakeLink())
    waiting = asyncio.ensure_future(plant.acquire())
    await settle()
    plant.server.demand.stop()
    assert plant.state() == State.SLEEPING
    with pytest.raises(UpstreamUnavailable):
        await waiting
    assert stuck.closed == 1
    assert (await plant.acquire()).live
    assert plant.state() == State.CONNECTED
    await plant.server.close()


async def test_the_next_start_waits_until_one_that_was_given_up_has_ended() -> None:
    stuck, may_end = FakeLink(), asyncio.Event()
    stuck.opening, stuck.closing = asyncio.Event().wait(), may_end.wait
    plant = Plant(stuck, FakeLink())
    first = asyncio.ensure_future(plant.acquire())
    await settle()
    plant.server.demand.stop()
    second = asyncio.ensure_future(plant.acquire())
    await later(1)
    assert plant.made == [stuck]
    may_end.set()
    assert (await second).live
    assert await first is await second
    await plant.server.close()


async def test_one_that_was_given_up_and_fails_then_says_nothing_of_the_server() -> None:
    stuck = FakeLink()
    stuck.opening = fails_when_given_up()
    plant = Plant(stuck, FakeLink())
    first = asyncio.ensure_future(plant.acquire())
    await settle()
    restarting = asyncio.ensure_future(plant.server.restart())
    assert (await first).live
    await restarting
    assert (plant.state(), plant.server.health.attempts) == (State.CONNECTED, 0)
    assert len(plant.made) == 2
    await plant.server.close()


async def fails_when_given_up() -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        raise lost("it ended", started=True) from None


async def test_a_second_restart_overtakes_the_first() -> None:
    plant = await Plant(FakeLink(), FakeLink()).up()
    await asyncio.gather(plant.server.restart(), plant.server.restart())
    assert plant.state() is State.CONNECTED
    assert len([link for link in plant.made if not link.closed]) == 1
    await plant.server.close()


async def test_a_restart_starts_a_server_that_has_given_up() -> None:
    plant = await Plant(DOWN, FakeLink(), max_attempts=1).up()
    assert plant.state() is State.FAILED
    await plant.server.restart()
    assert plant.state() is State.CONNECTED
    await plant.server.close()


async def test_lanes_are_replaced_too() -> None:
    plant = await Plant().up()
    await plant.acquire()
    able = FakeClient(b'{"roots":{}}')
    lane = await plant.server.acquire("t", able)
    await plant.server.restart()
    await settle()
    assert plant.server.ready(able) is None
    assert not lane.live
    assert (await plant.server.acquire("t", able)).live
    await plant.server.close()


async def test_who_waits_is_not_kept_when_the_server_is_closed() -> None:
    stuck = FakeLink()
    stuck.opening = asyncio.Event().wait()
    plant = Plant(stuck)
    waiting = asyncio.ensure_future(plant.acquire())
    await settle()
    await plant.server.close()
    with pytest.raises(UpstreamUnavailable):
        await waiting


async def test_nothing_opens_a_server_that_is_closed() -> None:
    """Somebody who still holds it may ask for it."""
    plant = await Plant(FakeLink()).up()
    main = plant.server.main_line
    main.sleep()
    await plant.server.close()
    client: Any = FakeClient(b'{"sampling":{}}')
    main.adopt(client, client.capabilities)
    for one in (client, plant.client):
        with pytest.raises(UpstreamUnavailable):
            await plant.server.acquire("t", one, True)
    await plant.server.restart()
    main.begin()
    await later(60)
    assert len(plant.made) == 1


async def test_retrying_on_demand_leaves_a_server_alone_that_is_up_or_on_its_way() -> None:
    plant = Plant(DOWN, FakeLink())
    plant.server.retry()
    assert plant.made == []
    await plant.up()
    assert plant.state() is State.RECONNECTING
    plant.server.retry()
    plant.server.retry()
    await settle()
    assert plant.state() is State.CONNECTED
    plant.server.retry()
    await settle()
    assert len(plant.made) == 1
    await plant.server.close()
    plant.server.retry()
    await settle()
    assert len(plant.made) == 1


ABLE, OTHER = b'{"elicitation":{}}', b'{"sampling":{}}'


def declared(plant: Plant, number: int) -> Any:
    return dict(plant.made[number].heard)["initialize"]["capabilities"]


async def test_a_connection_that_carried_no_call_declares_what_its_first_client_does() -> None:
    """Else a listener had two processes of each server: one for its list, one for its clients."""

    plant = await Plant().up()
    ann, bob = FakeClient(ABLE), FakeClient(ABLE)
    both = await asyncio.gather(plant.server.acquire("t", ann), plant.server.acquire("t", bob))
    assert both[0] is both[1] is plant.server.connection
    await settle()
    assert [declared(plant, n) for n in (0, 1)] == [{}, {"elicitation": {}}]
    assert [link.closed for link in plant.made] == [1, 0]
    assert plant.state() is State.CONNECTED
    await plant.server.close()


async def test_the_one_before_serves_and_lists_until_the_new_one_is_up() -> None:
    slow = FakeLink()
    slow.opening = later(1)
    plant = await Plant(FakeLink(), slow).up()
    old = plant.server.connection
    call = asyncio.ensure_future(plant.server.acquire("t", FakeClient(ABLE)))
    await settle()
    assert plant.server.connection is old
    assert plant.state() is State.CONNECTED
    assert plant.server.ready(FakeClient()) is None
    assert await call is plant.server.connection is not old
    await plant.server.close()


async def test_once_it_has_carried_a_call_it_stays_what_it_is() -> None:
    plant = await Plant().up()
    main = await plant.acquire()
    assert await plant.server.acquire("t", FakeClient(ABLE)) is not main
    assert plant.server.connection is main
    assert not plant.made[0].closed
    await plant.server.close()


async def test_a_client_that_comes_during_the_first_start_does_not_cut_it_short() -> None:
    slow = FakeLink()
    slow.opening = later(1)
    plant = Plant(slow, FakeLink())
    plant.server.start()
    await settle()
    connection = await plant.server.acquire("t", FakeClient(ABLE))
    await settle()
    assert connection is plant.server.connection
    assert [declared(plant, n) for n in (0, 1)] == [{}, {"elicitation": {}}]
    await plant.server.close()


async def test_a_second_kind_of_client_does_not_take_it_from_the_first() -> None:
    plant = await Plant().up()
    ann, bob = FakeClient(ABLE), FakeClient(OTHER)
    lanes = await asyncio.gather(plant.server.acquire("t", ann), plant.server.acquire("t", bob))
    assert lanes[0] is plant.server.connection is not lanes[1]
    assert len(plant.made) == 3
    await plant.server.close()


async def test_where_it_cannot_be_opened_anew_the_one_before_goes_on() -> None:
    plant = await Plant(FakeLink(), DOWN).up()
    with pytest.raises(UpstreamUnavailable, match="no such command"):
        await plant.server.acquire("t", FakeClient(ABLE))
    assert plant.state() is State.CONNECTED
    assert (await plant.acquire()).declared == b"{}"
    await plant.server.close()


async def test_one_that_is_lost_while_it_is_replaced_is_connected_once() -> None:
    slow = FakeLink()
    slow.opening = later(1)
    plant = await Plant(FakeLink(), slow).up()
    call = asyncio.ensure_future(plant.server.acquire("t", FakeClient(ABLE)))
    await settle()
    plant.made[0].dies()
    assert (await call).live
    await later(60)
    assert len(plant.made) == 2
    await plant.server.close()


async def test_a_question_during_the_start_is_for_the_client_it_adopted() -> None:
    """Many servers ask for roots as soon as they are started."""

    plant = await Plant().up()
    ann, bob = FakeClient(ABLE), FakeClient(ABLE)
    ann.answers.append(b'{"roots":[]}')
    main = await plant.server.acquire("t", ann)
    plant.made[1].says({"id": 9, "method": "roots/list"})
    await settle()
    assert [method for method, _ in ann.asked] == ["roots/list"]
    assert plant.server.ready(ann) is main
    assert await plant.server.acquire("t", bob) is not main
    await plant.server.close()


def test_the_same_failure_again_is_one_line_with_its_count_and_the_next_attempt(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scene() -> None:
        plant = Plant(*[lost(f"process {n} ended", started=False) for n in range(3)], DOWN)
        await plant.server.settled()
        await later(400)
        await plant.server.close()

    caplog.set_level("WARNING")
    play(scene())
    lines = [record.getMessage() for record in caplog.records]
    assert lines[:5] == [
        'could not connect "s": process 0 ended',
        'could not connect "s": attempt 2 failed, next in 4 s',
        'could not connect "s": attempt 3 failed, next in 8 s',
        'could not connect "s": no such command',
        'could not connect "s": attempt 5 failed, next in 8 s',
    ]
    assert [line.split("attempt ")[1].split(",")[0] for line in lines[8:12]] == [
        "9 failed",
        "10 failed",
        "20 failed",
        "30 failed",
    ]


def test_the_last_attempt_says_that_it_is_the_last(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        plant = Plant(DOWN, max_attempts=2)
        await plant.server.settled()
        await later(60)
        assert plant.state() is State.FAILED
        await plant.server.close()

    caplog.set_level("WARNING")
    play(scene())
    assert caplog.records[-1].getMessage() == 'could not connect "s": attempt 2 failed, no further one'


async def test_what_will_not_go_away_by_itself_is_tried_seldom() -> None:
    missing = CallFailure(Category.TRANSPORT, "no program", started=False, lasting=True)
    plant = Plant(missing, FakeLink())
    await plant.server.settled()
    await later(7.5)
    assert plant.state() is State.RECONNECTING
    await later(1)
    assert plant.state() is State.CONNECTED
    await plant.server.close()


SIGN_IN = CallFailure(Category.AUTHORIZATION, "run login", started=False, lasting=True, sign_in=True)


async def test_a_server_that_was_up_is_tried_again_soon_though_it_seems_to_want_a_sign_in() -> None:
    """One 401 of a server that has no sign-in must not keep it away for long."""
    plant = await Plant(FakeLink(), SIGN_IN, FakeLink()).up()
    await plant.server.restart()
    assert plant.server.record()["signInNeeded"] is True
    await later(9)
    assert plant.state() is State.CONNECTED
    assert "signInNeeded" not in plant.server.record()
    await plant.server.close()


@pytest.mark.parametrize("links", [(SIGN_IN,), (FakeLink(), SIGN_IN)])
async def test_a_server_that_waits_for_a_person_is_given_up_by_no_policy(links: Any) -> None:
    plant = await Plant(*links, FakeLink(), max_attempts=1).up()
    await plant.server.restart() if len(links) == 2 else None
    assert plant.state() is State.RECONNECTING
    await later(SIGN_IN_SECONDS + 1)
    assert plant.state() is State.CONNECTED
    await plant.server.close()


@pytest.mark.parametrize("slow", [False, True])
async def test_a_process_that_ends_at_an_unknown_question_has_not_failed(
    slow: bool, caplog: pytest.LogCaptureFixture
) -> None:
    rude = FakeLink(server__discover=SILENCE, initialize=SILENCE)
    plant = Plant(rude, FakeLink(), known=KnownEra())
    up = asyncio.ensure_future(plant.up())
    await later(4 if slow else 0)
    rude.dies()
    await up
    assert plant.state() is State.CONNECTED
    assert [link.methods()[0] for link in plant.made] == ["server/discover", "initialize"]
    assert "consecutiveFailures" not in plant.server.record()
    gc.collect()
    assert not [line for line in caplog.records if line.levelno >= logging.WARNING]
    await plant.server.close()


async def test_a_server_that_lacks_the_era_of_its_first_client_serves_it_all_the_same() -> None:
    """It is asked for the newest where no client is yet, then greeted for one that greets, and refuses that;
    whoever calls meanwhile waits for what it is spoken to in then."""
    plant = await Plant(ModernLink(), ModernLink(), known=KnownEra()).up()
    client = FakeClient(ABLE)
    client.version = "2025-11-25"
    plant.server.choice.welcome(client)
    connection = await plant.server.acquire("t", client)
    assert connection is plant.server.connection
    assert connection.era is Era.MODERN
    assert [link.methods()[0] for link in plant.made] == ["server/discover", "initialize"]
    await plant.server.close()


async def test_an_attempt_that_has_failed_is_over_though_its_end_takes_long() -> None:
    """A reload tries what is down at once. The next process starts when the one before has ended."""
    broken, good, gone = FakeLink(), FakeLink(), asyncio.Event()
    broken.opening = lost("it ended", started=True)
    broken.closing = gone.wait
    plant = Plant(broken, good, initial_delay_ms=3_600_000, max_delay_ms=3_600_000)
    await plant.up()
    assert plant.server._main.is_down
    plant.server.retry()
    await settle()
    assert plant.made == [broken]
    gone.set()
    await settle()
    assert plant.state() is State.CONNECTED
    assert plant.made == [broken, good]
    await plant.server.close()
