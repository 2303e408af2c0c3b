"""Past calls one by one, by what is looked for, and how long they took."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from callmux.config.observing import EventStore as Settings
from callmux.observe.event_store import EventDatabase
from callmux.observe.past_calls import CallSearch, latency, past_calls
from tests.observe.test_history import NOW, sample


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "e.sqlite"
    events = EventDatabase(Settings(enabled=True), lambda: NOW, path)
    events.put(sample(session_id="s1", principal="bearer:dev"))
    events.put(sample(session_id="s1", status="error", seconds=0.75, code="downstream_timeout"))
    fan = (("a", "t", 2), ("b", "u_100%", 1))
    events.put(sample(tool="callmux_parallel", operation="parallel", targets=fan))
    events.put(sample(tool="zzz", targets=(), status="aborted"))
    events.put(sample(NOW - 7200, seconds=2.0))
    events.close(5)
    return path


def found(path: Path, **search: Any) -> list[str]:
    rows = past_calls(path, CallSearch(begin=NOW - 3600, end=NOW, **search))["rows"]
    return [row["tool"] + (f" {row['error']}" if "error" in row else "") for row in rows]


def test_rows_come_newest_first_with_all_that_is_known(path: Path) -> None:
    assert found(path) == ["zzz", "callmux_parallel", "t downstream_timeout", "t"]
    rows = past_calls(path, CallSearch(begin=NOW - 3600, end=NOW))["rows"]
    assert rows[3]["principal"] == "bearer:dev"
    assert rows[3]["targets"] == [{"server": "a", "tool": "t", "count": 1}]
    assert (rows[2]["ok"], rows[2]["durationMs"], rows[2]["sessionId"]) == (False, 750, "s1")
    assert [one["count"] for one in rows[1]["targets"]] == [2, 1]
    assert (rows[0]["status"], rows[0]["calls"]) == ("aborted", 1)


@pytest.mark.parametrize(
    ("search", "tools"),
    [
        ({"server": "b"}, ["callmux_parallel"]),
        ({"tool": "t"}, ["callmux_parallel", "t downstream_timeout", "t"]),
        ({"tool": "zzz"}, ["zzz"]),
        ({"session": "s1"}, ["t downstream_timeout", "t"]),
        ({"principal": "bearer:dev"}, ["t"]),
        ({"status": "failed"}, ["zzz", "t downstream_timeout"]),
        ({"status": "aborted"}, ["zzz"]),
        ({"text": "TIMEOUT"}, ["t downstream_timeout"]),
        ({"text": "down stream"}, ["t downstream_timeout"]),
        ({"text": "%"}, []),
        ({"text": "'"}, []),
        ({"server": "a", "session": "s1", "status": "ok"}, ["t"]),
    ],
)
def test_only_what_is_looked_for_is_found(path: Path, search: dict[str, str], tools: list[str]) -> None:
    assert found(path, **search) == tools


def test_one_page_leads_to_the_next_until_there_is_none(path: Path) -> None:
    first = past_calls(path, CallSearch(begin=NOW - 3600, end=NOW, limit=3))
    second = past_calls(path, CallSearch(begin=NOW - 3600, end=NOW, limit=3, before=int(first["next"])))
    assert [row["tool"] for row in first["rows"] + second["rows"]] == ["zzz", "callmux_parallel", "t", "t"]
    assert second["next"] is None
    assert past_calls(path, CallSearch(begin=0, end=1)) == {"rows": [], "next": None}


def test_latency_is_by_step_for_all_and_by_server(tmp_path: Path) -> None:
    path = tmp_path / "e.sqlite"
    events = EventDatabase(Settings(enabled=True), lambda: NOW, path)
    for n in range(1, 101):
        events.put(sample(NOW - 90, seconds=n / 1000))
        if n % 20 == 0:
            # Of many at once equal ones become one row.
            events.flush()
    events.put(sample(NOW - 600, seconds=3.0, targets=(("b", "u", 1),)))
    events.close(5)
    shown = latency(path, NOW - 3600, NOW, 60)
    assert shown["totals"] == {"p50": 51, "p95": 96, "p99": 100, "calls": 101}
    assert shown["servers"] == [
        {"server": "a", "p50": 50, "p95": 95, "p99": 99, "calls": 100},
        {"server": "b", "p50": 3000, "p95": 3000, "p99": 3000, "calls": 1},
    ]
    measured = {point["t"]: point["p95"] for point in shown["points"] if point["calls"]}
    minute = int((NOW - 90) // 60 * 60_000)
    assert measured == {minute: 95, int((NOW - 600) // 60 * 60_000): 3000}
    assert len(shown["points"]) in (60, 61)
    assert {point["p50"] for point in shown["points"] if not point["calls"]} == {None}


def test_a_row_that_stands_for_many_calls_weighs_as_much(tmp_path: Path) -> None:
    path = tmp_path / "e.sqlite"
    events = EventDatabase(Settings(enabled=True), lambda: NOW, path)
    events.put(sample(seconds=0.01))
    events.put(sample(seconds=0.5))
    events.close(5)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE call_events SET calls = 99 WHERE duration_ms = 10")
    connection.close()
    assert latency(path, NOW - 60, NOW, 60)["totals"] == {"p50": 10, "p95": 10, "p99": 10, "calls": 100}


def test_a_time_without_calls_has_no_latency(path: Path) -> None:
    shown = latency(path, 0, 120, 60)
    assert shown["totals"] == {"p50": None, "p95": None, "p99": None, "calls": 0}
    assert shown["servers"] == []
    assert [point["t"] for point in shown["points"]] == [0, 60_000, 120_000]


def test_a_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "e.sqlite"
    path.write_bytes(b"no database" * 100)
    with pytest.raises(sqlite3.Error):
        past_calls(path, CallSearch(begin=0, end=1))
