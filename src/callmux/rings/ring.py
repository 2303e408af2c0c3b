"""The one driver of stages: in by their enters, out by their leaves, and a task only where one waits.

Called by `callmux.router` for requests, for the calls in them, and by whoever holds a job (a connection, a
shared read) when it has its outcome. What begins in the callback that read a request goes on in the callback
that read its answer; nothing in between belongs to a task.

How it works. `depth` counts stages that are entered and not left; it is all that a job knows of its way.
`start` enters from `depth` on until a stage gives something: an outcome, which goes to `settle`; `HELD`,
after which the holder calls `settle` itself; or a coroutine, for which alone a task is made. `settle`
leaves from `depth` down to 0 and hands the outcome over once. A leave may replace the outcome, wait, or say
`AGAIN`, which is how a call is sent twice. `cancel` goes to whoever has the job: the task, or the holder.

What is ugly: `settle` calls itself when an outcome changes, and a stage may bring the outcome while `start`
is still in its loop, so `depth` is set before each enter and taken back after it. Cancelling while a stage
leaves takes a turn of the loop, because a task that has not begun would never run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from callmux.context import CallContext
from callmux.plan import Plan
from callmux.protocol.shapes import Result
from callmux.rings.stage import (
    AGAIN,
    HELD,
    NO_STAGES,
    SMALL,
    Cancelled,
    Entered,
    Leaves,
    Left,
    Outcome,
    Sign,
    Stages,
)
from callmux.tasks import Withdrawal, at_once, reason_of

if TYPE_CHECKING:
    from callmux.rings.route import Route


ALL_LEFT = -1
NOT_WANTED = "the caller no longer wants it"
"""Why a job is given up where nobody says why."""


class Holder(Protocol):
    """Whoever has a job between its way in and its way out."""

    def abandon(self, job: Any, reason: str | None) -> None:
        """Gives the job up: nobody wants its outcome any more, and it must not be brought."""


def nobody(job: Any, outcome: Outcome) -> None:
    """Takes the outcome of a job that nobody waits for."""


class Job(msgspec.Struct, eq=False, kw_only=True):
    """A request or a call on its way through stages.

    Attributes:
        context: Its circumstances.
        plan: What the request will do; None for a call inside one.
        route: The tool it goes to, a meta-tool included; None for a name that is not looked up yet.
        stages: What stands around it.
        done: Takes the job and its outcome, once. Whoever this belongs to lets go of the job then: what know
            each other would stay until garbage is collected.
        depth: How many stages are entered and not left.
        holder: Who has it; None while it is in a stage.
        task: What it waits for; None where it does not wait.
        leaving: Whether it waits to be left, not to enter.
        paused: Whether it has waited in a stage: time has passed since it came.
        given_up: Why nobody wants it any more; None while somebody does.
        makes_task: Whether it is a call that makes a task of its server (MCP 2025-11-25,
            basic/utilities/tasks).
    """

    context: CallContext
    plan: Plan | None = None
    route: Route | None = None
    stages: Stages = NO_STAGES
    done: Callable[[Any, Outcome], None] = nobody
    depth: int = 0
    holder: Holder | None = None
    task: asyncio.Task[Any] | None = None
    leaving: bool = False
    paused: bool = False
    given_up: Cancelled | None = None
    makes_task: bool = False


def start(job: Job) -> None:
    """Enters the stages that are not entered yet. The last of them must bring the outcome."""
    step: Entered = None
    depth, gives_away = 0, False
    try:
        for depth, enter, gives_away in job.stages.enters[job.depth]:
            if gives_away:
                # Before: whoever gets the job may bring its outcome at once.
                job.depth = depth
            step = enter(job)
            if step is not None:
                break
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - the root of a job; panics of Rust are no Exceptions
        job.depth = depth - 1
        settle(job, error)
        return
    if step is HELD:
        assert gives_away, "a stage gives jobs away and does not say so"
        return
    job.depth = depth - 1
    if isinstance(step, Result):
        settle(job, step)
    elif step is AGAIN:
        start(job)
    else:
        assert step is not None, "the innermost stage brings no outcome"
        assert not isinstance(step, Sign)
        _wait(job, step, _entered)


def settle(job: Job, outcome: Outcome) -> None:
    """Leaves every stage that was entered, and hands the outcome over."""
    stages = job.stages
    if type(outcome) is not Result:
        out = stages.leaves
    else:
        out = stages.small if len(outcome.raw) <= SMALL else stages.returns
    leave_by(job, outcome, out[job.depth])


def leave_by(job: Job, outcome: Outcome, leaves: Leaves) -> None:
    """`settle`, for whoever knows already which stages look at such an outcome."""
    job.holder = None
    left: Left
    try:
        for depth, leave in leaves:  # noqa: B007 - where it stopped
            left = leave(job, outcome)
            if left is not outcome:
                break
        else:
            depth = ALL_LEFT
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - as above
        left = error
    if depth == ALL_LEFT:
        job.depth = 0
        job.done(job, outcome)
        return
    job.depth = depth
    if isinstance(left, (Result, BaseException)):
        # Something else from here on outwards.
        settle(job, left)
    elif left is AGAIN:
        start(job)
    else:
        assert not isinstance(left, Sign)
        job.leaving = True
        _wait(job, left, _left)


def cancel(job: Job, reason: str | None) -> None:
    """Gives a job up: nobody wants it any more. The job is left like any other, with `Cancelled` for its
    outcome."""
    if job.given_up is not None:
        return
    job.given_up = gone = Cancelled(reason)
    if job.task is not None and job.leaving:
        # A turn later: what has not begun would never run, and whatever the stage took would stay taken.
        job.task.get_loop().call_soon(job.task.cancel, Withdrawal(reason))
    elif job.task is not None:
        job.task.cancel(Withdrawal(reason))
    elif job.holder is not None:
        job.holder.abandon(job, reason)
        settle(job, gone)


def carry(job: Job, work: Coroutine[Any, Any, Outcome]) -> None:
    """Ends a job with what `work` gives, once `work` is done."""
    job.holder = None
    _wait(job, work, settle)


async def run(job: Job) -> Result:
    """The result of a job, for whoever runs in a task of its own.

    Raises:
        Exception: Its failure.
    """
    over: list[Outcome] = []
    waiter: asyncio.Future[None] | None = None

    def done(job: Job, outcome: Outcome) -> None:
        job.done = nobody
        over.append(outcome)
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    job.done = done
    start(job)
    if not over:
        waiter = _Waiter(job)
        try:
            await waiter
        except asyncio.CancelledError as given_up:
            cancel(job, reason_of(given_up, NOT_WANTED))
            if not over:
                # It waits for something that must end first.
                await _ended(job)
            raise
    outcome = over[0]
    if isinstance(outcome, Cancelled):
        raise asyncio.CancelledError(Withdrawal(outcome.reason))
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


class _Waiter(asyncio.Future[None]):
    """What the caller of `run` awaits. Where it is cancelled, the job is at once: a turn of the loop later it
    might have been sent.

    Args:
        job: The job.
    """

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job = job

    def cancel(self, msg: Any = None) -> bool:
        if not self.done():
            cancel(self._job, msg.reason if isinstance(msg, Withdrawal) else NOT_WANTED)
        return super().cancel(msg)


async def _ended(job: Job) -> None:
    """Waits until a job that was given up has left its stages."""
    while (task := job.task) is not None:
        await asyncio.wait({task})
        # What follows from it follows in a callback of its own.
        await asyncio.sleep(0)


def _wait(job: Job, work: Coroutine[Any, Any, Any], then: Callable[[Job, Any], None]) -> None:
    job.task = task = at_once(work)
    task.add_done_callback(partial(_waited, job, then))


def _waited(job: Job, then: Callable[[Job, Any], None], task: asyncio.Task[Any]) -> None:
    job.task, job.leaving, job.paused = None, False, True
    gone = job.given_up
    if task.cancelled():
        # Where nobody gave it up, not the job was cancelled, but what it waited for.
        settle(job, RuntimeError("what a call waited for was cancelled") if gone is None else gone)
    elif (error := task.exception()) is not None:
        settle(job, error)
    else:
        then(job, task.result())


def _entered(job: Job, step: Result | Sign | None) -> None:
    """Goes on with a job after a stage whose entering had to wait."""
    if isinstance(step, Result):
        settle(job, step)
        return
    if step is None:
        job.depth += 1
    if job.given_up is None:
        start(job)
    else:
        # Whatever it took meanwhile it gives back when it is left. What is to enter again, has not.
        settle(job, job.given_up)


def _left(job: Job, outcome: Outcome | Sign) -> None:
    """Goes on with a job after a stage whose leaving had to wait."""
    if isinstance(outcome, Sign):
        _entered(job, outcome)
    else:
        settle(job, outcome)
