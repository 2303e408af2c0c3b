"""The page for Prometheus.

Called through the routes that `callmux.serving.assembly` gives to the HTTP application. `prometheus_client`
is imported, and the page is written, in a thread: the first by the first scrape, and calls go on beside both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from callmux import __version__
from callmux.aside import aside
from callmux.observe.gauges import Gauges
from callmux.observe.keeping import Keeping
from callmux.observe.totals import BOUNDS, Durations, Totals
from callmux.transport.http.exchange import Exchange, Route

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

KIND = "text/plain; version=0.0.4; charset=utf-8"
BYTES_A_TOKEN = 4
"""A token of JSON is some four bytes: what is saved is an estimate."""
PAGE_SECONDS = 30.0
_WHOLE = re.compile(rb"(?m)^([^#\n].*)\.0$")


NODE_EVENTS = ("passedOn", "takenOver", "repeated", "unknown", "sessionsLost")


def metrics_route(totals: Totals, gauges: Callable[[], Gauges]) -> Route:
    """The route of the page.

    Args:
        totals: What has happened so far.
        gauges: Gives how things are now.
    """

    async def metrics(exchange: Exchange) -> None:
        # What a thread reads must stand still.
        counted, now = totals.snapshot(), gauges()
        text = await aside(lambda: page(counted, now), PAGE_SECONDS)
        await exchange.answer(200, text, KIND, {"cache-control": "no-store"})

    return metrics


def page(totals: Totals, gauges: Gauges) -> bytes:
    """The page. For a thread: it takes its time."""
    from prometheus_client.exposition import generate_latest
    from prometheus_client.process_collector import ProcessCollector

    class Everything:
        def collect(self) -> Iterator[Metric]:
            yield from families(totals, gauges)
            yield from ProcessCollector(registry=None).collect()

    # Whole numbers as whole numbers, as the page always had them.
    return _WHOLE.sub(rb"\1", generate_latest(Everything()))


def families(totals: Totals, gauges: Gauges) -> Iterator[Metric]:
    """Everything there is, by the names that docs/observability.md lists."""
    from prometheus_client.metrics_core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        InfoMetricFamily,
        SummaryMetricFamily,
    )

    def gauge(name: str, about: str, value: float) -> Metric:
        return GaugeMetricFamily(f"callmux_{name}", about, value=value)

    def counter(name: str, about: str, labels: list[str], values: Mapping[Any, float]) -> Metric:
        family = CounterMetricFamily(f"callmux_{name}", about, labels=labels)
        for key, value in values.items():
            family.add_metric(_labels(key), value)
        return family

    def histogram(name: str, about: str, labels: list[str], values: Mapping[Any, Durations]) -> Metric:
        family = HistogramMetricFamily(f"callmux_{name}", about, labels=labels)
        for key, durations in values.items():
            below, buckets = 0, []
            for bound, count in zip((*BOUNDS, float("inf")), durations.classes, strict=True):
                below += count
                buckets.append((str(bound) if bound != float("inf") else "+Inf", below))
            family.add_metric(_labels(key), buckets, durations.total)
        return family

    yield InfoMetricFamily("callmux_build", "The version that runs.", value={"version": __version__})
    yield gauge("http_inflight_requests", "HTTP requests whose answer is not over.", gauges.in_flight)
    http = {key: durations.count for key, durations in totals.http.items()}
    yield counter("http_requests", "HTTP requests.", ["method", "path", "status"], http)
    summary = SummaryMetricFamily(
        "callmux_http_request_duration_seconds",
        "How long HTTP requests took.",
        labels=["method", "path", "status"],
    )
    for key, durations in totals.http.items():
        summary.add_metric(_labels(key), durations.count, durations.total)
    yield summary
    yield gauge("sessions", "Sessions of clients.", gauges.sessions)
    calls = _flat(totals.calls)
    yield counter("calls", "Calls to servers.", ["server", "tool", "outcome"], calls)
    about = "How long calls to servers took, waiting for a turn included."
    yield histogram("call_duration_seconds", about, ["server", "tool"], totals.durations)
    failures = _flat(totals.failures)
    yield counter(
        "call_failures", "Calls that brought no result, by the reason.", ["server", "reason"], failures
    )
    about = "How long calls waited for their turn; those that did."
    yield histogram("call_queue_seconds", about, ["server"], totals.queued)
    yield gauge("calls_running", "Calls that run now.", gauges.running)
    yield gauge("calls_waiting", "Calls that wait for their turn now.", gauges.waiting)
    up = GaugeMetricFamily("callmux_server_up", "1 for a server that is connected.", labels=["server"])
    for server, is_up in gauges.servers.items():
        up.add_metric(_labels(server), is_up)
    yield up
    about = "What happened to servers: connect, reconnect, disconnect, connect_failure, retry, and so on."
    yield counter("server_events", about, ["server", "event"], _flat(totals.events))
    cache = gauges.cache
    looked_up = {"hit": cache["hits"], "miss": cache["misses"], "shared": cache["coalesced"]}
    yield counter(
        "cache_lookups", "Look-ups in the cache, and calls that joined an equal one.", ["outcome"], looked_up
    )
    yield gauge("cache_entries", "Results in the cache.", cache["entries"])
    yield gauge("cache_bytes", "Bytes of these.", cache["storedBytes"])
    yield gauge("stored_results", "Whole results that are kept of shortened ones.", gauges.results["entries"])
    yield gauge("stored_result_bytes", "Bytes of these.", gauges.results["storedBytes"])
    saved = {how: counts["results"] for how, counts in totals.saved.items()}
    yield counter("results_shortened", "Results that went out shorter than they came.", ["how"], saved)
    fewer = {how: counts["bytes"] for how, counts in totals.saved.items()}
    yield counter("result_bytes_saved", "Bytes that they were shorter.", ["how"], fewer)
    tokens = {how: n // BYTES_A_TOKEN for how, n in fewer.items()}
    yield counter("tokens_saved", "Tokens that they were shorter, estimated from the bytes.", ["how"], tokens)
    about = "Turns of conversations: as clients had them, and as they would have been without callmux."
    turns = {way: counts["turns"] for way, counts in gauges.usage.items()}
    yield counter("conversation_turns", about, ["way"], turns)
    about = "Tokens of conversations, estimated: new ones, and what all turns have read."
    spent = {
        (way, kind): counts[f"{kind}Tokens"]
        for way, counts in gauges.usage.items()
        for kind in ("new", "read")
    }
    yield counter("conversation_tokens", about, ["way", "kind"], spent)
    if gauges.state is not None:
        yield gauge("state_up", "1 while what several listeners share can be reached.", gauges.state[0])
        yield CounterMetricFamily(
            "callmux_state_failures", "Requests to it that failed.", value=gauges.state[1]
        )
    if (node := gauges.node) is not None:
        own = {"id": node["id"], "name": node["name"]}
        yield InfoMetricFamily("callmux_node", "Which of several nodes this is.", value=own)
        yield gauge("nodes", "Nodes that this one sees, itself among them.", len(node["nodes"]))
        events = {(name,): node[name] for name in NODE_EVENTS}
        yield counter("node_events", "What this node did about requests of others.", ["event"], events)
    yield from _kept(gauges.keeping)
    for name, about, label in (
        ("reloads", "Readings of a changed configuration.", "outcome"),
        ("limits", "Requests that were refused because of a limit.", "limit"),
        ("denials", "Calls that a rule did not let happen.", "server"),
        ("approvals", "Questions to a person, by the answer.", "answer"),
    ):
        yield counter(name, about, [label], totals.other.get(name, {}))


def _kept(keeping: Mapping[str, Keeping]) -> Iterator[Metric]:
    """How the files are doing in which something is kept of the past."""
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

    writable = GaugeMetricFamily(
        "callmux_file_writable", "1 for a file that can be written.", labels=["file"]
    )
    lost = CounterMetricFamily(
        "callmux_file_lost", "Calls or lines that are missing from it.", labels=["file"]
    )
    summed = CounterMetricFamily("callmux_file_summed_rows", "Rows for several calls.", labels=["file"])
    for name, kept in keeping.items():
        writable.add_metric([name], kept.problem is None)
        lost.add_metric([name], kept.lost)
        summed.add_metric([name], kept.summed)
    yield from (writable, lost, summed)


def _labels(key: Any) -> list[str]:
    """The values of labels. Names of servers and tools may be anything, and `prometheus_client` lets a
    carriage return pass."""
    values = (key,) if isinstance(key, str) else key
    return [str(value).replace("\r", "\\r") for value in values]


def _flat(tallies: Mapping[Any, Mapping[str, int]]) -> dict[tuple[str, ...], int]:
    """Counts by one name more."""
    return {
        (*((key,) if isinstance(key, str) else key), kind): count
        for key, counts in tallies.items()
        for kind, count in counts.items()
    }
