"""The page for Prometheus can be read by Prometheus, whatever servers and clients call things."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any, cast

from prometheus_client.parser import text_string_to_metric_families

from callmux.admin.metrics import families, metrics_route, page
from callmux.observe.bus import Bus
from callmux.observe.facts import CallEnded, HttpEnded, Reloaded, ResultShortened, ServerUp
from callmux.observe.gauges import Gauges
from callmux.observe.keeping import Keeping
from callmux.observe.totals import Totals
from callmux.transport.http.exchange import Exchange
from tests.support import real_loop

CACHE = {"hits": 3, "misses": 2, "coalesced": 1, "entries": 4, "storedBytes": 100}
KEEPING = {"history": Keeping(None), "eventStore": Keeping("database is locked", lost=7, summed=5)}
GAUGES = Gauges(1, 2, {"git": True, "down": False}, (1, 0), CACHE, {"entries": 1, "storedBytes": 50}, KEEPING)


def counted(*facts: Any) -> Totals:
    bus, totals = Bus(), Totals()
    totals.listen(bus)
    for fact in facts:
        bus.publish(fact)
    return totals


def call(server: str = "git", tool: str = "log", **more: Any) -> CallEnded:
    return CallEnded(server=server, method="tools/call", target=tool, spelled=tool, seconds=0.02, **more)


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_it_has_the_names_of_the_original_and_whole_numbers() -> None:
    ended = HttpEnded(request_id="r", method="GET", path="/health", route="/health", status=200, seconds=0.5)
    text = page(counted(ended, ended), GAUGES).decode()
    labels = r'\{method="GET",path="/health",status="200"\}'
    assert re.search(rf"(?m)^callmux_http_requests_total{labels} 2$", text)
    assert re.search(rf"(?m)^callmux_http_request_duration_seconds_sum{labels} 1$", text)
    assert re.search(rf"(?m)^callmux_http_request_duration_seconds_count{labels} 2$", text)
    assert re.search(r"(?m)^callmux_http_inflight_requests 1$", text)


def test_a_call_shows_in_its_count_and_in_its_histogram() -> None:
    """Weak spot L43 of callmux (npm)."""
    text = page(counted(call(), call(outcome="failed", code="tool_call_failed", category="timeout")), GAUGES)
    found = samples(text)
    where = (("server", "git"), ("tool", "log"))
    assert found["callmux_calls_total", (("outcome", "ok"), *where)] == 1
    assert found["callmux_calls_total", (("outcome", "failed"), *where)] == 1
    assert found["callmux_call_failures_total", (("reason", "timeout"), ("server", "git"))] == 1
    assert found["callmux_call_duration_seconds_count", where] == 2
    assert found["callmux_call_duration_seconds_bucket", (("le", "0.01"), *where)] == 0
    assert found["callmux_call_duration_seconds_bucket", (("le", "0.025"), *where)] == 2
    assert found["callmux_call_duration_seconds_bucket", (("le", "+Inf"), *where)] == 2


def test_servers_cache_and_savings_show() -> None:
    text = page(
        counted(
            ServerUp(server="git", again=True, seconds=0, tools=1),
            ResultShortened(how="shield", server="git", tool="log", before=4400, after=400),
            Reloaded(error="bad"),
        ),
        GAUGES,
    )
    found = samples(text)
    assert found["callmux_server_up", (("server", "git"),)] == 1
    assert found["callmux_server_up", (("server", "down"),)] == 0
    assert found["callmux_server_events_total", (("event", "reconnect"), ("server", "git"))] == 1
    assert found["callmux_cache_lookups_total", (("outcome", "hit"),)] == 3
    assert found["callmux_result_bytes_saved_total", (("how", "shield"),)] == 4000
    assert found["callmux_tokens_saved_total", (("how", "shield"),)] == 1000
    assert found["callmux_reloads_total", (("outcome", "failed"),)] == 1
    assert found["callmux_sessions", ()] == 2


def test_files_that_cannot_be_written_show_with_what_is_missing_from_them() -> None:
    found = samples(page(counted(), GAUGES))
    assert found["callmux_file_writable", (("file", "history"),)] == 1
    assert found["callmux_file_writable", (("file", "eventStore"),)] == 0
    assert found["callmux_file_lost_total", (("file", "eventStore"),)] == 7
    assert found["callmux_file_summed_rows_total", (("file", "eventStore"),)] == 5


def test_no_name_breaks_a_line() -> None:
    hostile = 'a"} 1\nfake_total 7\r\nb\\'
    text = page(counted(call(hostile, hostile)), GAUGES)
    found = samples(text)
    assert not any(name == "fake_total" for name, _ in found)
    assert b"\r" not in text
    assert [labels for name, labels in found if name == "callmux_calls_total"] == [
        (
            ("outcome", "ok"),
            ("server", 'a"} 1\nfake_total 7\\r\nb\\'),
            ("tool", 'a"} 1\nfake_total 7\\r\nb\\'),
        )
    ]


def test_what_conversations_cost_is_told_by_way() -> None:
    gauges = Gauges(1, 2, {}, (1, 0), CACHE, {"entries": 1, "storedBytes": 50}, KEEPING)
    counts = {"turns": 3, "calls": 4, "newTokens": 50, "readTokens": 700}
    gauges.usage = {"asSeen": counts, "oneByOne": counts | {"turns": 9}}
    found = samples(page(counted(), gauges))
    assert found["callmux_conversation_turns_total", (("way", "oneByOne"),)] == 9
    assert found["callmux_conversation_tokens_total", (("kind", "read"), ("way", "asSeen"))] == 700
    assert found["callmux_conversation_tokens_total", (("kind", "new"), ("way", "asSeen"))] == 50


def test_every_name_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "observability.md").read_text("utf-8")
    for family in families(counted(call()), GAUGES):
        assert f"`{family.name}" in text, family.name


class FakeExchange:
    def __init__(self) -> None:
        self.answers: list[tuple[Any, ...]] = []

    async def answer(self, *answer: Any) -> None:
        self.answers.append(answer)


@real_loop()
async def test_the_page_is_written_beside_the_loop() -> None:
    exchange = FakeExchange()
    turns = 0

    async def others() -> None:
        nonlocal turns
        while not exchange.answers:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.ensure_future(others())
    await metrics_route(counted(call()), lambda: GAUGES)(cast(Exchange, exchange))
    await beside
    ((status, body, kind, headers),) = exchange.answers
    assert (status, kind, headers) == (
        200,
        "text/plain; version=0.0.4; charset=utf-8",
        {"cache-control": "no-store"},
    )
    assert b"callmux_calls_total" in body
    assert turns > 1


def test_what_is_shared_is_shown_where_something_is() -> None:
    gauges = Gauges(1, 2, {}, (0, 0), CACHE, {"entries": 0, "storedBytes": 0}, {})
    assert "callmux_state" not in page(Totals(), gauges).decode()
    gauges.state = False, 3
    found = samples(page(Totals(), gauges))
    assert (found["callmux_state_up", ()], found["callmux_state_failures_total", ()]) == (0, 3)
