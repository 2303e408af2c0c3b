"""There are never more processes than there may be: who comes waits, and is told what to do."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callmux.context import Scope
from callmux.errors import UpstreamUnavailable
from callmux.upstream.failures import CallFailure
from callmux.upstream.opening.reconnect import Timing
from callmux.upstream.process_bound import ONE, WAIT_SECONDS, NoProcess, ProcessBound
from tests.support import FakeClient, settle
from tests.upstream.fake_link import FakeLink
from tests.upstream.test_server import Plant, later


def bounded(most: int | None) -> ProcessBound:
    bound = ProcessBound()
    bound.most = most
    return bound


async def test_without_a_bound_nobody_waits() -> None:
    bound = bounded(None)
    for _ in range(1000):
        await bound.take()
    assert bound.running == 1000


async def test_one_that_finds_no_room_waits_for_another_to_end_in_order() -> None:
    bound = bounded(1)
    await bound.take()
    waiting = [asyncio.create_task(bound.take()) for _ in range(2)]
    await settle()
    assert repr(bound) == "ProcessBound(1 of 1, 2 waiting)"
    bound.give()
    await settle()
    assert [task.done() for task in waiting] == [True, False]
    bound.give()
    await waiting[1]
    assert bound.running == 1


async def test_who_has_waited_in_vain_is_told_the_key() -> None:
    bound = bounded(1)
    await bound.take()
    began = asyncio.get_running_loop().time()
    with pytest.raises(CallFailure, match="maxProcesses") as caught:
        await bound.take()
    assert asyncio.get_running_loop().time() == pytest.approx(began + WAIT_SECONDS)
    assert not caught.value.started
    bound.give()
    assert bound.running == 0


async def test_one_that_nobody_needs_makes_room() -> None:
    bound = bounded(1)
    await bound.take()

    def spare() -> bool:
        asyncio.get_running_loop().call_soon(bound.give)
        return True

    bound.spare = spare
    await bound.take()
    assert bound.running == 1


@pytest.mark.parametrize("come", [True, False])
async def test_who_gives_up_leaves_room(come: bool) -> None:
    bound = bounded(1)
    await bound.take()
    waiting = asyncio.create_task(bound.take())
    await settle()
    if come:
        bound.give()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    if not come:
        bound.give()
    await settle()
    assert bound.running == 0


@pytest.mark.parametrize(("most", "let_in"), [(None, 3), (9, 3), (2, 1), (1, 0)])
async def test_a_bound_that_is_lifted_or_raised_lets_in_who_waits_at_once(
    most: int | None, let_in: int
) -> None:
    bound = bounded(1)
    await bound.take()
    waiting = [asyncio.create_task(bound.take()) for _ in range(3)]
    await settle()
    bound.allow(most)
    await settle()
    assert sum(task.done() for task in waiting) == let_in
    assert bound.running == 1 + let_in
    for task in waiting:
        task.cancel()


async def test_room_that_comes_in_the_last_moment_is_taken_and_not_lost() -> None:
    bound, loop = bounded(1), asyncio.get_running_loop()
    await bound.take()
    loop.call_at(loop.time() + WAIT_SECONDS, bound.give)
    taken = await asyncio.gather(bound.take(), return_exceptions=True)
    assert bound.running == sum(one is None for one in taken)


async def test_those_of_one_server_count_among_all() -> None:
    every = bounded(1)
    ours, theirs = ProcessBound(ONE, within=every), ProcessBound(ONE, within=every)
    await ours.take()
    assert (ours.running, every.running) == (1, 1)
    with pytest.raises(NoProcess, match="maxProcesses\\)"):
        await theirs.take()
    assert (theirs.running, every.running) == (0, 1)
    waiting = asyncio.create_task(theirs.take())
    await settle()
    ours.give()
    await waiting
    assert (ours.running, theirs.running, every.running) == (0, 1, 1)


async def test_whoever_has_no_patience_for_the_queue_can_say_why_he_waited() -> None:
    """`connectTimeoutMs` may be shorter than a place in the queue is kept."""
    bound = bounded(1)
    await bound.take()
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(1):
            await bound.take()
    assert caught.value.__cause__ is not None
    assert isinstance(caught.value.__cause__.__cause__, NoProcess)
    bound.give()
    assert bound.running == 0


class Process(FakeLink):
    """A link that is a process, and counted."""

    transport = "stdio"

    def __init__(self, bound: ProcessBound, **script: Any) -> None:
        super().__init__(**script)
        self.bound = bound
        self.runs = False

    async def open(self, listener: Any) -> None:
        await self.bound.take()
        self.runs = True
        await super().open(listener)

    async def close(self) -> None:
        await super().close()
        if self.runs:
            self.runs = False
            self.bound.give()


def plant(most: int, *, idle: float | None = None, lazy: bool = False, seconds: float = 60.0) -> Plant:
    """A server that may have so many processes."""
    bound = ProcessBound(ONE)
    made = Plant(*(Process(bound) for _ in range(20)), bound=bound)
    made.server.timing = Timing(seconds, made.server.timing.policy, lazy, idle, most)
    return made


def running(made: Plant) -> int:
    return sum(isinstance(link, Process) and link.runs for link in made.made)


async def called(made: Plant, client: Any, scope: Scope | None = None) -> None:
    """One call of a client, as the retrying stage makes it."""
    connection = await made.server.acquire("t", client, scope=scope)
    assert await connection.request("ping", None, 5) == b"{}"
    assert running(made) <= made.server.timing.most_processes  # type: ignore[operator]
    if scope is not None:
        made.server.leave(connection)


KINDS = [FakeClient(b'{"sampling":{}}'), FakeClient(b'{"elicitation":{}}'), FakeClient(b"{}")]


async def test_processes_of_a_server_that_may_be_stopped_make_room_for_one_another() -> None:
    made = await plant(1, idle=3600).up()
    for n in range(9):
        await called(made, KINDS[n % 3])
        await later(1)
    await made.server.close()
    assert running(made) == 0


async def test_one_that_was_only_asked_for_its_list_makes_room_whatever_is_configured() -> None:
    """Nothing can be lost with it."""
    made = await plant(1).up()
    await called(made, made.client, Scope(cwd="/a"))
    assert made.server.asleep
    assert made.tools == ["t"]
    await made.server.close()


async def test_a_directory_that_has_nothing_to_do_makes_room_for_another() -> None:
    made = await plant(2).up()
    for where in ("/a", "/b", "/c", "/a", "/d"):
        await called(made, made.client, Scope(cwd=where))
        await later(1)
    assert running(made) == 2
    await made.server.close()


async def test_where_none_may_end_the_call_is_told_the_keys() -> None:
    made = await plant(1).up()
    await called(made, KINDS[0])
    with pytest.raises(UpstreamUnavailable, match="maxProcessesPerServer"):
        await called(made, KINDS[1])
    with pytest.raises(
        CallFailure, match=r"1: its maxProcesses, else maxProcessesPerServer.*idleStopSeconds"
    ):
        await called(made, KINDS[0], Scope(cwd="/a"))
    await called(made, KINDS[0])
    await made.server.close()


async def test_where_a_connection_has_less_time_than_the_queue_the_keys_are_named_too() -> None:
    made = await plant(1, seconds=3).up()
    await called(made, KINDS[0])
    with pytest.raises(UpstreamUnavailable, match="maxProcessesPerServer"):
        await called(made, KINDS[1])
    await made.server.close()


async def test_who_waited_in_vain_may_wait_again_at_once() -> None:
    """It is no fault of the server: nothing was started."""
    made = await plant(1).up()
    lane = await made.server.acquire("t", made.client, scope=Scope(cwd="/a"))
    with pytest.raises(CallFailure, match="maxProcesses"):
        await called(made, made.client, Scope(cwd="/b"))
    made.server.leave(lane)
    await later(1)
    await called(made, made.client, Scope(cwd="/b"))
    await made.server.close()


async def test_a_process_with_a_task_makes_no_room() -> None:
    made = await plant(1).up()
    lane = await made.server.acquire("t", made.client, scope=Scope(cwd="/a"))
    lane.makers.note(b'{"task":{"taskId":"1","ttl":60000}}', made.client, asyncio.get_running_loop().time())
    made.server.leave(lane)
    await later(1)
    with pytest.raises(CallFailure, match="maxProcesses"):
        await called(made, made.client, Scope(cwd="/b"))
    await later(60)
    await called(made, made.client, Scope(cwd="/b"))
    await made.server.close()


async def test_a_main_connection_makes_room_for_the_one_that_replaces_it() -> None:
    """A client of other capabilities comes before anybody has called."""
    made = await plant(1).up()
    await called(made, KINDS[0])
    assert made.server.connection is not None
    assert made.server.connection.declared == KINDS[0].capabilities
    assert (len(made.made), running(made)) == (2, 1)
    await made.server.close()


async def test_another_configuration_raises_the_bound_of_a_server_that_runs() -> None:
    made = await plant(1).up()
    await called(made, KINDS[0])
    waiting = asyncio.create_task(made.server.acquire("t", KINDS[1]))
    await later(1)
    made.server.timing = Timing(60.0, made.server.timing.policy, most_processes=2)
    assert (await waiting).live
    assert running(made) == 2
    await made.server.close()
