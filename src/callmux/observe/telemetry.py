"""OpenTelemetry: spans and metrics by the conventions for MCP (open-telemetry/semantic-conventions-genai).

Made by `callmux.process.observers` where the configuration asks for it, and imported only then: it needs the
extra `callmux[otel]`. It is the `callmux.observe.tracer` of the process. Threads of the SDK send what there
is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.metrics import Histogram
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode

from callmux import __version__
from callmux.observe.bus import Bus
from callmux.observe.facts import ServerDown, ServerRemoved, ServerUp, SessionEnded
from callmux.observe.tracer import Begun, End
from callmux.protocol.methods import REQUESTS

BOUNDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
"""Those that the conventions recommend, in seconds."""
OTHER = "_OTHER"
_ROOT = Context()
"""No context at all: what runs in the background must not become part of somebody's trace."""


class Followed(msgspec.Struct, frozen=True):
    """A request or a call on its way.

    Attributes:
        span: Its span.
        context: The context that what it causes belongs to.
        begun: What is known of it.
        started: When, by the monotonic clock.
    """

    span: Span
    context: Context
    begun: Begun
    started: float


class Telemetry:
    """The tracer of one process.

    Args:
        service: The name it is shown under.
        processors: Take spans that are over.
        readers: Take metrics.
        bus: Where it hears of sessions and servers, and where it is made known.
        monotonic: Time, for durations.
    """

    def __init__(
        self,
        service: str,
        processors: list[SpanProcessor],
        readers: list[MetricReader],
        bus: Bus,
        monotonic: Callable[[], float],
    ) -> None:
        # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go first.
        resource = Resource({"service.name": service, "service.version": __version__})
        resource = resource.merge(OTELResourceDetector().detect())
        self._traces = TracerProvider(resource=resource, shutdown_on_exit=False)
        for processor in processors:
            self._traces.add_span_processor(processor)
        self._meters = MeterProvider(readers, resource=resource, shutdown_on_exit=False)
        self._tracer = self._traces.get_tracer("callmux", __version__)
        self._operations = {
            SpanKind.SERVER: self._histogram("mcp.server.operation.duration"),
            SpanKind.CLIENT: self._histogram("mcp.client.operation.duration"),
        }
        self._server_sessions = self._histogram("mcp.server.session.duration")
        self._client_sessions = self._histogram("mcp.client.session.duration")
        self._monotonic = monotonic
        self._up: dict[str, float] = {}
        self._bus = bus
        self._ends = [
            bus.subscribe(SessionEnded, self._session),
            bus.subscribe(ServerUp, self._server_up),
            bus.subscribe(ServerDown, lambda fact: self._server_gone(fact.server, OTHER)),
            bus.subscribe(ServerRemoved, lambda fact: self._server_gone(fact.server, "")),
        ]
        bus.trace_with(self)

    def leave(self) -> None:
        """Follows nothing any more."""
        self._bus.trace_with(None)
        for end in self._ends:
            end()
        for server in list(self._up):
            self._server_gone(server, "")

    def close(self, seconds: float) -> None:
        """Sends what is left; waits for that at most so long. For a thread of its own."""
        self._traces.force_flush(round(seconds * 1000))
        self._traces.shutdown()
        self._meters.shutdown(timeout_millis=seconds * 1000)

    def request(self, begun: Begun) -> Followed:
        """A request of a client begins: a span of kind SERVER. Its parent is in `_meta`, and the HTTP request
        that brought it is linked; where `_meta` names none, the latter is the parent."""
        around = propagate.extract(begun.around, _ROOT) if begun.around else _ROOT
        context = propagate.extract(begun.carrier, _ROOT) if begun.carrier else _ROOT
        links = []
        outer = trace.get_current_span(around).get_span_context()
        if not trace.get_current_span(context).get_span_context().is_valid:
            context = propagate.extract(begun.carrier, around)
        elif outer.is_valid:
            links = [Link(outer)]
        return self._follow(begun, SpanKind.SERVER, context, links)

    def request_ended(self, trace: Followed, end: End) -> None:
        """The request has its answer."""
        self._end(trace, SpanKind.SERVER, end, trace.begun.transport)

    def call(self, trace: Followed | None, begun: Begun) -> tuple[Followed, Mapping[str, str]]:
        """A call begins: a span of kind CLIENT, a child of that of its request."""
        followed = self._follow(begun, SpanKind.CLIENT, _ROOT if trace is None else trace.context, [])
        carrier: dict[str, str] = {}
        propagate.inject(carrier, followed.context)
        return followed, carrier

    def call_ended(self, trace: Followed, end: End, id: str, transport: str) -> None:
        """The call is over."""
        if id:
            trace.span.set_attribute("jsonrpc.request.id", id)
        trace.span.set_attributes(_network(transport))
        self._end(trace, SpanKind.CLIENT, end, transport)

    def _follow(self, begun: Begun, kind: SpanKind, context: Context, links: list[Link]) -> Followed:
        attributes = _about(begun)
        if begun.id:
            attributes["jsonrpc.request.id"] = begun.id
        if begun.session_id:
            attributes["mcp.session.id"] = begun.session_id
        if kind is SpanKind.SERVER:
            attributes |= _network(begun.transport)
        if begun.method.startswith("resources/") and begun.target:
            attributes["mcp.resource.uri"] = begun.target
        span = self._tracer.start_span(_name(begun), context, kind, attributes, links)
        return Followed(span, trace.set_span_in_context(span, context), begun, self._monotonic())

    def _end(self, followed: Followed, kind: SpanKind, end: End, transport: str) -> None:
        span, begun = followed.span, followed.begun
        if end.unknown:
            # Whatever a client makes up would be a name of its own in every list.
            begun = msgspec.structs.replace(begun, target="")
            span.update_name(_name(begun))
        attributes = {**_about(begun), **_network(transport)}
        # A client may ask for anything; these have a name of their own in metrics.
        if begun.method not in REQUESTS:
            attributes["mcp.method.name"] = OTHER
        if end.error:
            attributes["error.type"] = end.error
            span.set_attribute("error.type", end.error)
            span.set_status(Status(StatusCode.ERROR, end.words or None))
        if end.status:
            attributes["rpc.response.status_code"] = end.status
            span.set_attribute("rpc.response.status_code", end.status)
        if end.code:
            span.set_attribute("callmux.error.code", end.code)
        span.end()
        self._operations[kind].record(self._monotonic() - followed.started, attributes, followed.context)

    def _session(self, ended: SessionEnded) -> None:
        attributes = _network(ended.transport)
        if ended.version:
            attributes["mcp.protocol.version"] = ended.version
        self._server_sessions.record(ended.seconds, attributes, _ROOT)

    def _server_up(self, up: ServerUp) -> None:
        # One that was replaced ends without having been lost.
        self._server_gone(up.server, "")
        self._up[up.server] = self._monotonic()

    def _server_gone(self, server: str, error: str) -> None:
        since = self._up.pop(server, None)
        if since is not None:
            attributes = {"callmux.server": server, **({"error.type": error} if error else {})}
            self._client_sessions.record(self._monotonic() - since, attributes, _ROOT)

    def _histogram(self, name: str) -> Histogram:
        meter = self._meters.get_meter("callmux", __version__)
        return meter.create_histogram(name, unit="s", explicit_bucket_boundaries_advisory=BOUNDS)


def exporting(service: str, endpoint: str | None, bus: Bus, monotonic: Callable[[], float]) -> Telemetry:
    """A tracer that sends everything by OTLP over HTTP. What is not said here is read from the variables of
    OpenTelemetry (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_TRACES_SAMPLER` ...).

    Args:
        endpoint: The collector, without `/v1/...`.
    """
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    # What goes wrong with sending is said in the log of callmux.
    words = logging.getLogger("opentelemetry")
    words.handlers, words.propagate = list(logging.getLogger("callmux").handlers), False
    base = None if endpoint is None else endpoint.rstrip("/")
    spans = OTLPSpanExporter(endpoint=None if base is None else f"{base}/v1/traces")
    metrics = OTLPMetricExporter(endpoint=None if base is None else f"{base}/v1/metrics")
    processors, readers = [BatchSpanProcessor(spans)], [PeriodicExportingMetricReader(metrics)]
    return Telemetry(service, list(processors), list(readers), bus, monotonic)


def _name(begun: Begun) -> str:
    """`{mcp.method.name} {target}`, where the target is a tool or a prompt."""
    is_named = begun.target and begun.method in ("tools/call", "prompts/get")
    return f"{begun.method} {begun.target}" if is_named else begun.method


def _about(begun: Begun) -> dict[str, Any]:
    """The attributes that spans and metrics share."""
    attributes: dict[str, Any] = {"mcp.method.name": begun.method}
    if begun.version:
        attributes["mcp.protocol.version"] = begun.version
    if begun.server:
        attributes["callmux.server"] = begun.server
    if begun.method == "tools/call":
        attributes["gen_ai.operation.name"] = "execute_tool"
        if begun.target:
            attributes["gen_ai.tool.name"] = begun.target
    elif begun.method == "prompts/get" and begun.target:
        attributes["gen_ai.prompt.name"] = begun.target
    return attributes


def _network(transport: str) -> dict[str, Any]:
    if transport == "stdio":
        return {"network.transport": "pipe"}
    return {"network.transport": "tcp", "network.protocol.name": "http"}
