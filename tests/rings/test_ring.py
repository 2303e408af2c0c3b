"""Whatever stages do, and however a job ends: each is left once for each time it was entered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from callmux.protocol.shapes import Result
from callmux.rings.ring import Job, cancel, carry, run, settle, start
from callmux.rings.stage import AGAIN, HELD, Cancelled, Outcome, Stages
from callmux.tasks import Withdrawal
from tests.support import context
from tests.support import settle as turns

DONE = Result(b"{}")


class Stage:
    """A stage that notes what happens to it and does what it is told.

    Args:
        enters: What `enter` gives, in turn; None once there is nothing more. An exception is raised.
        leaves: The same for `leave`; the outcome itself once there is nothing more.
    """

    gives_away = True

    def __init__(
        self, name: str, notes: list[str], enters: Sequence[Any] = (), leaves: Sequence[Any] = ()
    ) -> None:
        self.name = name
        self.notes = notes
        self.enters = list(enters)
        self.leaves = list(leaves)

    def enter(self, job: Job) -> Any:
        self.notes.append(f"{self.name} in")
        step = self.enters.pop(0) if self.enters else None
        if isinstance(step, BaseException):
            raise step
        return step(job) if callable(step) else step

    def leave(self, job: Job, outcome: Outcome) -> Any:
        shown = outcome.raw.decode() if isinstance(outcome, Result) else type(outcome).__name__
        self.notes.append(f"{self.name} out {shown}")
        step = self.leaves.pop(0) if self.leaves else outcome
        if isinstance(step, BaseException) and step is not outcome:
            raise step
        return step(job) if callable(step) else step


class Holder:
    """Has a job until the test brings the outcome."""

    def __init__(self) -> None:
        self.abandoned: list[str | None] = []

    def abandon(self, job: Job, reason: str | None) -> None:
        self.abandoned.append(reason)

    def __call__(self, job: Job) -> Any:
        job.holder = self
        return HELD


def later(value: Any) -> Callable[[Job], Any]:
    """A step that waits for a turn of the loop, and gives or raises `value`."""

    async def work() -> Any:
        await asyncio.sleep(0)
        if isinstance(value, BaseException):
            raise value
        return value

    return lambda job: work()


class Bench:
    """A job between an outer stage, the stage under test, and an innermost one that a holder has."""

    def __init__(self, enters: Sequence[Any] = (), leaves: Sequence[Any] = (), innermost: Any = None) -> None:
        self.notes: list[str] = []
        self.holder = Holder()
        inner = Stage("c", self.notes, [innermost or self.holder] * 9)
        stages = [Stage("a", self.notes), Stage("b", self.notes, enters, leaves), inner]
        self.outcomes: list[Outcome] = []
        self.job = Job(context=context(), stages=Stages(stages), done=self.done)

    def done(self, job: Job, outcome: Outcome) -> None:
        assert job is self.job
        self.outcomes.append(outcome)

    async def plays(self, outcome: Outcome | None = DONE, tasks: int = 0) -> list[str]:
        """What happens from the start to the end, where the holder brings `outcome`; in at most `tasks`."""
        before = asyncio.all_tasks()
        start(self.job)
        assert len(asyncio.all_tasks() - before) <= tasks
        await turns()
        if outcome is not None and self.job.holder is not None:
            settle(self.job, outcome)
            await turns()
        assert len(self.outcomes) == 1
        assert self.job.depth == 0
        assert self.job.task is None
        assert self.job.holder is None
        return self.notes


async def test_what_does_not_wait_has_no_task() -> None:
    bench = Bench()
    assert await bench.plays() == ["a in", "b in", "c in", "c out {}", "b out {}", "a out {}"]
    assert bench.outcomes == [DONE]


async def test_a_stage_that_gives_jobs_away_must_say_so() -> None:
    """Its depth would be wrong where the outcome comes at once: better no stage than such a one."""

    class Silent(Stage):
        gives_away = False

    job = Job(context=context(), stages=Stages([Silent("a", [], [Holder()])]))
    with pytest.raises(AssertionError, match="does not say so"):
        start(job)


async def test_an_outcome_that_comes_at_once_is_left_like_any_other() -> None:
    def at_once(job: Job) -> Any:
        settle(job, DONE)
        return HELD

    bench = Bench(innermost=at_once)
    assert await bench.plays(None) == ["a in", "b in", "c in", "c out {}", "b out {}", "a out {}"]


@pytest.mark.parametrize("wait", [False, True])
async def test_a_stage_that_waits_to_enter_goes_on_from_there(wait: bool) -> None:
    bench = Bench([later(None) if wait else None])
    whole = ["a in", "b in", "c in", "c out {}", "b out {}", "a out {}"]
    assert await bench.plays(tasks=1) == whole


@pytest.mark.parametrize("step", [DONE, later(DONE), ValueError("no"), later(ValueError("no"))])
async def test_a_stage_that_answers_or_fails_is_not_left(step: Any) -> None:
    bench = Bench([step])
    *_, last = await bench.plays(tasks=1)
    assert bench.notes == ["a in", "b in", last]
    assert last in ("a out {}", "a out ValueError")


@pytest.mark.parametrize("again", [AGAIN, later(AGAIN)])
async def test_a_stage_may_be_entered_once_more(again: Any) -> None:
    bench = Bench([again])
    notes = await bench.plays(tasks=1)
    assert notes == ["a in", "b in", "b in", "c in", "c out {}", "b out {}", "a out {}"]
    bench = Bench(leaves=[again])
    start(bench.job)
    for _ in range(2):
        settle(bench.job, DONE)
        await turns()
    first = ["a in", "b in", "c in", "c out {}", "b out {}"]
    assert bench.notes == [*first, "b in", "c in", "c out {}", "b out {}", "a out {}"]
    assert bench.outcomes == [DONE]


OTHER = Result(b"[]")


@pytest.mark.parametrize("step", [OTHER, later(OTHER), ValueError("no"), later(ValueError("no"))])
async def test_what_a_leave_gives_or_raises_is_the_outcome_further_out(step: Any) -> None:
    bench = Bench(leaves=[step])
    notes = await bench.plays()
    assert notes[:5] == ["a in", "b in", "c in", "c out {}", "b out {}"]
    assert notes[5:] in (["a out []"], ["a out ValueError"])


async def test_a_panic_that_is_no_exception_is_an_outcome() -> None:
    class Panic(BaseException):
        pass

    for bench in (Bench([Panic()]), Bench(leaves=[Panic()]), Bench([later(Panic())])):
        await bench.plays(tasks=1)
        assert isinstance(bench.outcomes[0], Panic)


async def test_what_was_waited_for_and_is_cancelled_by_others_is_a_failure() -> None:
    bench = Bench([later(asyncio.CancelledError())])
    await bench.plays(tasks=1)
    assert isinstance(bench.outcomes[0], RuntimeError)


async def test_a_job_that_is_held_is_abandoned_and_left() -> None:
    bench = Bench()
    start(bench.job)
    cancel(bench.job, "enough")
    cancel(bench.job, "enough")
    assert bench.holder.abandoned == ["enough"]
    assert bench.notes[3:] == ["c out Cancelled", "b out Cancelled", "a out Cancelled"]
    (outcome,) = bench.outcomes
    assert isinstance(outcome, Cancelled)
    assert outcome.reason == "enough"


@pytest.mark.parametrize("step", [later(None), later(AGAIN), later(ValueError("no"))])
@pytest.mark.parametrize("turns_before", [0, 1, 2])
async def test_a_job_that_waits_to_enter_is_left_wherever_it_is(step: Any, turns_before: int) -> None:
    """Before the first step of what it waits for, in the midst of it, and when that is over but nobody has
    looked."""

    bench = Bench([step])
    start(bench.job)
    for _ in range(turns_before):
        await asyncio.sleep(0)
    cancel(bench.job, None)
    await turns()
    assert len(bench.outcomes) == 1
    entered = [note.split()[0] for note in bench.notes if note.endswith(" in")]
    left = [note.split()[0] for note in bench.notes if " out " in note]
    assert len(set(left)) == len(left)
    assert left[-1] == "a"
    assert set(left) <= set(entered)
    assert "c" not in left or bench.holder.abandoned


async def test_a_job_that_waits_to_be_left_is_left_by_the_outer_stages() -> None:
    forever = asyncio.Event()
    bench = Bench(leaves=[lambda job: forever.wait()])
    start(bench.job)
    settle(bench.job, DONE)
    await turns()
    cancel(bench.job, "enough")
    await turns()
    assert bench.notes[3:] == ["c out {}", "b out {}", "a out Cancelled"]


@pytest.mark.parametrize("turns_before", [0, 1, 2, 3])
async def test_a_stage_that_was_to_be_entered_once_more_is_not_left_where_it_was_not_entered(
    turns_before: int,
) -> None:
    bench = Bench([later(AGAIN)])
    start(bench.job)
    for _ in range(turns_before):
        await asyncio.sleep(0)
    cancel(bench.job, None)
    await turns()
    entered = "c in" in bench.notes
    assert ("b out Cancelled" in bench.notes) == entered
    assert bench.notes[-1] == "a out Cancelled"


@pytest.mark.parametrize("turns_before", [0, 1])
async def test_a_leave_that_waits_begins_whenever_its_job_is_given_up(turns_before: int) -> None:
    """What the stage took would stay taken."""

    begun: list[str] = []

    async def work() -> Outcome:
        begun.append("b")
        await asyncio.Event().wait()
        return DONE

    bench = Bench(leaves=[lambda job: work()])
    start(bench.job)
    settle(bench.job, DONE)
    for _ in range(turns_before):
        await asyncio.sleep(0)
    cancel(bench.job, None)
    await turns()
    assert begun == ["b"]
    assert bench.notes[3:] == ["c out {}", "b out {}", "a out Cancelled"]


async def test_whoever_awaits_and_is_cancelled_gives_the_job_up_at_once() -> None:
    """Not a turn of the loop later: it might have been sent meanwhile."""

    bench = Bench([later(None)])
    task = asyncio.create_task(run(bench.job))
    await asyncio.sleep(0)
    task.cancel(Withdrawal("enough"))
    assert bench.job.given_up is not None
    assert bench.job.given_up.reason == "enough"
    await turns()
    assert "c in" not in bench.notes


async def test_an_outcome_may_need_work_before_it_is_one() -> None:
    bench = Bench()
    start(bench.job)

    async def work() -> Result:
        await asyncio.sleep(0)
        return OTHER

    carry(bench.job, work())
    assert bench.job.holder is None
    await turns()
    assert bench.notes[3:] == ["c out []", "b out []", "a out []"]


async def test_whoever_runs_in_a_task_awaits_the_outcome() -> None:
    held = Bench()
    task = asyncio.create_task(run(held.job))
    await turns()
    settle(held.job, DONE)
    assert await task is DONE
    assert await run(Bench([DONE]).job) is DONE
    with pytest.raises(ValueError, match="no"):
        await run(Bench([ValueError("no")]).job)


async def test_whoever_awaits_and_is_cancelled_gives_the_job_up_and_sees_it_end() -> None:
    for bench in (Bench(), Bench([later(None)]), Bench([lambda job: asyncio.Event().wait()])):
        task = asyncio.create_task(run(bench.job))
        await asyncio.sleep(0)
        task.cancel(Withdrawal("too late"))
        with pytest.raises(asyncio.CancelledError):
            await task
        assert bench.notes[-1] == "a out Cancelled"
        assert bench.job.given_up is not None
        assert bench.job.given_up.reason == "too late"
