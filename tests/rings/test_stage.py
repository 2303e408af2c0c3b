"""Stages nest in the order of their list."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw

from callmux.plan import Plan, ToolCall
from callmux.protocol.shapes import Result
from callmux.rings.call import Call
from callmux.rings.stage import compose, compose_requests
from tests.support import context, planned, play

CALL = planned(server="s", method="tools/call", target="t", asked=ToolCall(tool="t"), seconds=1, deadline=1)


class Noting:
    """A stage that notes when it is entered and left."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self.name = name
        self.notes = notes

    async def __call__(self, work: Any, around: Any, proceed: Any) -> Result:
        self.notes.append(f"{self.name} in")
        try:
            return await proceed(work, around)
        finally:
            self.notes.append(f"{self.name} out")


@pytest.mark.parametrize("nest", [compose, compose_requests])
def test_the_first_stage_is_outermost(nest: Any) -> None:
    notes: list[str] = []
    given = context()

    async def innermost(work: Any, around: Any) -> Result:
        notes.append("innermost")
        assert (work, around) == ("work", given)
        return Result(b"{}")

    ring = nest([Noting("a", notes), Noting("b", notes)], innermost)
    play(ring("work", given))
    play(ring("work", given))
    assert notes == ["a in", "b in", "innermost", "b out", "a out"] * 2


@pytest.mark.parametrize("nest", [compose, compose_requests])
def test_a_failure_passes_through_every_stage(nest: Any) -> None:
    notes: list[str] = []

    async def innermost(work: Any, around: Any) -> Result:
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        play(nest([Noting("a", notes), Noting("b", notes)], innermost)("work", context()))
    assert notes == ["a in", "b in", "b out", "a out"]


def test_a_stage_may_change_the_call_or_not_proceed() -> None:
    class Changing:
        async def __call__(self, call: Call, around: Any, proceed: Any) -> Result:
            return await proceed(call.with_arguments(Raw(b'{"b":2}')), around)

    class Answering:
        async def __call__(self, call: Call, around: Any, proceed: Any) -> Result:
            assert call.arguments is not None
            return Result(bytes(call.arguments))

    async def unreachable(call: Call, around: Any) -> Result:
        raise AssertionError("nobody proceeds to here")

    ring = compose([Changing(), Answering()], unreachable)
    assert play(ring(CALL, context())).raw == b'{"b":2}'


def test_without_stages_only_the_innermost_runs() -> None:
    async def innermost(plan: Plan, around: Any) -> Result:
        return Result(plan.name.encode())

    assert play(compose_requests([], innermost)(Plan(name="x"), context())).raw == b"x"
