"""The calls inside a fan-out: run at once, unwrapped, timed and counted.

Called by `callmux.metatools.parallel` and `.batch` (all at once) and `.pipeline` (one by one). Calls the one
door for calls, `Engine.call`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from callmux.context import CallContext
from callmux.metatools.engine import Engine
from callmux.metatools.values import unwrapping
from callmux.plan import ToolCall
from callmux.portions import Portions
from callmux.protocol.shapes import Result
from callmux.rings.envelope import encode
from callmux.tasks import at_once

T = TypeVar("T")

PROGRESS_NOTES = 100
"""At most so many progress notifications for one fan-out."""


class ChildOutcome(msgspec.Struct, frozen=True):
    """What became of one call.

    Attributes:
        ok: The tool did not report a failure. What its payload says about itself does not count.
        value: What the caller is shown of it.
        duration_ms: Milliseconds, queueing included.
        result: The result as it came, where somebody needs it further.
    """

    ok: bool
    value: Raw
    duration_ms: int
    result: Result | None = None

    @property
    def kept(self) -> Result:
        """The result of a call that was made with `keep`."""
        assert self.result is not None
        return self.result

    def shown(self) -> dict[str, Any]:
        """The members of an entry that every fan-out has."""
        return {"ok": self.ok, "result": self.value, "durationMs": self.duration_ms}


def milliseconds(seconds: float) -> int:
    """A duration as answers show it."""
    return max(0, round(seconds * 1000))


async def in_turns(work: Portions[T], one_at_a_time: asyncio.Lock) -> T:
    """What `work` returns, with a turn of the loop for others between its portions."""
    try:
        next(work)
    except StopIteration as over:
        small: T = over.value
        return small
    async with one_at_a_time:
        while True:
            await asyncio.sleep(0)
            try:
                next(work)
            except StopIteration as over:
                value: T = over.value
                return value


async def run_one(
    call: ToolCall, engine: Engine, context: CallContext, *, keep: bool = False
) -> ChildOutcome:
    """Makes one call.

    Args:
        keep: The result is needed further: a large one takes as much memory again.
    """
    started = engine.clock.monotonic()
    result = await engine.call(call, context)
    took = milliseconds(engine.clock.monotonic() - started)
    value = await in_turns(unwrapping(result), engine.large)
    return ChildOutcome(not result.is_error, value, took, result if keep else None)


async def run_all(calls: Sequence[ToolCall], engine: Engine, context: CallContext) -> list[ChildOutcome]:
    """Makes all calls at once; the outcomes come in the order of the calls.

    Cancelling the caller cancels them all. A progress token stands for the whole: it is told how many of the
    calls are done, instead of the progress of each, which would go back and forth.
    """
    done = _progress(len(calls), context)
    child_context = without_progress(context)

    async def run(call: ToolCall) -> ChildOutcome:
        outcome = await run_one(call, engine, child_context)
        done()
        return outcome

    tasks = [at_once(run(call)) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        if late := [task for task in tasks if not task.done()]:
            for task in late:
                task.cancel()
            await asyncio.wait(late)


def without_progress(context: CallContext) -> CallContext:
    """The circumstances of one child of several."""
    return (
        context if context.progress_token is None else msgspec.structs.replace(context, progress_token=None)
    )


def _progress(total: int, context: CallContext) -> Callable[[], None]:
    token = context.progress_token
    count = 0
    step = max(1, total // PROGRESS_NOTES)

    def done() -> None:
        nonlocal count
        count += 1
        if token is not None and (count % step == 0 or count == total):
            note = {"progressToken": token, "progress": count, "total": total}
            context.client.notify("notifications/progress", encode(note))

    return done


def tally(
    outcomes: Sequence[ChildOutcome], entries: Sequence[dict[str, Any]], total_ms: int
) -> dict[str, Any]:
    """The payload of a fan-out over `entries`, which belong to `outcomes`."""
    failed = [n for n, outcome in enumerate(outcomes) if not outcome.ok]
    return {
        "status": "partial" if failed else "completed",
        "results": list(entries),
        "totalDurationMs": total_ms,
        "succeeded": len(outcomes) - len(failed),
        "failed": len(failed),
        "failedIndexes": failed,
    }
