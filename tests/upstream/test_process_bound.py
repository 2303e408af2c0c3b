"""There are never more processes than there may be: who comes waits, and is told what to do."""

from __future__ import annotations

import asyncio

import pytest

from callmux.upstream.failures import CallFailure
from callmux.upstream.process_bound import WAIT_SECONDS, ProcessBound
from tests.support import settle


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
