"""A server runs when somebody needs it: started by the first who does, stopped when nothing depends on it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callmux.context import Scope
from callmux.errors import UpstreamUnavailable
from callmux.protocol.shapes import Tool
from callmux.upstream.failures import CallFailure
from callmux.upstream.health import State
from callmux.upstream.inventory.offer import Offer
from callmux.upstream.opening.reconnect import Timing
from tests.support import settle
from tests.upstream.fake_link import SILENCE, FakeLink
from tests.upstream.test_server import DOWN, FakeListing, Plant, later, recalling, tools

IDLE = 60.0


class Kept(FakeListing):
    """What an earlier process kept, written as it writes it."""

    def recall(self, *, exact: bool = False) -> Any:
        found = tuple(Tool(b'{"name":"%b","inputSchema":{"type":"object"}}' % n.encode()) for n in self.names)
        return (found, Offer(instructions="kept")) if found else None


def timed(plant: Plant, *, lazy: bool = False, idle: float | None = None) -> Plant:
    plant.server.timing = Timing(5.0, plant.server.timing.policy, lazy, idle)
    return plant


def lazy(plant: Plant, listing: FakeListing | None = None, idle: float | None = None) -> Plant:
    """A lazy server, perhaps with what an earlier process kept."""
    return timed(recalling(plant, listing or Kept()), lazy=True, idle=idle)


async def idle(*links: FakeLink, seconds: float = IDLE) -> Plant:
    """A server that is up, and stops once it has been idle."""
    plant = timed(Plant(*links), idle=seconds)
    await plant.up()
    return plant


async def test_a_lazy_server_is_listed_and_not_started() -> None:
    plant = lazy(Plant(), Kept("t"))
    await plant.up()
    await later(1000)
    assert (plant.made, plant.tools, plant.state()) == ([], ["t"], State.SLEEPING)
    record = plant.server.record()
    assert (record["state"], record["listedFrom"]) == ("sleeping", "disk")
    assert not {"error", "nextRetryAt", "consecutiveFailures"} & record.keys()
    assert plant.server.asleep
    await plant.server.close()


async def test_its_first_call_starts_it_and_nobody_is_told_of_a_change() -> None:
    plant = lazy(Plant(), Kept("t"))
    await plant.up()
    callers = await asyncio.gather(*(plant.acquire() for _ in range(5)))
    assert len(set(map(id, callers))) == len(plant.made) == 1
    assert (plant.state(), plant.changes, plant.server.asleep) == (State.CONNECTED, 0, False)
    record = plant.server.record()
    assert not {"listedFrom", "addedTools", "removedTools", "changedTools"} & record.keys()
    await later(10_000)
    assert plant.state() is State.CONNECTED
    await plant.server.close()


async def test_a_call_waits_as_long_as_the_server_needs_to_wake() -> None:
    """Longer than for one that was lost, which has its own bound."""
    slow = FakeLink()
    plant = await idle(FakeLink(), slow)
    plant.server.timing = Timing(60.0, plant.server.timing.policy, False, IDLE)
    slow.opening = later(40)
    await later(2 * IDLE)
    assert plant.server.asleep
    assert (await plant.acquire()).live
    await plant.server.close()


async def test_where_it_lists_something_else_once_it_is_up_status_says_what() -> None:
    changed = {"tools": [{"name": "a", "description": "new"}, {"name": "b"}]}
    plant = lazy(Plant(FakeLink(tools__list=changed)), Kept("a", "old"))
    await plant.up()
    await plant.acquire()
    assert (plant.tools, plant.changes) == (["a", "b"], 1)
    record = plant.server.record()
    assert (record["addedTools"], record["removedTools"], record["changedTools"]) == (["b"], ["old"], ["a"])
    await plant.server.close()


async def test_one_of_which_nothing_is_known_is_started_once_to_learn_what_it_lists() -> None:
    plant = lazy(Plant())
    await plant.up()
    await settle()
    assert (plant.tools, plant.state(), plant.made[0].closed) == (["t"], State.SLEEPING, 1)
    assert (await plant.acquire()).live
    assert (len(plant.made), plant.changes) == (2, 1)
    await plant.server.close()


async def test_a_call_that_comes_while_it_is_learned_uses_the_same_process() -> None:
    slow = FakeLink()
    slow.opening = later(1)
    plant = lazy(Plant(slow))
    plant.server.start()
    await settle()
    assert (await plant.acquire()).live
    await later(100)
    assert (len(plant.made), plant.state()) == (1, State.CONNECTED)
    await plant.server.close()


async def test_a_subscription_keeps_it_up_after_it_was_learned() -> None:
    plant = lazy(Plant(FakeLink(resources__subscribe={})))
    plant.server.subscribe({"x:1"})
    await plant.up()
    await settle()
    assert plant.state() is State.CONNECTED
    await plant.server.close()


async def test_one_that_cannot_be_learned_is_tried_again() -> None:
    """Nobody could call it: its tools are unknown."""
    plant = lazy(Plant(DOWN, FakeLink()))
    await plant.up()
    assert plant.tools == []
    await later(5)
    assert (plant.tools, plant.state()) == (["t"], State.SLEEPING)
    await plant.server.close()


async def test_calls_of_one_that_cannot_be_started_do_not_start_it_anew_one_by_one() -> None:
    """A storm of calls: it is tried ever more rarely, and each caller hears when it is tried again."""
    plant = lazy(Plant(DOWN), Kept("t"))
    await plant.up()
    tried, make = 0, plant.server._make_link

    def counted(scope: Scope | None = None) -> Any:
        nonlocal tried
        tried += 1
        return make(scope)

    plant.server._make_link = counted
    began = asyncio.get_running_loop().time()
    while asyncio.get_running_loop().time() < began + 60:
        with pytest.raises(UpstreamUnavailable) as caught:
            await plant.acquire()
        assert "no such command; the next call after " in caught.value.message
        assert str(caught.value.details["nextRetryAt"]) in caught.value.message
        assert caught.value.details["state"] == "failed"
        await later(0.1)
    # After 2, 4, 8, 8 ... seconds.
    assert tried == 9
    with pytest.raises(UpstreamUnavailable):
        await plant.acquire(force=True)
    assert tried == 10
    await plant.server.close()


async def test_a_directory_in_which_it_cannot_be_started_rests_too() -> None:
    plant = lazy(Plant(DOWN), Kept("t"))
    await plant.up()
    here = Scope(cwd="/here")
    for _ in range(2):
        with pytest.raises(CallFailure, match=r"^no such command$"):
            await plant.server.acquire("t", plant.client, scope=here)
    plant.links = [FakeLink()]
    with pytest.raises(CallFailure, match="no such command; the first call in 2 s tries again"):
        await plant.server.acquire("t", plant.client, scope=here)
    other = await plant.server.acquire("t", plant.client, scope=Scope(cwd="/there"))
    assert other.live
    await later(2)
    assert (await plant.server.acquire("t", plant.client, scope=here)).live
    await plant.server.close()


async def test_one_that_cannot_be_woken_stays_listed_and_is_tried_by_the_next_call() -> None:
    plant = lazy(Plant(DOWN, FakeLink()), Kept("t"))
    await plant.up()
    with pytest.raises(UpstreamUnavailable, match="no such command"):
        await plant.acquire()
    assert (plant.tools, plant.state()) == (["t"], State.FAILED)
    await later(1000)
    assert len(plant.links) == 1
    assert plant.made == []
    assert (await plant.acquire()).live
    await plant.server.close()


async def test_one_that_ends_by_itself_sleeps_unless_somebody_is_in_the_middle_of_something() -> None:
    plant = lazy(Plant(), Kept("t"))
    await plant.up()
    await plant.acquire()
    plant.made[0].dies()
    await later(1000)
    assert (len(plant.made), plant.state()) == (1, State.SLEEPING)
    await plant.acquire()
    plant.server.in_use.take()
    plant.made[1].dies()
    await later(1000)
    assert (len(plant.made), plant.state()) == (3, State.CONNECTED)
    await plant.server.close()


async def test_a_server_that_nothing_depends_on_is_stopped_and_stays_listed() -> None:
    plant = await idle(FakeLink())
    await plant.acquire()
    await later(IDLE * 0.9)
    assert plant.state() is State.CONNECTED
    await later(IDLE * 0.6)
    assert (plant.state(), plant.tools, plant.made[0].closed) == (State.SLEEPING, ["t"], 1)
    assert plant.changes == 1
    await later(IDLE * 10)
    assert len(plant.made) == 1
    assert (await plant.acquire()).live
    assert plant.changes == 1
    await later(IDLE * 2)
    assert plant.server.asleep
    await plant.server.close()


async def test_without_the_key_it_is_never_stopped() -> None:
    plant = await Plant().up()
    await later(1_000_000)
    assert plant.state() is State.CONNECTED
    await plant.server.close()


async def test_each_request_puts_its_end_off() -> None:
    plant = await idle(FakeLink())
    for _ in range(20):
        connection = await plant.acquire()
        await connection.request("ping", None, 5)
        await later(IDLE * 0.7)
    assert len(plant.made) == 1
    await plant.server.close()


@pytest.mark.parametrize("what", ["call", "question", "task", "subscription", "use"])
async def test_whatever_depends_on_it_keeps_it(what: str) -> None:
    plant = await idle(FakeLink(x=SILENCE, resources__subscribe={}))
    connection = await plant.acquire()
    call: Any = None
    thought = asyncio.Event()

    async def think() -> bytes:
        await thought.wait()
        return b"{}"

    if what == "call":
        call = asyncio.ensure_future(connection.request("x", None, 1_000_000))
    elif what == "question":
        plant.client.answers.append(think())
        plant.made[0].says({"id": 9, "method": "elicitation/create", "params": {}})
    elif what == "task":
        now = asyncio.get_running_loop().time()
        connection.makers.note(b'{"task":{"taskId":"1"}}', plant.client, now)
    elif what == "subscription":
        plant.server.subscribe({"x:1"})
    else:
        plant.server.in_use.take()
    await later(IDLE * 5)
    assert plant.state() is State.CONNECTED
    if what == "call":
        plant.made[0].answers("x", {})
        await call
    elif what == "question":
        thought.set()
    elif what == "task":
        connection.makers.forget(plant.client)
    elif what == "subscription":
        plant.server.subscriptions.clear()
    else:
        plant.server.in_use.give()
    await later(IDLE * 2)
    assert plant.state() is State.SLEEPING
    await plant.server.close()


async def test_a_call_that_comes_while_it_is_being_stopped_waits_for_the_old_process_to_end() -> None:
    """A server that holds a port or a lock must have given it back."""
    order: list[str] = []
    old, new = FakeLink(), FakeLink()

    async def closing() -> None:
        await asyncio.sleep(1)
        order.append("ended")

    async def opening() -> None:
        order.append("started")

    old.closing, new.opening = closing, opening()
    plant = await idle(old, new)
    while not plant.server.asleep:
        await later(1)
    assert (await plant.acquire()).live
    assert order == ["ended", "started"]
    await plant.server.close()


async def test_calls_at_random_moments_never_fail_because_of_a_stop() -> None:
    plant = await idle(FakeLink(), seconds=4)
    for n in range(400):
        connection = await plant.acquire()
        assert await connection.request("ping", None, 5) == b"{}"
        await later((n * 37 % 23) / 4)
    assert len(plant.made) > 10
    await plant.server.close()


async def test_a_connection_of_a_directory_is_ended_by_itself() -> None:
    """The main one stays as long as there are others: it tells them of lists that change."""
    plant = await idle(FakeLink())
    scope = Scope(cwd="/here")
    lane = await plant.server.acquire("t", plant.client, scope=scope)
    await later(IDLE * 3)
    assert plant.state() is State.CONNECTED
    plant.server.leave(lane)
    await later(IDLE * 3)
    assert len(plant.server.lanes) == 0
    assert plant.state() is State.SLEEPING
    assert [link.closed for link in plant.made] == [1, 1]
    await plant.server.close()


async def test_a_call_for_a_directory_leaves_the_main_connection_asleep() -> None:
    plant = lazy(Plant(), Kept("t"))
    await plant.up()
    lane = await plant.server.acquire("t", plant.client, scope=Scope(cwd="/here"))
    await settle()
    assert (len(plant.made), plant.server.asleep) == (1, True)
    plant.server.leave(lane)
    await plant.server.close()


async def test_where_a_directory_lists_something_new_the_server_is_started_to_learn_it() -> None:
    new = FakeLink(tools__list=tools("t", "new"))
    plant = lazy(Plant(new), Kept("t"))
    await plant.up()
    lane = await plant.server.acquire("t", plant.client, scope=Scope(cwd="/here"))
    await later(1)
    assert (plant.tools, plant.changes, plant.server.asleep) == (["t", "new"], 1, True)
    assert len(plant.made) == 2
    plant.server.leave(lane)
    await plant.server.close()


async def test_a_directory_whose_list_cannot_be_read_changes_nothing() -> None:
    plant = lazy(Plant(FakeLink(tools__list=ValueError("no"))), Kept("t"))
    await plant.up()
    plant.server.leave(await plant.server.acquire("t", plant.client, scope=Scope(cwd="/here")))
    await settle()
    assert (plant.tools, plant.server.asleep) == (["t"], True)
    await plant.server.close()


async def test_a_configuration_that_wants_it_up_again_starts_it() -> None:
    plant = lazy(Plant(), Kept("t"))
    await plant.up()
    plant.server.retry()
    await settle()
    assert plant.server.asleep
    timed(plant)
    await settle()
    assert plant.state() is State.CONNECTED
    # From now on it stops, without being opened anew first.
    timed(plant, idle=IDLE)
    await later(IDLE * 2)
    assert plant.server.asleep
    assert repr(plant.server.demand) == "ServerDemand('s', 0 watched)"
    await plant.server.close()


async def test_a_restart_wakes_it_to_see_what_it_lists_now() -> None:
    plant = lazy(Plant(FakeLink(tools__list=tools("new"))), Kept("t"))
    await plant.up()
    await plant.server.restart()
    await settle()
    assert (plant.tools, plant.changes, plant.server.asleep) == (["new"], 1, True)
    await plant.server.close()


async def test_what_is_kept_is_what_it_lists() -> None:
    listing = Kept("t")
    plant = lazy(Plant(), listing)
    await plant.up()
    assert plant.server.offer == Offer(instructions="kept")
    await plant.acquire()
    await settle()
    assert listing.kept == [["t"]]
    await plant.server.close()


class Process(FakeLink):
    transport = "stdio"


async def test_the_server_that_is_idle_and_may_be_stopped_can_be_spared() -> None:
    plant = await idle(Process())
    await plant.acquire()
    # A call that waits for another server may count as one that uses this one.
    plant.server.in_use.take()
    assert len(plant.server.demand.spare()) == 1
    plant.server.in_use.give()
    plant.server.subscribe({"x:1"})
    assert plant.server.demand.spare() == []
    await plant.server.close()
    kept = await Plant(Process()).up()
    assert len(kept.server.demand.spare()) == 1
    await kept.acquire()
    assert kept.server.demand.spare() == []
    await kept.server.close()


async def test_a_server_at_a_url_holds_no_process_that_could_make_room() -> None:
    plant = await idle(FakeLink())
    assert plant.server.demand.spare() == []
    await plant.server.close()


async def test_a_task_keeps_it_for_as_long_as_the_server_keeps_the_task() -> None:
    plant = await idle(FakeLink())
    connection = await plant.acquire()
    kept = b'{"task":{"taskId":"1","status":"working","ttl":%d}}' % (10 * IDLE * 1000)
    connection.makers.note(kept, plant.client, asyncio.get_running_loop().time())
    await later(IDLE * 9.9)
    assert plant.state() is State.CONNECTED
    await later(IDLE * 2)
    assert plant.state() is State.SLEEPING
    await plant.server.close()


async def test_whoever_stops_it_while_it_is_being_started_ends_that() -> None:
    slow, second = FakeLink(), FakeLink()
    slow.opening = later(1000)
    plant = Plant(slow, second)
    plant.server.timing = Timing(5000.0, plant.server.timing.policy)
    plant.server.start()
    waiting = asyncio.create_task(plant.acquire())
    await settle()
    plant.server.demand.stop()
    with pytest.raises(UpstreamUnavailable):
        await waiting
    await settle()
    assert (plant.state(), slow.closed) == (State.SLEEPING, 1)
    await later(10_000)
    assert len(plant.made) == 1
    assert (await plant.acquire()).live
    await plant.server.close()


async def test_whoever_stops_it_while_a_directory_is_being_started_ends_that_too() -> None:
    plant = await Plant(FakeLink(), slow := FakeLink()).up()
    slow.opening = later(1000)
    plant.server.timing = Timing(5000.0, plant.server.timing.policy)
    waiting = asyncio.create_task(plant.server.acquire("t", plant.client, scope=Scope(cwd="/here")))
    await settle()
    plant.server.demand.stop()
    with pytest.raises(CallFailure):
        await waiting
    assert (plant.state(), slow.closed, len(plant.server.lanes)) == (State.SLEEPING, 1, 0)
    await plant.server.close()
