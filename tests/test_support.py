"""What the tests themselves stand on: loops of virtual and of real time."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.support import SECONDS, PlayedLoop, play, real_loop, settle


async def test_an_hour_of_virtual_time_costs_nothing() -> None:
    assert isinstance(asyncio.get_running_loop(), PlayedLoop)
    before = asyncio.get_running_loop().time()
    await asyncio.sleep(3600)
    assert asyncio.get_running_loop().time() >= before + 3600


@real_loop()
async def test_a_marked_test_has_a_real_loop() -> None:
    loop = asyncio.get_running_loop()
    assert not isinstance(loop, PlayedLoop)
    assert abs(loop.time() - time.monotonic()) < SECONDS


@pytest.mark.parametrize("number", [1, 2])
async def test_an_async_test_has_its_arguments(number: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert number in (1, 2)
    assert tmp_path_factory.getbasetemp()


def test_a_scene_in_which_everything_waits_for_ever_fails() -> None:
    async def scene() -> None:
        await asyncio.Event().wait()

    with pytest.raises(AssertionError, match="nothing will ever happen"):
        play(scene())


async def test_settling_ends_once_nothing_is_ready_however_long_that_takes() -> None:
    turns = 0

    async def busy() -> None:
        nonlocal turns
        while turns < 500:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.ensure_future(busy())
    waiting = asyncio.ensure_future(asyncio.sleep(3600))
    await settle()
    assert task.done()
    assert not waiting.done(), "time does not pass"
    waiting.cancel()


async def test_what_runs_on_and_on_does_not_settle() -> None:
    async def endless() -> None:
        while True:
            await asyncio.sleep(0)

    task = asyncio.ensure_future(endless())
    with pytest.raises(AssertionError, match="on and on"):
        await settle()
    task.cancel()
