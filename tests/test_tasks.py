"""Every task has an owner that ends it, and none fails unheard."""

from __future__ import annotations

import asyncio
import logging

import pytest

from callmux.tasks import TaskSet, Withdrawal, at_once, first_of, reason_of
from tests.support import play, settle


async def test_a_task_is_kept_until_it_is_done() -> None:
    tasks = TaskSet("x")
    go = asyncio.Event()
    task = tasks.spawn(go.wait())
    assert len(tasks) == 1
    go.set()
    assert await task is True
    await settle()
    assert len(tasks) == 0


def test_a_failure_is_logged_with_its_owner(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        tasks = TaskSet('server "github"')

        async def fail() -> None:
            raise ValueError("boom")

        tasks.spawn(fail())
        await settle()
        assert len(tasks) == 0

    with caplog.at_level(logging.ERROR):
        play(scene())
    assert "server \"github\": a task failed: ValueError('boom')" in caplog.text
    assert "Traceback" in caplog.text


def test_cancelling_ends_all_and_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        tasks = TaskSet("x")
        spawned = [tasks.spawn(asyncio.Event().wait()) for _ in range(3)]
        await settle()
        await tasks.cancel()
        assert all(task.cancelled() for task in spawned)
        assert len(tasks) == 0
        await tasks.cancel()

    play(scene())
    assert caplog.text == ""


async def test_a_task_may_end_its_own_set() -> None:
    """It cancels the others and goes on itself."""

    tasks = TaskSet("x")
    other = tasks.spawn(asyncio.Event().wait())

    async def end() -> str:
        await settle()
        await tasks.cancel()
        return "done"

    assert await tasks.spawn(end()) == "done"
    assert other.cancelled()


def test_the_wait_for_a_stubborn_task_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        loop = asyncio.get_running_loop()
        tasks = TaskSet("x")
        release = asyncio.Event()

        async def stubborn() -> None:
            try:
                await release.wait()
            except asyncio.CancelledError:
                await release.wait()

        task = tasks.spawn(stubborn())
        await settle()
        began = loop.time()
        await tasks.cancel(seconds=5)
        assert loop.time() - began == pytest.approx(5, abs=0.01)
        release.set()
        await task

    play(scene())
    assert "x: 1 tasks did not end in 5.0 s" in caplog.text


async def test_tasks_that_take_too_long_are_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    tasks, may_end = TaskSet("owner"), asyncio.Event()
    await tasks.finished(1.0)
    short, long = tasks.spawn(asyncio.sleep(0.5)), tasks.spawn(may_end.wait())
    await tasks.finished(1.0)
    assert short.done()
    assert not long.done()
    assert "owner: 1 tasks did not end in 1.0 s" in caplog.text
    may_end.set()
    await tasks.finished(1.0)
    assert long.done()


async def test_a_task_for_whoever_awaits_it() -> None:
    async def work() -> int:
        return 7

    assert await at_once(work()) == 7


async def test_the_first_of_several_events_counts() -> None:
    loop = asyncio.get_running_loop()
    first, second = asyncio.Event(), asyncio.Event()
    loop.call_later(5, second.set)
    began = loop.time()
    await first_of(first, second)
    assert loop.time() - began == pytest.approx(5, abs=0.01)
    await first_of(first, second)
    assert loop.time() - began == pytest.approx(5, abs=0.01)
    await first_of(first, seconds=3)
    assert loop.time() - began == pytest.approx(8, abs=0.01)
    await settle()
    assert len(asyncio.all_tasks()) == 1


async def test_a_cancellation_carries_the_reason_of_whoever_asked_for_it() -> None:
    async def reason_seen(message: object) -> str | None:
        async def work() -> str | None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError as error:
                return reason_of(error, "nobody asked")
            raise AssertionError

        task = asyncio.ensure_future(work())
        await settle()
        task.cancel(message)
        return await task

    assert await reason_seen(Withdrawal("enough")) == "enough"
    assert await reason_seen(Withdrawal(None)) is None
    assert await reason_seen(None) == "nobody asked"
    assert await reason_seen("words of the library") == "nobody asked"
