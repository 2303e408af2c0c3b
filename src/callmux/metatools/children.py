"""The calls inside a fan-out: run at once, unwrapped, timed and counted.

Called by `callmux.metatools.parallel` and `.batch` (all at once) and `.pipeline` (one by one). Calls the one
door for calls, `Engine.call`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from callmux.context import CallContext
from callmux.metatools.engine import Begun, Engine
from callmux.metatools.values import unwrapped, unwrapping
from callmux.plan import Plan, ToolCall
from callmux.portions import Portions
from callmux.protocol.shapes import Aged, Result, Told
from callmux.rings.converting import Reminded, as_result
from callmux.rings.envelope import encode, succeeding
from callmux.rings.ring import NOT_WANTED, Job, cancel
from callmux.rings.stage import Cancelled, Outcome
from callmux.tasks import Withdrawal, at_once

T = TypeVar("T")

PROGRESS_NOTES = 100
"""At most so many progress notifications for one fan-out."""
IN_ONE_TURN = 100
"""Calls of a fan-out that begin before others have a turn of the loop."""


class ChildOutcome(msgspec.Struct, frozen=True):
    """What became of one call.

    Attributes:
        ok: Whether the tool did not report a failure. What its payload says about itself does not count.
        value: What the caller is shown of it.
        duration_ms: Milliseconds, queueing included.
        result: The result as it came, where somebody needs it further.
        beside: Further members of its entry: the input schema of a tool that was called wrongly; how old a
            result from the cache is.
    """

    ok: bool
    value: Raw
    duration_ms: int
    result: Result | None = None
    beside: dict[str, Raw] | None = None

    @property
    def kept(self) -> Result:
        """The result of a call that was made with `keep`."""
        assert self.result is not None
        return self.result

    def shown(self) -> dict[str, Any]:
        """The members of an entry that every fan-out has."""
        shown = {"ok": self.ok, "result": self.value, "durationMs": self.duration_ms}
        return shown if self.beside is None else shown | self.beside


def size_of(raw: Raw | None) -> int:
    """The bytes of some JSON; 0 for none."""
    return 0 if raw is None else memoryview(raw).nbytes


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
    return await _rest(work, one_at_a_time)


async def _rest(work: Portions[T], one_at_a_time: asyncio.Lock) -> T:
    """What `work` returns that has done its first portion."""
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
        keep: Whether the result is needed further: a large one takes as much memory again.
    """
    started = engine.clock.monotonic()
    result = await engine.call(call, context)
    took = milliseconds(engine.clock.monotonic() - started)
    kept, beside = result, None
    if isinstance(result, Reminded):
        beside, result = result.beside, result.plain
    elif isinstance(result, Aged):
        beside, result = result.beside, result.plain
        kept = result
    value = await in_turns(unwrapping(result), engine.large)
    return ChildOutcome(not result.is_error, value, took, kept if keep else None, beside)


async def run_all(
    calls: Sequence[ToolCall], engine: Engine, context: CallContext, *, keep: bool = False
) -> list[ChildOutcome]:
    """Makes all calls at once; the outcomes come in the order of the calls.

    Cancelling the caller cancels them all. A progress token stands for the whole: it is told how many of the
    calls are done, instead of the progress of each, which would go back and forth.

    Args:
        keep: Whether the results are needed further.
    """
    fan_out = _FanOut(calls, engine, context, keep)
    fan_out.begin()
    try:
        await fan_out
    finally:
        await fan_out.ended()
    return fan_out.outcomes


class _FanOut(asyncio.Future[None]):
    """The calls of one fan-out, without a task for each: done once all have ended. Where it is cancelled,
    they are at once: a turn of the loop later they might have been sent.
    """

    def __init__(self, calls: Sequence[ToolCall], engine: Engine, context: CallContext, keep: bool) -> None:
        super().__init__()
        self._calls, self._engine, self._keep = calls, engine, keep
        self._context = without_progress(context)
        self._now = engine.clock.monotonic
        self._tell = None if context.progress_token is None else _progress(len(calls), context)
        self._found: list[ChildOutcome | None] = [None] * len(calls)
        self._begun = 0
        self._under_way: dict[int, Begun | asyncio.Task[Raw]] = {}
        self._end: asyncio.Future[None] | None = None
        self._reminded: set[tuple[str, str]] = set()

    @property
    def outcomes(self) -> list[ChildOutcome]:
        """What became of the calls, in their order."""
        return [found for found in self._found if found is not None]

    def begin(self) -> None:
        """Begins the next calls, in their order; some in this turn of the loop, the others in later ones."""
        begin, now, under_way, context = self._engine.begin, self._now, self._under_way, self._context
        for index in range(self._begun, min(self._begun + IN_ONE_TURN, len(self._calls))):
            if self.done():
                return
            self._begun = index + 1
            under_way[index] = None
            try:
                begun = begin(self._calls[index], context, partial(self._ended, index, now()))
            except Exception as defect:  # noqa: BLE001 - the root of a callback
                self._break(index, defect)
                return
            if index in under_way and under_way[index] is None:
                # Else it has ended already, or its large result is being unwrapped.
                under_way[index] = begun
        if self._begun < len(self._calls):
            self.get_loop().call_soon(self.begin)
        else:
            self._look()

    def cancel(self, msg: Any = None) -> bool:
        if self.done():
            return False
        cancelled = super().cancel(msg)
        self._give_up(msg.reason if isinstance(msg, Withdrawal) else NOT_WANTED)
        return cancelled

    async def ended(self) -> None:
        """Waits until no call is under way any more."""
        if self._under_way:
            self._end = self.get_loop().create_future()
            await self._end

    def _give_up(self, reason: str | None) -> None:
        for begun in list(self._under_way.values()):
            if isinstance(begun, Job):
                cancel(begun, reason)
            elif begun is not None:
                begun.cancel(Withdrawal(reason))

    def _ended(self, index: int, began: float, job: Any, result: Outcome) -> None:
        """Takes what a call has ended with: a result, a failure, or that it was cancelled."""
        if self.done():
            self._is_over(index)
            return
        try:
            if not isinstance(result, Result):
                if isinstance(result, Cancelled) or not isinstance(result, Exception):
                    raise RuntimeError("a call of a fan-out has no outcome") from result
                result = as_result(result)
            took = milliseconds(self._now() - began)
            kept, beside = result, None
            if type(result) is Reminded:
                result, kept, beside = self._once(result)
            elif type(result) is Aged:
                beside, result = result.beside, result.plain
                kept = result
            value = unwrapped(result)
            if value is not None:
                # Nearly always no failure; `in` would cost an exception.
                ok = not result.raw.partition(b'"isError"')[1] or not result.is_error
                self._found[index] = ChildOutcome(ok, value, took, kept if self._keep else None, beside)
                if self._tell is not None:
                    self._tell()
                del self._under_way[index]
                if not self._under_way:
                    self._look()
                return
            # A large one, in portions.
            task = at_once(in_turns(unwrapping(result), self._engine.large))
            self._under_way[index] = task
            ended = partial(self._unwrapped, index, not result.is_error, took, beside)
            task.add_done_callback(partial(ended, kept if self._keep else None))
        except Exception as defect:  # noqa: BLE001 - the root of a callback
            self._break(index, defect)

    def _once(self, refused: Reminded) -> tuple[Result, Result, dict[str, Raw] | None]:
        """A refused call, what is kept of it, and the schema of its tool with the first that is refused."""
        if refused.tool in self._reminded:
            return refused.plain, refused.plain, None
        self._reminded.add(refused.tool)
        return refused.plain, refused, refused.beside

    def _unwrapped(
        self,
        index: int,
        ok: bool,
        took: int,
        beside: dict[str, Raw] | None,
        kept: Result | None,
        task: asyncio.Task[Raw],
    ) -> None:
        if self.done() or task.cancelled():
            self._is_over(index)
        elif (defect := task.exception()) is not None:
            self._break(index, defect)
        else:
            self._found[index] = ChildOutcome(ok, task.result(), took, kept, beside)
            if self._tell is not None:
                self._tell()
            self._is_over(index)

    def _break(self, index: int, defect: BaseException) -> None:
        """A call that breaks takes the others along."""
        self._under_way.pop(index, None)
        if not self.done():
            self.set_exception(defect)
            self._give_up(NOT_WANTED)
        self._look()

    def _is_over(self, index: int) -> None:
        self._under_way.pop(index, None)
        self._look()

    def _look(self) -> None:
        """Says what is to be said where no call is under way."""
        if self._under_way:
            return
        if not self.done() and self._begun == len(self._calls):
            self.set_result(None)
        if self._end is not None and not self._end.done():
            self._end.set_result(None)


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


async def answered(
    payload: Mapping[str, Any],
    plan: Plan,
    outcomes: Sequence[ChildOutcome | None],
    engine: Engine,
    *,
    keep: bool,
) -> Result:
    """The answer that is `payload`.

    Args:
        plan: The request; takes note of its calls.
        outcomes: What became of each call; None for one that was not made.
        keep: Whether it may be shown in another form, for which the results are needed as they came.
    """
    if plan.made is not None:
        plan.made.sizes += [
            len(outcome.value) + (0 if call.arguments is None else len(call.arguments))
            for call, outcome in zip(plan.calls, outcomes, strict=False)
            if outcome is not None
        ]
    result = await in_turns(succeeding(payload), engine.large)
    if keep:
        results = [None if outcome is None else outcome.result for outcome in outcomes]
        result.told = Told(payload, results, result.raw)
    return result
