"""Children of a fan-out run at once and die with their parent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from callmux.context import CallContext
from callmux.metatools.children import IN_ONE_TURN, in_turns, milliseconds, run_all, run_one, tally
from callmux.metatools.engine import Begun
from callmux.plan import ToolCall
from callmux.portions import PIECE, Portions
from callmux.protocol.shapes import Result
from callmux.rings.ring import Job
from callmux.rings.stage import Outcome
from callmux.tasks import Withdrawal
from tests.metatools.conftest import Bench, text


def calls(count: int, tool: str = "x") -> list[ToolCall]:
    return [ToolCall(spelling=tool, arguments=Raw(b'{"n":%d}' % n)) for n in range(count)]


def test_all_start_before_any_ends(bench: Bench) -> None:
    async def scenario() -> None:
        gate = asyncio.Event()

        async def wait() -> dict[str, object]:
            if len(bench.calls) == 50:
                gate.set()
            await gate.wait()
            return text("done")

        bench.answers["x"] = lambda call: wait()
        async with asyncio.timeout(5):
            outcomes = await run_all(calls(50), bench.engine, bench.context)
        assert len(outcomes) == 50

    asyncio.run(scenario())


def test_order_is_that_of_the_calls_whatever_ends_first(bench: Bench) -> None:
    async def scenario() -> None:
        gates = [asyncio.Event() for _ in range(3)]

        async def answer(call: ToolCall) -> dict[str, object]:
            n = msgspec.json.decode(call.arguments or b"")["n"]
            if n:
                await gates[n].wait()
            gates[n - 1].set()
            return text(str(n))

        bench.answers["x"] = answer
        async with asyncio.timeout(5):
            outcomes = await run_all(calls(3), bench.engine, bench.context)
        assert [bytes(o.value) for o in outcomes] == [b"0", b"1", b"2"]

    asyncio.run(scenario())


def test_cancelling_the_parent_cancels_every_child(bench: Bench) -> None:
    async def scenario() -> None:
        cancelled = 0
        running = asyncio.Event()

        async def hang(call: ToolCall) -> None:
            nonlocal cancelled
            if len(bench.calls) == 5:
                running.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled += 1
                raise

        bench.answers["x"] = hang
        parent = asyncio.ensure_future(run_all(calls(5), bench.engine, bench.context))
        async with asyncio.timeout(5):
            await running.wait()
            parent.cancel()
            with pytest.raises(asyncio.CancelledError):
                await parent
        assert cancelled == 5
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(scenario())


def test_a_child_that_breaks_takes_the_others_along(bench: Bench) -> None:
    """The door never raises; if it does, nothing is left behind."""

    async def scenario() -> None:
        engine = bench.engine

        def begin(call: ToolCall, *more: Any) -> Begun:
            if len(begun) == 2:
                raise RuntimeError("defect")
            begun.append(call)
            return engine.begin(call, *more)

        begun: list[ToolCall] = []
        bench.answers["x"] = lambda call: asyncio.Event().wait()
        with pytest.raises(RuntimeError, match="defect"):
            await run_all(calls(9), msgspec.structs.replace(engine, begin=begin), bench.context)
        assert (len(begun), len(asyncio.all_tasks())) == (2, 1)

    asyncio.run(scenario())


def test_a_child_that_ends_without_an_outcome_takes_the_others_along(bench: Bench) -> None:
    """It was cancelled, and nobody here has asked for it."""

    async def scenario() -> None:
        begun: list[asyncio.Task[Any]] = []
        engine = bench.engine

        def begin(*call: Any) -> Begun:
            begun.append(engine.begin(*call))  # type: ignore[arg-type]
            return begun[-1]

        bench.answers["x"] = lambda call: asyncio.Event().wait()
        parent = asyncio.ensure_future(
            run_all(calls(3), msgspec.structs.replace(engine, begin=begin), bench.context)
        )
        await asyncio.sleep(0)
        begun[1].cancel()
        with pytest.raises(RuntimeError, match="no outcome"):
            await parent
        assert all(task.cancelled() for task in begun)

    asyncio.run(scenario())


def test_a_failure_that_nobody_foresaw_is_the_result_of_its_child(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> list[bool]:
        async def answer(call: ToolCall) -> dict[str, object]:
            if call.arguments == Raw(b'{"n":1}'):
                raise KeyError("defect")
            return text("1")

        bench.answers["x"] = answer
        return [outcome.ok for outcome in await run_all(calls(3), bench.engine, bench.context)]

    assert asyncio.run(scenario()) == [True, False, True]
    assert "failed in callmux itself" in caplog.text


def test_children_are_given_up_before_a_turn_of_the_loop_and_no_other_begins(bench: Bench) -> None:
    """What waits for its turn would be sent otherwise."""

    async def scenario() -> None:
        given_up: list[str | None] = []
        done: list[Callable[[Any, Outcome], None]] = []

        class Held:
            def abandon(self, job: Job, reason: str | None) -> None:
                given_up.append(reason)

        def begin(call: ToolCall, context: CallContext, told: Callable[[Any, Outcome], None]) -> Begun:
            done.append(told)
            return Job(context=context, done=told, holder=Held())

        engine = msgspec.structs.replace(bench.engine, begin=begin)
        parent = asyncio.ensure_future(run_all(calls(IN_ONE_TURN + 9), engine, bench.context))
        await asyncio.sleep(0)
        parent.cancel(Withdrawal("enough"))
        assert given_up == ["enough"] * IN_ONE_TURN
        with pytest.raises(asyncio.CancelledError):
            await parent
        await asyncio.sleep(0)
        assert len(done) == IN_ONE_TURN

    asyncio.run(scenario())


def test_calls_that_end_before_they_have_begun_are_over(bench: Bench) -> None:
    """A result that is kept, or a tool that does not exist: there is nothing that could be given up."""

    async def scenario() -> None:
        def begin(call: ToolCall, context: CallContext, told: Callable[[Any, Outcome], None]) -> Begun:
            told(None, Result(json.dumps(text("kept")).encode()))
            return None

        engine = msgspec.structs.replace(bench.engine, begin=begin)
        async with asyncio.timeout(5):
            outcomes = await run_all(calls(IN_ONE_TURN + 1), engine, bench.context)
        assert [bytes(o.value) for o in outcomes] == [b'"kept"'] * (IN_ONE_TURN + 1)

    asyncio.run(scenario())


def test_a_large_result_that_was_there_at_once_is_given_up_with_the_others(bench: Bench) -> None:
    """Nobody goes on unwrapping it."""

    async def scenario() -> None:
        large = json.dumps(text("x" * (8 * PIECE))).encode()

        def begin(call: ToolCall, context: CallContext, told: Callable[[Any, Outcome], None]) -> Begun:
            job = Job(context=context, done=told)
            told(job, Result(large))
            return job

        engine = msgspec.structs.replace(bench.engine, begin=begin)
        parent = asyncio.ensure_future(run_all(calls(1), engine, bench.context))
        await asyncio.sleep(0)
        unwrapping = asyncio.all_tasks() - {parent, asyncio.current_task()}
        parent.cancel()
        with pytest.raises(asyncio.CancelledError):
            await parent
        assert [task.cancelled() for task in unwrapping] == [True]

    asyncio.run(scenario())


def test_others_have_turns_while_many_children_begin(bench: Bench) -> None:
    async def scenario() -> None:
        seen: list[int] = []
        loop = asyncio.get_running_loop()

        def look() -> None:
            seen.append(len(bench.calls))
            if len(bench.calls) < 10 * IN_ONE_TURN:
                loop.call_soon(look)

        bench.answers["x"] = text("1")
        loop.call_soon(look)
        outcomes = await run_all(calls(10 * IN_ONE_TURN), bench.engine, bench.context)
        assert len(outcomes) == 10 * IN_ONE_TURN
        assert all(after - before <= IN_ONE_TURN for before, after in pairwise(seen))

    asyncio.run(scenario())


def test_a_fan_out_without_calls_has_no_outcomes(bench: Bench) -> None:
    assert asyncio.run(run_all([], bench.engine, bench.context)) == []


def test_ten_thousand_children_are_fine(bench: Bench) -> None:
    bench.answers["x"] = text("1")
    outcomes = asyncio.run(run_all(calls(10_000), bench.engine, bench.context))
    assert tally(outcomes, [], 0)["succeeded"] == 10_000


def test_durations_are_whole_milliseconds(bench: Bench) -> None:
    def answer(call: ToolCall) -> object:
        bench.now += 0.0296
        return text("1")

    bench.answers["x"] = answer
    assert asyncio.run(run_one(calls(1)[0], bench.engine, bench.context)).duration_ms == 30
    assert milliseconds(-1.0) == 0


def test_progress_counts_children_and_theirs_stays_away(bench: Bench) -> None:
    """Progress of several calls under one token would go back and forth."""
    bench.context = msgspec.structs.replace(bench.context, progress_token=Raw(b'"t"'))
    asyncio.run(run_all(calls(3), bench.engine, bench.context))
    assert [c.progress_token for c in bench.contexts] == [None] * 3
    assert bench.client.notes == [
        ("notifications/progress", {"progressToken": "t", "progress": n, "total": 3}) for n in (1, 2, 3)
    ]


def test_progress_of_many_is_told_in_steps(bench: Bench) -> None:
    bench.context = msgspec.structs.replace(bench.context, progress_token=Raw(b"1"))
    asyncio.run(run_all(calls(1_050), bench.engine, bench.context))
    assert len(bench.client.notes) < 110
    assert bench.client.notes[-1][1]["progress"] == 1_050


@pytest.mark.parametrize("tool", ["callmux_parallel", "callmux_batch", "callmux_pipeline"])
def test_others_have_their_turns_while_a_large_answer_is_put_together(bench: Bench, tool: str) -> None:
    """In pieces of a quarter of a megabyte; one value at a time, so that memory stays bounded."""
    megabytes = 4
    rows = json.dumps([{"id": n, "text": "x" * 90} for n in range(megabytes * 10_000)])
    bench.answers["x"] = text(rows)
    entries = [{"tool": "x", "arguments": {}}, {"tool": "x", "arguments": {}}]
    if tool == "callmux_batch":
        asked = {"tool": "x", "items": [{"arguments": {}}, {"arguments": {}}]}
    elif tool == "callmux_pipeline":
        entries[1] |= {"inputMapping": {"n": "$json.39.id"}}
        asked = {"steps": entries}
    else:
        asked = {"calls": entries}
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def scenario() -> Result:
        beside = asyncio.create_task(others())
        answer = await bench.arun(tool, asked)
        beside.cancel()
        return answer

    answer = json.loads(asyncio.run(scenario()).raw)["structuredContent"]
    assert (answer["status"], turns > 0) == ("completed", True)
    # Each of two values is gone through twice or more, and the answer is written twice: as text, and as data.
    assert turns > 2 * megabytes * 4 * 2


def test_large_values_are_worked_on_one_at_a_time() -> None:
    """Memory stays bounded, however many children have large results."""
    steps: list[str] = []

    def working(name: str) -> Portions[str]:
        yield
        for _ in range(3):
            steps.append(name)
            yield
        return name

    async def scenario() -> list[str]:
        lock = asyncio.Lock()
        return await asyncio.gather(*(in_turns(working(name), lock) for name in "abc"))

    assert asyncio.run(scenario()) == ["a", "b", "c"]
    assert steps == [*"aaabbbccc"]


def test_a_small_value_waits_for_nobody() -> None:
    def small() -> Portions[int]:
        return 7
        yield

    async def scenario() -> int:
        lock = asyncio.Lock()
        await lock.acquire()
        return await in_turns(small(), lock)

    assert asyncio.run(scenario()) == 7
