"""What is counted never falls, and its names are bounded."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.observe.bus import Bus
from callmux.observe.facts import (
    ApprovalAnswered,
    CallEnded,
    CallRetried,
    ConnectFailed,
    Denied,
    HttpEnded,
    LimitReached,
    Reloaded,
    ResultShortened,
    ServerDown,
    ServerUp,
    SignInNeeded,
    ToolSuiteChanged,
)
from callmux.observe.totals import (
    BOUNDS,
    MOST_KINDS,
    MOST_PATHS,
    MOST_TOOLS,
    OTHER,
    OVERFLOW,
    Durations,
    Totals,
)


def http(path: str = "/mcp", **more: Any) -> HttpEnded:
    given = {"method": "POST", "route": path, "status": 200, "seconds": 0.25, **more}
    return HttpEnded(request_id="r", path=path, **given)


def call(tool: str = "t", **more: Any) -> CallEnded:
    return CallEnded(
        **{"server": "s", "method": "tools/call", "target": tool, "spelled": tool, "seconds": 0.5, **more}
    )


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture
def totals(bus: Bus) -> Totals:
    made = Totals()
    made.listen(bus)
    return made


def test_http_requests_count_by_method_route_and_status(bus: Bus, totals: Totals) -> None:
    for fact in (http(), http(seconds=0.5), http("", status=404), http(method="BREW", status=1000)):
        bus.publish(fact)
    assert {key: (d.count, d.total) for key, d in totals.http.items()} == {
        ("POST", "/mcp", 200): (2, 0.75),
        ("POST", "/__unmatched__", 404): (1, 0.25),
        ("OTHER", "/mcp", "other"): (1, 0.25),
    }


def test_calls_count_by_server_tool_and_outcome_with_their_durations_and_reasons(
    bus: Bus, totals: Totals
) -> None:
    bus.publish(call())
    bus.publish(call(outcome="tool_error", waited=0.02))
    bus.publish(call(outcome="failed", code="tool_call_failed", category="timeout"))
    bus.publish(call(outcome="failed", code="downstream_unavailable"))
    bus.publish(call("file:///etc/secret", method="resources/read"))
    assert dict(totals.calls) == {
        ("s", "t"): {"ok": 1, "tool_error": 1, "failed": 2},
        ("s", "resources/read"): {"ok": 1},
    }
    assert totals.failures["s"] == {"timeout": 1, "downstream_unavailable": 1}
    assert totals.queued["s"].count == 1
    durations = totals.durations["s", "t"]
    assert durations.classes[BOUNDS.index(0.5)] == durations.count == 4


def test_what_else_happens_counts_by_what_it_is(bus: Bus, totals: Totals) -> None:
    for fact in (
        CallRetried(server="s", target="t", category="timeout", reason="late"),
        ServerUp(server="s", again=False, seconds=0, tools=1),
        ServerUp(server="s", again=True, seconds=0, tools=1),
        ServerDown(server="s", reason="gone"),
        ConnectFailed(server="s", reason="no", attempt=1, next_seconds=None),
        ToolSuiteChanged(server="s", generation=1),
        SignInNeeded(server="s"),
        Reloaded(),
        Reloaded(error="bad"),
        LimitReached(limit="globalRequestsPerMinute"),
        Denied(rule="r", server="s"),
        Denied(rule="r"),
        ApprovalAnswered(question="q", answer="refused", how="terminal"),
        ResultShortened(how="shield", server="s", tool="t", before=1000, after=200),
        ResultShortened(how="toon", server="", tool="callmux_call", before=100, after=60),
    ):
        bus.publish(fact)
    assert set(totals.events["s"]) == {
        "retry",
        "connect",
        "reconnect",
        "disconnect",
        "connect_failure",
        "tool_suite_change",
        "sign_in_needed",
    }
    assert dict(totals.other) == {
        "reloads": {"ok": 1, "failed": 1},
        "limits": {"globalRequestsPerMinute": 1},
        "denials": {"s": 1, OTHER: 1},
        "approvals": {"refused": 1},
    }
    assert totals.saved == {
        "shield": {"results": 1, "bytes": 800},
        "toon": {"results": 1, "bytes": 40},
        "plain": {},
    }


def test_names_beyond_the_bound_count_together(bus: Bus, totals: Totals) -> None:
    for n in range(MOST_PATHS + 10):
        bus.publish(http(f"/{n}"))
    for n in range(MOST_TOOLS + 10):
        bus.publish(call(f"t{n}"))
    for n in range(MOST_KINDS + 10):
        bus.publish(call(outcome="failed", code=str(n)))
    assert len(totals.http) == MOST_PATHS + 1
    assert totals.http["OTHER", f"/{OVERFLOW}", "other"].count == 10
    assert len(totals.calls) == MOST_TOOLS + 1
    assert totals.calls[OVERFLOW, OVERFLOW]["ok"] == 10
    assert len(totals.failures["s"]) == MOST_KINDS + 1
    assert totals.failures["s"][OVERFLOW] == 10


def test_names_that_callers_make_up_take_no_place(bus: Bus, totals: Totals) -> None:
    for number in range(5):
        bus.publish(call(target=f"made up {number}", listed=False))
    bus.publish(call())
    assert [name for _, name in totals.calls] == [OTHER, call().target]


def test_who_stops_counting_keeps_what_was_counted_and_may_go_on(bus: Bus) -> None:
    totals = Totals()
    leave = totals.listen(bus)
    bus.publish(call())
    leave()
    bus.publish(call())
    assert not bus.calls
    totals.listen(bus)
    bus.publish(call())
    assert totals.calls["s", "t"]["ok"] == 2


def test_a_snapshot_stands_still(bus: Bus, totals: Totals) -> None:
    bus.publish(call(waited=1.0, outcome="failed", code="x"))
    bus.publish(http())
    bus.publish(Reloaded())
    bus.publish(ServerDown(server="s", reason=""))
    bus.publish(ResultShortened(how="toon", server="", tool="", before=2, after=1))
    same = totals.snapshot()
    before = repr(_shown(same))
    assert before == repr(_shown(totals))
    for fact in (
        call(waited=1.0, outcome="failed", code="x"),
        http(),
        Reloaded(),
        ServerDown(server="s", reason=""),
    ):
        bus.publish(fact)
    assert before == repr(_shown(same)) != repr(_shown(totals))


def _shown(totals: Totals) -> dict[str, Any]:
    return {
        name: {
            k: (v.count, v.total, v.classes) if isinstance(v, Durations) else dict(v) for k, v in kept.items()
        }
        for name, kept in vars(totals).items()
        if not name.startswith("_")
    }


def test_a_duration_at_a_bound_belongs_below_it() -> None:
    durations = Durations()
    for seconds in (0.005, 0.0051, 180.0, 181.0):
        durations.add(seconds)
    assert (durations.classes[0], durations.classes[1]) == (1, 1)
    assert durations.classes[-2:] == [1, 1]


def test_calls_are_told_by_server_for_those_who_want_rates() -> None:
    bus, totals = Bus(), Totals()
    totals.listen(bus)
    for tool, outcome in (("x", "ok"), ("y", "failed"), ("x", "tool_error")):
        bus.publish(CallEnded("a", "tools/call", tool, tool, 0.5, outcome=outcome))
    assert totals.by_server() == {"a": {"calls": 3, "failed": 1, "milliseconds": 1500.0}}
