"""What the tests themselves stand on: loops of virtual and of real time."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import suppress
from typing import Any

import pytest

from tests import support
from tests.support import SECONDS, PlayedLoop, eventually, play, real_loop, run, settle
from tests.waiting import TookTooLong, bounded


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


def test_a_scene_in_which_timers_go_on_for_ever_fails_and_names_what_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(support, "PLAYED_SECONDS", 0.05)
    never = asyncio.Event()

    async def someone_waits() -> None:
        await never.wait()

    async def scene() -> None:
        ticking = asyncio.ensure_future(ticks())
        await someone_waits()
        ticking.cancel()

    async def ticks() -> None:
        while True:
            await asyncio.sleep(5)

    with pytest.raises(AssertionError, match="goes on for ever") as caught:
        play(scene())
    told = str(caught.value)
    assert "someone_waits" in told
    assert "ticks" in told
    assert "what waits" in told


def unheard() -> None:
    """Nobody hears of the end of the task that calls this: it has none."""
    task: Any = asyncio.current_task()
    task._log_destroy_pending = False


def test_what_does_not_end_even_then_fails_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(support, "PLAYED_SECONDS", 0.05)
    monkeypatch.setattr(support, "CLEARING_SECONDS", 0.05)

    async def deaf() -> None:
        unheard()
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(5)

    with pytest.raises(AssertionError, match="goes on for ever"):
        play(deaf())


def test_a_time_out_on_a_real_loop_names_what_waits() -> None:
    async def someone_waits() -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError) as caught:
        run(someone_waits(), 0.01)
    assert "someone_waits" in "".join(caught.value.__notes__)


def test_what_does_not_end_when_it_is_cancelled_fails_too_and_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(support, "CLEARING_SECONDS", 0.1)

    async def deaf() -> None:
        unheard()
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    async def scene() -> None:
        listening = asyncio.ensure_future(deaf())
        await asyncio.sleep(0)
        del listening

    with pytest.raises(pytest.fail.Exception, match="deaf"):
        run(scene(), 0.1)


def test_a_test_that_is_busy_for_ever_fails_and_names_where() -> None:
    def busy() -> None:
        while True:
            # A loop of the product that swallows what it can.
            with suppress(Exception):
                pass

    with pytest.raises(pytest.fail.Exception, match=r"longer than 0\.05 s(.|\n)* busy"), bounded(0.05):
        busy()


def test_a_test_that_is_stopped_where_nobody_passes_it_on_fails_all_the_same() -> None:
    def deaf() -> None:
        with suppress(TookTooLong):
            eventually(lambda: False)

    with pytest.raises(pytest.fail.Exception, match="longer than"), bounded(0.05):
        deaf()


def test_a_bound_leaves_the_one_around_it_as_it_was() -> None:
    left, _ = signal.getitimer(signal.ITIMER_REAL)
    with bounded(10.0):
        pass
    after, _ = signal.getitimer(signal.ITIMER_REAL)
    assert 10 < after <= left


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
