"""Every task has an owner that ends it, and none fails unheard."""

from __future__ import annotations

import asyncio
import logging

import pytest

from callmux.tasks import TaskSet, Withdrawal, at_once, first_of, reason_of, to_the_end, together, unbroken
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


async def test_what_was_only_just_spawned_begins_before_it_is_cancelled() -> None:
    """It may be what closes something: it would stay open, since nobody else knows of it."""

    tasks = TaskSet("x")
    closed: list[str] = []

    async def close() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            closed.append("connection")

    tasks.spawn(close())
    await tasks.cancel()
    assert closed == ["connection"]
    assert len(tasks) == 0


async def test_whoever_cancels_a_set_and_is_cancelled_at_once_has_cancelled_it() -> None:
    tasks = TaskSet("x")
    spawned = tasks.spawn(asyncio.Event().wait())
    ending = at_once(tasks.cancel())
    await asyncio.sleep(0)
    ending.cancel()
    await settle()
    assert spawned.cancelled()


async def test_the_steps_of_an_end_are_all_taken_whatever_becomes_of_one() -> None:
    taken: list[str] = []

    async def waits() -> None:
        taken.append("waits")
        await asyncio.Event().wait()

    async def fails() -> None:
        taken.append("fails")
        raise OSError("gone")

    async def ends() -> None:
        await asyncio.sleep(0)
        taken.append("ends")

    ending = at_once(to_the_end(waits, ends))
    await settle()
    ending.cancel()
    await settle()
    assert ending.cancelled()
    with pytest.raises(OSError, match="gone"):
        await to_the_end(fails, ends)
    assert taken == ["waits", "ends", "fails", "ends"]


async def test_what_is_done_together_begins_also_where_its_caller_is_cancelled_at_once() -> None:
    ended: list[str] = []

    async def end(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(name)

    doing = at_once(together(end("a"), end("b")))
    await asyncio.sleep(0)
    doing.cancel()
    await settle()
    assert doing.cancelled()
    assert ended == ["a", "b"]
    await together()


async def test_a_failure_of_what_is_done_together_comes_once_all_have_ended() -> None:
    done: list[str] = []

    async def fail() -> None:
        raise OSError("gone")

    async def do() -> None:
        await asyncio.sleep(0)
        done.append("it")

    with pytest.raises(OSError, match="gone"):
        await together(fail(), do())
    assert done == ["it"]


class Making:
    """Work with a middle, and what takes back what it gives."""

    def __init__(self, fails: bool = False) -> None:
        self.steps: list[str] = []
        self.go = asyncio.Event()
        self.fails = fails

    async def work(self) -> str:
        self.steps.append("begun")
        await self.go.wait()
        self.steps.append("done")
        if self.fails:
            raise ValueError("it cannot be made")
        return "made"

    async def undo(self, made: str) -> None:
        self.steps.append(f"{made} and undone")


async def test_what_must_not_be_broken_off_gives_its_result_or_its_failure() -> None:
    making, failing = Making(), Making(fails=True)
    making.go.set()
    failing.go.set()
    assert await unbroken(making.work(), making.undo) == "made"
    with pytest.raises(ValueError, match="cannot be made"):
        await unbroken(failing.work(), failing.undo)
    assert making.steps == failing.steps == ["begun", "done"]


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("times", [1, 3])
async def test_what_must_not_be_broken_off_is_undone_where_nobody_wants_it_any_more(
    times: int, fails: bool
) -> None:
    making = Making(fails)
    task = at_once(unbroken(making.work(), making.undo))
    for _ in range(times):
        await settle()
        task.cancel()
    await settle()
    assert not task.done()
    making.go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert making.steps == ["begun", "done", *([] if fails else ["made and undone"])]


async def test_what_must_not_be_broken_off_may_be_broken_off_with_the_whole_loop() -> None:
    making = Making()
    task = at_once(unbroken(making.work(), making.undo))
    await settle()
    for each in asyncio.all_tasks() - {asyncio.current_task()}:
        each.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert making.steps == ["begun"]
