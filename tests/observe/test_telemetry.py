"""Spans and metrics keep to the conventions for MCP, to the letter.

Against open-telemetry/semantic-conventions-genai, docs/gen-ai/mcp.md.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from callmux.observe.bus import Bus
from callmux.observe.facts import ServerDown, ServerRemoved, ServerUp, SessionEnded
from callmux.observe.telemetry import BOUNDS, Telemetry, exporting
from callmux.observe.tracer import Begun, End
from tests.support import SECONDS, FakeClock

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
HTTP = "00-11111111111111111111111111111111-2222222222222222-01"


class Collector:
    """A tracer whose spans and metrics stay in memory."""

    def __init__(self) -> None:
        self.time = FakeClock()
        self.bus = Bus()
        self._spans = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        self.telemetry = Telemetry(
            "callmux", [SimpleSpanProcessor(self._spans)], [self.reader], self.bus, self.time.clock.monotonic
        )

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._spans.get_finished_spans())

    @property
    def points(self) -> dict[str, list[Any]]:
        """Data points by the name of their metric; the unit is asserted on the way."""
        found: dict[str, list[Any]] = {}
        data = self.reader.get_metrics_data()
        for resource in data.resource_metrics if data is not None else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    assert metric.unit == "s"
                    found.setdefault(metric.name, []).extend(metric.data.data_points)
        return found

    def request(self, end: End = End(), **begun: Any) -> ReadableSpan:  # noqa: B008 (frozen)
        """The span of a request that ends like this after a quarter of a second."""
        given = {"method": "tools/call", "target": "get_weather", "id": "7", **begun}
        trace = self.telemetry.request(Begun(**given))
        self.time.advance(0.25)
        self.telemetry.request_ended(trace, end)
        return self.spans[-1]


@pytest.fixture
def collector() -> Collector:
    return Collector()


def ids(traceparent: str) -> tuple[int, int]:
    _, trace, span, _ = traceparent.split("-")
    return int(trace, 16), int(span, 16)


def test_a_tool_call_of_a_client_is_a_server_span_with_its_name_and_attributes(collector: Collector) -> None:
    span = collector.request(transport="http", version="2025-11-25", session_id="s1")
    assert span.name == "tools/call get_weather"
    assert span.kind is SpanKind.SERVER
    assert dict(span.attributes or {}) == {
        "mcp.method.name": "tools/call",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "get_weather",
        "jsonrpc.request.id": "7",
        "mcp.protocol.version": "2025-11-25",
        "mcp.session.id": "s1",
        "network.transport": "tcp",
        "network.protocol.name": "http",
    }
    assert span.status.status_code is StatusCode.UNSET
    assert span.resource.attributes["service.name"] == "callmux"


@pytest.mark.parametrize(
    ("method", "target", "name", "key"),
    [
        ("prompts/get", "summary", "prompts/get summary", "gen_ai.prompt.name"),
        ("resources/read", "file:///a", "resources/read", "mcp.resource.uri"),
        ("tools/list", "", "tools/list", None),
        ("initialize", "", "initialize", None),
    ],
)
def test_a_name_holds_tools_and_prompts_and_never_addresses(
    collector: Collector, method: str, target: str, name: str, key: str | None
) -> None:
    span = collector.request(method=method, target=target)
    attributes = dict(span.attributes or {})
    assert span.name == name
    assert "gen_ai.operation.name" not in attributes
    assert attributes["network.transport"] == "pipe"
    assert key is None or attributes[key] == target


def test_the_parent_stands_in_meta_and_the_http_request_is_linked(collector: Collector) -> None:
    carrier = {"traceparent": PARENT, "tracestate": "rojo=00f067aa0ba902b7"}
    span = collector.request(carrier=carrier, around={"traceparent": HTTP})
    assert span.parent is not None
    assert (span.parent.trace_id, span.parent.span_id) == ids(PARENT)
    assert span.parent.trace_state.get("rojo") == "00f067aa0ba902b7"
    assert [(link.context.trace_id, link.context.span_id) for link in span.links] == [ids(HTTP)]


def test_without_meta_the_http_request_is_the_parent_and_without_both_there_is_none(
    collector: Collector,
) -> None:
    span = collector.request(around={"traceparent": HTTP})
    assert span.parent is not None
    assert (span.parent.trace_id, span.links) == (ids(HTTP)[0], ())
    assert collector.request().parent is None
    assert collector.request(carrier={"traceparent": "nonsense"}).parent is None


def test_a_call_is_a_client_span_below_its_request_and_its_server_is_told(collector: Collector) -> None:
    telemetry = collector.telemetry
    carrier = {"traceparent": PARENT, "tracestate": "a=b", "baggage": "userId=alice"}
    request = telemetry.request(Begun(method="tools/call", target="callmux_parallel", carrier=carrier))
    call, told = telemetry.call(
        request, Begun(method="tools/call", target="log", server="git", version="2025-11-25")
    )
    telemetry.call_ended(call, End(), "12", "streamable-http")
    telemetry.request_ended(request, End())
    inner, outer = collector.spans
    assert (inner.name, inner.kind) == ("tools/call log", SpanKind.CLIENT)
    assert inner.parent is not None
    assert outer.context is not None
    assert inner.context is not None
    assert inner.parent.span_id == outer.context.span_id
    assert inner.context.trace_id == ids(PARENT)[0]
    assert ids(told["traceparent"]) == (inner.context.trace_id, inner.context.span_id)
    assert (told["tracestate"], told["baggage"]) == ("a=b", "userId=alice")
    attributes = dict(inner.attributes or {})
    assert attributes["jsonrpc.request.id"] == "12"
    assert attributes["network.transport"] == "tcp"
    assert attributes["callmux.server"] == "git"


def test_a_call_of_no_request_begins_a_trace_of_its_own(collector: Collector) -> None:
    call, told = collector.telemetry.call(None, Begun(method="tools/call", target="t", server="s"))
    collector.telemetry.call_ended(call, End(), "", "stdio")
    (span,) = collector.spans
    assert span.parent is None
    assert "traceparent" in told


def test_a_result_that_is_an_error_is_a_tool_error(collector: Collector) -> None:
    span = collector.request(End(error="tool_error", code="downstream_unavailable"))
    attributes = dict(span.attributes or {})
    assert attributes["error.type"] == "tool_error"
    assert attributes["callmux.error.code"] == "downstream_unavailable"
    assert span.status.status_code is StatusCode.ERROR


def test_a_json_rpc_error_shows_its_code_and_its_message(collector: Collector) -> None:
    span = collector.request(End(error="-32603", status="-32603", words="it broke"))
    attributes = dict(span.attributes or {})
    assert attributes["error.type"] == attributes["rpc.response.status_code"] == "-32603"
    assert span.status.description == "it broke"


def test_durations_are_in_seconds_in_the_recommended_classes(collector: Collector) -> None:
    collector.request()
    collector.request(End(error="tool_error"))
    points = collector.points["mcp.server.operation.duration"]
    assert {point.attributes.get("error.type") for point in points} == {None, "tool_error"}
    assert [point.sum for point in points] == [0.25, 0.25]
    assert (
        points[0].explicit_bounds
        == BOUNDS
        == (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
    )
    assert points[0].attributes["gen_ai.tool.name"] == "get_weather"
    assert "jsonrpc.request.id" not in points[0].attributes
    call, _ = collector.telemetry.call(None, Begun(method="tools/call", target="log", server="git"))
    collector.time.advance(0.5)
    collector.telemetry.call_ended(call, End(error="timeout"), "1", "stdio")
    (point,) = collector.points["mcp.client.operation.duration"]
    assert point.sum == 0.5
    assert dict(point.attributes) == {
        "mcp.method.name": "tools/call",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "log",
        "callmux.server": "git",
        "network.transport": "pipe",
        "error.type": "timeout",
    }


def test_names_that_a_client_makes_up_are_no_names_of_metrics(collector: Collector) -> None:
    span = collector.request(End(error="tool_error", code="tool_not_found", unknown=True), target="x" * 50)
    collector.request(method="made/up", target="")
    attributes = [dict(point.attributes) for point in collector.points["mcp.server.operation.duration"]]
    assert span.name == "tools/call"
    assert all("gen_ai.tool.name" not in found for found in attributes)
    assert {found["mcp.method.name"] for found in attributes} == {"tools/call", "_OTHER"}


def test_sessions_on_both_sides_have_their_durations(collector: Collector) -> None:
    bus, time = collector.bus, collector.time
    bus.publish(SessionEnded(session_id="s", transport="stdio", seconds=12.0, version="2025-11-25"))
    bus.publish(ServerUp(server="git", again=False, seconds=0, tools=1))
    time.advance(5)
    bus.publish(ServerDown(server="git", reason="it crashed"))
    bus.publish(ServerUp(server="git", again=True, seconds=0, tools=1))
    time.advance(3)
    bus.publish(ServerRemoved(server="git"))
    bus.publish(ServerDown(server="never up", reason="no"))
    (ours,) = collector.points["mcp.server.session.duration"]
    assert ours.sum == 12.0
    assert dict(ours.attributes) == {"network.transport": "pipe", "mcp.protocol.version": "2025-11-25"}
    theirs = {
        point.attributes.get("error.type"): point.sum
        for point in collector.points["mcp.client.session.duration"]
    }
    assert theirs == {"_OTHER": 5.0, None: 3.0}


def test_it_follows_nothing_after_it_has_left(collector: Collector) -> None:
    assert collector.bus.tracer is collector.telemetry
    collector.telemetry.leave()
    collector.telemetry.close(5)
    assert collector.bus.tracer is None
    assert not collector.bus.hears(SessionEnded)


def test_the_variables_of_opentelemetry_name_the_service_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "ours")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=prod")
    resource = Collector().request().resource.attributes
    assert (resource["service.name"], resource["deployment.environment"]) == ("ours", "prod")


def test_the_exporters_go_where_the_configuration_says(monkeypatch: pytest.MonkeyPatch) -> None:
    from opentelemetry.exporter.otlp.proto.http import metric_exporter, trace_exporter

    asked: list[Any] = []

    class Quiet:
        def __init__(self, endpoint: str | None = None) -> None:
            asked.append(endpoint)
            self._preferred_temporality: dict[Any, Any] = {}
            self._preferred_aggregation: dict[Any, Any] = {}

        def __getattr__(self, name: str) -> Any:
            return lambda *_, **__: True

    monkeypatch.setattr(trace_exporter, "OTLPSpanExporter", Quiet)
    monkeypatch.setattr(metric_exporter, "OTLPMetricExporter", Quiet)
    for endpoint in ("http://collector:4318/", None):
        telemetry = exporting("callmux", endpoint, Bus(), FakeClock().clock.monotonic)
        telemetry.leave()
        telemetry.close(1)
    assert asked == ["http://collector:4318/v1/traces", "http://collector:4318/v1/metrics", None, None]


def test_nothing_of_it_is_loaded_where_it_is_not_configured() -> None:
    code = "import sys, callmux.cli.main, callmux.cli.serve, callmux.cli.listen; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], timeout=SECONDS, text=True)
    assert "opentelemetry" not in loaded
