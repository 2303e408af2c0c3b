"""Counts over time: small, rolling, and the same after a restart."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.observe import history as module
from callmux.observe.history import FIELDS, TIERS, History, joined, restored, span
from callmux.observe.samples import Sample

NOW = 1_795_981_052.0
MIDNIGHT = 1_795_910_400.0


def sample(at: float = NOW, **more: Any) -> Sample:
    given: dict[str, Any] = {
        "at": at,
        "tool": "t",
        "operation": "direct",
        "targets": (("a", "t", 1),),
        "status": "ok",
        "code": "",
        "seconds": 0.25,
        "sent": 10,
        "received": 101,
        "session_id": "",
        "request_id": "",
        "client": "",
        "principal": "",
        "cached": False,
    }
    return Sample(**{**given, **more})


def test_each_call_counts_in_all_ways_at_once() -> None:
    history = History(NOW)
    history.add(sample())
    both = (("a", "t", 2), ("b", "u", 1), ("a", "v", 1))
    history.add(sample(operation="parallel", targets=both, status="error", cached=True))
    assert history.totals() == {
        "calls": 2,
        "meta": 1,
        "passthrough": 1,
        "downstream": 4,
        "cacheHits": 1,
        "errors": 1,
        "bytesIn": 20,
        "bytesOut": 202,
        "toonCalls": 0,
        "jsonCalls": 2,
        "toonSaved": 0,
    }
    last = round(NOW * 1000)
    assert history.servers() == [
        {
            "server": "a",
            "calls": 2,
            "errors": 1,
            "downstream": 4,
            "bytesOut": 151,
            "totalDurationMs": 500,
            "lastCallAt": last,
        },
        {
            "server": "b",
            "calls": 1,
            "errors": 1,
            "downstream": 1,
            "bytesOut": 50,
            "totalDurationMs": 250,
            "lastCallAt": last,
        },
    ]


def test_toon_shows_with_what_it_saved() -> None:
    """Weak spot L47 of callmux (npm): it saves nothing, by its own figures."""
    history = History(NOW)
    history.shortened(NOW, 400)
    history.add(sample())
    totals = history.totals()
    assert (totals["toonCalls"], totals["jsonCalls"], totals["toonSaved"]) == (1, 0, 400)


@pytest.mark.parametrize(
    ("range", "points", "step"),
    [("1h", 61, 60), ("7d", 169, 3600), ("30d", 721, 3600), ("yesterday", 288, 300)],
)
def test_every_range_has_all_its_points(range: str, points: int, step: int) -> None:
    history = History(NOW)
    history.add(sample(MIDNIGHT - 30 if range == "yesterday" else NOW))
    shown = history.series(range, NOW, MIDNIGHT)
    series = shown["series"]
    assert (shown["range"], series["range"], series["bucketMs"]) == (range, range, step * 1000)
    assert len(series["points"]) == points
    assert all(point["t"] % (step * 1000) == 0 for point in series["points"])
    assert series["totals"]["calls"] == sum(point["calls"] for point in series["points"]) == 1
    assert shown["totals"]["calls"] == 1


def test_a_day_begins_at_midnight_where_we_are() -> None:
    history = History(NOW)
    for at in (MIDNIGHT - 1, MIDNIGHT, NOW):
        history.add(sample(at))
    assert history.series("today", NOW, MIDNIGHT)["series"]["totals"]["calls"] == 2
    assert history.series("yesterday", NOW, MIDNIGHT)["series"]["totals"]["calls"] == 1
    assert history.series("nonsense", NOW, MIDNIGHT)["range"] == "1h"
    assert span("nonsense", NOW, MIDNIGHT) == (NOW - 3600, NOW)


def test_a_minute_that_goes_on_is_shown_once_with_what_is_kept_of_its_hour() -> None:
    history = History(NOW)
    history.add(sample(NOW - 120))
    history.add(sample(NOW))
    assert history.series("7d", NOW, MIDNIGHT)["series"]["totals"]["calls"] == 2
    # Looking changes nothing.
    assert history.series("7d", NOW, MIDNIGHT)["series"]["totals"]["calls"] == 2
    assert history.totals()["calls"] == 2


def test_an_empty_history_has_points_all_the_same() -> None:
    assert History(NOW).series("1h", NOW, MIDNIGHT)["series"]["totals"]["calls"] == 0


def test_old_buckets_go_and_totals_stay() -> None:
    history = History(NOW)
    for minute in range(200):
        history.add(sample(NOW + 60 * minute))
    document = history.dump()
    assert len(document["tiers"]["minute"]["buckets"]) == 120
    assert document["aggregate"]["calls"] == 200


def test_servers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SERVERS", 2)
    history = History(NOW)
    for server in ("a", "b", "c", "d"):
        history.add(sample(targets=((server, "t", 1),)))
    assert [(s["server"], s["calls"]) for s in history.servers()] == [("__overflow__", 2), ("a", 1), ("b", 1)]


def test_what_is_written_is_read_again() -> None:
    history = History(NOW)
    history.add(sample())
    history.add(sample(NOW + 3700))
    document = json.loads(json.dumps(history.dump()))
    again = restored(document, NOW + 4000)
    assert again is not None
    assert again.dump() == history.dump()
    assert again.started == NOW
    assert restored(History(NOW).dump(), NOW) is not None


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"startedAt": "x"},
        {"startedAt": True},
        {"startedAt": float("nan")},
        {"aggregate": 1},
        {"aggregate": dict.fromkeys(FIELDS, "x")},
        {"servers": [1]},
        {"servers": {"a": 1}},
        {"tiers": {}},
        {"tiers": {name: {"buckets": [[1]]} for name in ("minute", "fiveMin", "hour")}},
    ],
)
def test_what_is_malformed_is_nothing(change: Any) -> None:
    assert restored({**History(NOW).dump(), **change}, NOW) is None
    assert restored([], NOW) is None


def counted(*samples: Sample, since: float = NOW) -> dict[str, Any]:
    """The dump of a process that has counted these."""
    history = History(since)
    for one in samples:
        history.add(one)
    return history.dump()


def test_what_two_processes_count_beside_each_other_is_counted_once_each() -> None:
    """Both had read the first call from the file; the other one has written since."""
    first, theirs, mine = sample(), sample(NOW + 1), sample(NOW + 3700, targets=(("b", "t", 1),))
    there = counted(first, theirs, since=NOW - 9)
    whole = joined(there, counted(first, mine), counted(first))
    assert whole == {**counted(first, theirs, mine), "startedAt": round((NOW - 9) * 1000)}


def test_a_server_was_called_last_when_the_last_of_both_processes_called_it() -> None:
    early, late = counted(sample(NOW)), counted(sample(NOW + 30))
    for there, now in ((early, late), (late, early)):
        (server,) = joined(there, now, counted())["servers"].values()
        assert (server["calls"], server["lastCallAt"]) == (2, round((NOW + 30) * 1000))


def test_a_process_that_counted_nothing_leaves_the_file_as_it_is() -> None:
    """Though another process has written what this one never knew, or counts further what it knew."""
    known, there = counted(sample()), counted(sample(), sample(NOW + 1), sample(NOW + 3700))
    assert joined(there, known, known) == there
    assert joined(there, counted(), counted()) == there


def test_a_file_that_is_gone_is_written_with_what_was_counted_since() -> None:
    before = counted(sample())
    now = counted(sample(), sample(NOW + 1))
    whole = joined(counted(), now, before)
    assert whole["aggregate"]["calls"] == whole["servers"]["a"]["calls"] == 1


def test_two_processes_together_keep_no_more_buckets_than_one() -> None:
    there = counted(*(sample(NOW + 60 * minute) for minute in range(100)))
    now = counted(*(sample(NOW + 60 * minute) for minute in range(100, 200)))
    buckets = joined(there, now, counted())["tiers"]["minute"]["buckets"]
    assert len(buckets) == TIERS["minute"][1]
    assert buckets[-1] == now["tiers"]["minute"]["buckets"][-1]
