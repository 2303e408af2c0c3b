"""A call that is sent is followed, and its server is told which trace it belongs to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import pytest
from msgspec import Raw

from callmux.errors import ToolCallFailed, UpstreamUnavailable
from callmux.observe.bus import Bus
from callmux.observe.tracer import Begun, End
from callmux.plan import ToolCall
from callmux.protocol.jsonrpc import RpcError
from callmux.protocol.shapes import Result
from callmux.rings.ring import run
from callmux.rings.stage import Cancelled, Outcome, Stages
from callmux.rings.tracing import Tracing
from tests.support import FakeClient, context, planned, play, route


class Notes:
    """A tracer that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def request(self, begun: Begun) -> Any:
        raise AssertionError("no request here")

    def request_ended(self, trace: Any, end: End) -> None:
        raise AssertionError("no request here")

    def call(self, trace: Any, begun: Begun) -> tuple[Any, Mapping[str, str]]:
        self.told.append((trace, begun.method, begun.target, begun.server))
        return "followed", {"traceparent": "00-a-b-01"}

    def call_ended(self, trace: Any, end: End, id: str, transport: str) -> None:
        self.told.append((trace, end, id, transport))


class Ends:
    """The innermost stage: this is the outcome; what would be sent is kept."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.line: Any = None

    def enter(self, call: Any) -> Result:
        self.line = json.loads(call.line(5))
        call.number = 5
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


def followed(outcome: Outcome, **more: Any) -> tuple[Notes, Any]:
    """What a tracer hears of a call, and the params that its server gets."""
    bus, notes, ends = Bus(), Notes(), Ends(outcome)
    bus.trace_with(notes)
    client = FakeClient()
    client.trace = "the request"
    more.setdefault("asked", ToolCall(spelling="t", arguments=Raw(b"{}"), meta=more.pop("meta", None)))
    call = planned(
        stages=Stages([Tracing(bus), ends]), context=context(client=client), arguments=Raw(b"{}"), **more
    )

    async def scene() -> None:
        with nullcontext() if isinstance(outcome, Result) else pytest.raises(BaseException):
            await run(call)

    play(scene())
    return notes, ends.line["params"]


def test_the_server_is_told_the_trace_beside_what_the_client_said() -> None:
    notes, params = followed(Result(b"{}"), meta=Raw(b'{"traceparent":"old","baggage":"x=1","own":{"a":1}}'))
    assert params["_meta"] == {"traceparent": "00-a-b-01", "baggage": "x=1", "own": {"a": 1}}
    assert notes.told == [("the request", "tools/call", "t", "s"), ("followed", End(), "5", "stdio")]
    assert followed(Result(b"{}"))[1]["_meta"] == {"traceparent": "00-a-b-01"}


@pytest.mark.parametrize(
    ("outcome", "end"),
    [
        (Result(b'{"isError":true}'), End(error="tool_error")),
        (
            ToolCallFailed("no", category="unknown", rootCause="bad id", jsonRpcCode=-32602),
            End(error="-32602", status="-32602", words="bad id", code="tool_call_failed"),
        ),
        (
            ToolCallFailed("late", category="timeout", rootCause="too late"),
            End(error="timeout", words="too late", code="tool_call_failed"),
        ),
        (UpstreamUnavailable("down"), End(error="downstream_unavailable", code="downstream_unavailable")),
        (RpcError(-32042, "sign in"), End(error="-32042", status="-32042", words="sign in")),
        (Cancelled("enough"), End(error="cancelled")),
        (KeyError("oh"), End(error="internal_error", code="internal_error")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_way_to_end_is_an_error_of_a_bounded_kind(outcome: Outcome, end: End) -> None:
    notes, _ = followed(outcome)
    assert notes.told[1][1] == end


def test_it_concerns_a_route_only_while_somebody_traces() -> None:
    bus = Bus()
    stage = Tracing(bus)
    assert not stage.concerns(route())
    bus.trace_with(Notes())
    assert stage.concerns(route())


def test_a_call_that_began_before_anybody_traced_goes_on_as_it_is() -> None:
    bus = Bus()
    ends = Ends(Result(b"{}"))
    call = planned(stages=Stages([Tracing(bus), ends]), arguments=Raw(b"{}"))
    play(_runs(call))
    assert "_meta" not in ends.line["params"]


async def _runs(call: Any) -> None:
    await run(call)
