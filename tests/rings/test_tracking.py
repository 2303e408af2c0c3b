"""What runs now is shown while it runs, however it ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callmux.metatools.table import NAMES
from callmux.plan import Plan, ToolCall
from callmux.protocol.shapes import Result, Tool
from callmux.rings.tracking import ActiveCalls, Tracking
from callmux.upstream.catalogue import Catalogue, ServerTools
from tests.support import FakeClock, context, names_of, play, settle

ABOUT = {"requestId": "r1", "sessionId": "s1", "cwd": "/w"}
CATALOGUE = Catalogue(
    [ServerTools(server=name, tools=[Tool(b'{"name":"slow"}')], listed=True) for name in "ab"]
)


def shown(plan: Plan, **around: Any) -> list[dict[str, Any]]:
    """The calls shown while one of this plan runs for two seconds."""
    active, time = ActiveCalls(), FakeClock()
    stage = Tracking(active, names_of(CATALOGUE).find, NAMES, time.clock)

    async def proceed(plan: Plan, around: Any) -> Result:
        time.advance(2)
        seen.extend(active.shown(time.clock))
        return Result(b"{}")

    seen: list[dict[str, Any]] = []
    play(_awaited(stage(plan, context(**around), proceed)))
    assert len(active) == 0
    return seen


async def _awaited(result: Any) -> Any:
    return await result


def test_a_direct_call_is_shown_with_its_target() -> None:
    (call,) = shown(Plan(name="a__slow", calls=(ToolCall(tool="a__slow"),)), about=ABOUT)
    assert call.pop("id")
    assert call == {
        **ABOUT,
        "tool": "a__slow",
        "server": "a",
        "targetTool": "slow",
        "toolKind": "downstream",
        "operation": "direct",
        "timeoutMs": 180_000,
        "downstreamTargets": [{"server": "a", "tool": "slow", "count": 1}],
        "startedAt": "2023-11-14T22:13:20.000Z",
        "durationMs": 2000,
        "status": "in_flight",
    }


def test_a_fan_out_is_shown_with_all_its_targets_and_their_time_together() -> None:
    calls = (
        ToolCall(tool="slow", server="a", timeout_ms=5000),
        ToolCall(tool="a__slow"),
        ToolCall(tool="b__slow"),
    )
    (call,) = shown(Plan(name="callmux_parallel", calls=calls), about=ABOUT)
    assert (call["toolKind"], call["operation"], call["targetTool"]) == (
        "callmux_meta",
        "parallel",
        "callmux_parallel",
    )
    assert call["timeoutMs"] == 365_000
    assert [target["count"] for target in call["downstreamTargets"]] == [2, 1]
    assert "server" not in call


def test_callmux_call_is_shown_as_what_it_calls() -> None:
    plan = Plan(name="callmux_call", calls=(ToolCall(tool="slow", server="b"),))
    (call,) = shown(plan, about=ABOUT)
    assert (call["server"], call["targetTool"], call["operation"]) == ("b", "slow", "call")


def test_what_calls_nothing_and_what_leads_nowhere_have_no_more_to_show() -> None:
    (status,) = shown(Plan(name="callmux_status"), about=ABOUT)
    assert "timeoutMs" not in status
    assert "downstreamTargets" not in status
    (lost,) = shown(Plan(name="nope", calls=(ToolCall(tool="nope"),)), about=ABOUT)
    assert lost["targetTool"] == "nope"
    assert "server" not in lost


def test_on_stdio_nothing_is_tracked() -> None:
    assert shown(Plan(name="a__slow", calls=(ToolCall(tool="a__slow"),))) == []


def test_a_call_that_fails_or_is_cancelled_is_not_shown_any_more() -> None:
    async def scene() -> None:
        active, time = ActiveCalls(), FakeClock()
        stage = Tracking(active, names_of(CATALOGUE).find, NAMES, time.clock)

        async def fails(plan: Plan, around: Any) -> Result:
            raise ValueError("no")

        async def hangs(plan: Plan, around: Any) -> Result:
            return Result(await asyncio.Event().wait() and b"")

        plan = Plan(name="a__slow", calls=(ToolCall(tool="a__slow"),))
        with pytest.raises(ValueError, match="no"):
            await stage(plan, context(about=ABOUT), fails)
        task = asyncio.ensure_future(stage(plan, context(about=ABOUT), hangs))
        await settle()
        assert len(active) == 1
        task.cancel()
        await settle()
        assert len(active) == 0

    play(scene())
