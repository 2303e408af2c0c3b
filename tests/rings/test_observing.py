"""Who listens hears of each call once, with what became of it."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
from msgspec import Raw

from callmux.clock import Clock
from callmux.context import Scope
from callmux.errors import SessionCwdUnresolved, ToolCallFailed, UpstreamUnavailable
from callmux.guard.principal import Principal
from callmux.observe.bus import Bus
from callmux.observe.facts import CallEnded
from callmux.plan import Plan, ToolCall
from callmux.protocol.jsonrpc import RpcError
from callmux.protocol.shapes import Result, Tool
from callmux.rings.observing import Observing
from callmux.rings.ring import run
from callmux.rings.stage import Cancelled, Outcome, Stages
from tests.support import FakeClient, FakeClock, context, planned, play, route


class Ends:
    """The innermost stage: half a second later, this is the outcome."""

    def __init__(self, time: FakeClock, outcome: Outcome) -> None:
        self.time, self.outcome = time, outcome

    def enter(self, call: Any) -> Result:
        self.time.advance(0.5)
        call.number = 7
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


def heard(outcome: Outcome, **more: Any) -> CallEnded:
    """What a listener hears of a call with this outcome."""
    bus, time = Bus(), FakeClock()
    facts: list[CallEnded] = []
    bus.subscribe(CallEnded, facts.append)
    stage = Observing(bus, time.clock)
    call = planned(stages=Stages([stage, Ends(time, outcome)]), **more)

    async def scene() -> None:
        with nullcontext() if isinstance(outcome, Result) else pytest.raises(BaseException):
            await run(call)

    play(scene())
    assert len(facts) == 1
    return facts[0]


def test_a_result_has_its_size_its_time_and_its_place() -> None:
    alice = Principal(kind="bearer", id="alice")
    around = context(principal=alice, about={"requestId": "r1", "sessionId": "s1"})
    asked = ToolCall(spelling="git__log", arguments=Raw(b'{"n":1}'))
    fact = heard(
        Result(b'{"content":[]}'),
        server="git",
        target="log",
        asked=asked,
        arguments=asked.arguments,
        context=around,
        plan=Plan(name="git__log", calls=(asked,)),
        tool=Tool(b'{"name":"log"}'),
    )
    assert fact == CallEnded(
        server="git",
        method="tools/call",
        target="log",
        spelled="git__log",
        seconds=0.5,
        sent=7,
        received=14,
        session_id="s1",
        request_id="r1",
        principal=alice,
        request=id(around.client),
    )


def test_headers_of_the_client_that_went_with_a_call_are_told_by_name() -> None:
    scope = Scope(headers=(("x-user-key", "secret"),))
    assert heard(Result(b"{}"), scope=scope).forwarded == ("x-user-key",)
    assert heard(Result(b"{}"), scope=Scope(cwd="/x")).forwarded == ()


def test_a_tool_that_its_server_does_not_list_is_told_from_one_that_it_does() -> None:
    assert not heard(Result(b'{"content":[]}')).listed
    assert heard(Result(b"{}"), method="resources/read", target="x://y").listed


def test_a_call_of_a_fan_out_names_its_meta_tool() -> None:
    client = FakeClient()
    client.doing = "callmux_parallel"
    assert heard(Result(b"{}"), context=context(client=client)).within == "callmux_parallel"


@pytest.mark.parametrize(
    ("outcome", "shown"),
    [
        (Result(b'{"content":[],"isError":true}'), ("tool_error", "", "")),
        (ToolCallFailed("late", category="timeout"), ("failed", "tool_call_failed", "timeout")),
        (UpstreamUnavailable("down"), ("failed", "downstream_unavailable", "")),
        (SessionCwdUnresolved("where?"), ("failed", "session_cwd_unresolved", "")),
        (RpcError(-32042, "sign in"), ("failed", "-32042", "")),
        (KeyError("oh"), ("failed", "internal_error", "")),
        (Cancelled("enough"), ("cancelled", "", "")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_way_to_end_has_its_name(outcome: Outcome, shown: tuple[str, str, str]) -> None:
    fact = heard(outcome)
    assert (fact.outcome, fact.code, fact.category) == shown


def test_it_concerns_a_route_only_while_somebody_listens() -> None:
    bus = Bus()
    stage = Observing(bus, Clock())
    assert not stage.concerns(route())
    leave = bus.subscribe(CallEnded, lambda fact: None)
    assert stage.concerns(route())
    leave()
    assert not stage.concerns(route())
