"""What runs is shown while it runs, and costs nothing before somebody asks."""

from __future__ import annotations

from typing import Any

from callmux.plan import Plan, ToolCall
from callmux.protocol.shapes import Tool
from callmux.rings.ring import Job
from callmux.session.activity import Activity
from callmux.session.facts import Facts, Said
from callmux.session.request import Request
from callmux.upstream.catalogue import Catalogue, ServerTools
from tests.support import FakeClock, context, names_of, own_route

CATALOGUE = Catalogue(
    [ServerTools(server=name, tools=[Tool(b'{"name":"slow"}')], listed=True) for name in "ab"]
)


class Seat:
    """A session with requests in flight."""

    def __init__(self, *requests: Request) -> None:
        self.requests = requests
        self.facts = Facts()


class Bench:
    """Requests that began two seconds ago, or as told."""

    def __init__(self) -> None:
        self.time = FakeClock()
        self.activity = Activity(names_of(CATALOGUE).find, self.time.clock)

    def seat(self, *plans: Plan, age: float = 2) -> Any:
        seat: Any = Seat()
        said = Said(request_id="r1", session_id="s1", cwd="/w")
        requests = [Request(seat, n, "tools/call", said, self.time.now - age) for n in range(len(plans))]
        for request, plan in zip(requests, plans, strict=True):
            request.job = Job(context=context(), plan=plan, route=own_route(plan.name))
        seat.requests = requests
        return seat

    def shown(self, plan: Plan) -> dict[str, Any]:
        (call,) = self.activity.shown([self.seat(plan)])
        return call


ABOUT = {"requestId": "r1", "sessionId": "s1", "cwd": "/w"}


def test_a_direct_call_is_shown_with_its_target() -> None:
    call = Bench().shown(Plan(name="a__slow", calls=(ToolCall(spelling="a__slow"),)))
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
        "startedAt": "2023-11-14T22:13:18.000Z",
        "durationMs": 2000,
        "status": "in_flight",
    }


def test_a_fan_out_is_shown_with_all_its_targets_and_their_time_together() -> None:
    calls = (
        ToolCall(spelling="slow", server="a", timeout_ms=5000),
        ToolCall(spelling="a__slow"),
        ToolCall(spelling="b__slow"),
    )
    call = Bench().shown(Plan(name="callmux_parallel", calls=calls))
    assert (call["toolKind"], call["operation"], call["targetTool"]) == (
        "callmux_meta",
        "parallel",
        "callmux_parallel",
    )
    assert call["timeoutMs"] == 365_000
    assert [target["count"] for target in call["downstreamTargets"]] == [2, 1]
    assert "server" not in call


def test_callmux_call_is_shown_as_what_it_calls() -> None:
    plan = Plan(name="callmux_call", calls=(ToolCall(spelling="slow", server="b"),))
    call = Bench().shown(plan)
    assert (call["server"], call["targetTool"], call["operation"]) == ("b", "slow", "call")


def test_what_calls_nothing_and_what_leads_nowhere_have_no_more_to_show() -> None:
    status = Bench().shown(Plan(name="callmux_status"))
    assert "timeoutMs" not in status
    assert "downstreamTargets" not in status
    lost = Bench().shown(Plan(name="nope", calls=(ToolCall(spelling="nope"),)))
    assert lost["targetTool"] == "nope"
    assert "server" not in lost


def test_a_request_keeps_the_id_it_was_shown_by_and_the_oldest_comes_first() -> None:
    bench = Bench()
    plan = Plan(name="a__slow", calls=(ToolCall(spelling="a__slow"),))
    seats = [bench.seat(plan, age=1), bench.seat(plan, plan, age=5)]
    assert [request.shown_as for seat in seats for request in seat.requests] == ["", "", ""]
    first = bench.activity.shown(seats)
    assert [call["durationMs"] for call in first] == [5000, 5000, 1000]
    assert [call["id"] for call in bench.activity.shown(seats)] == [call["id"] for call in first]
    assert len({call["id"] for call in first}) == 3


def test_what_is_no_tool_call_is_not_shown() -> None:
    bench = Bench()
    seat = bench.seat(Plan(name="x"))
    seat.requests[0].job = None
    assert bench.activity.shown([seat]) == []
