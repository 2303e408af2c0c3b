"""What the database of past calls says about a time."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from callmux.config.observing import EventStore as Settings
from callmux.observe import event_query as module
from callmux.observe.event_query import drilldown, limit_of, reading
from callmux.observe.event_store import EventDatabase
from tests.observe.test_history import NOW, sample


def filled(path: Path) -> Path:
    events = EventDatabase(Settings(enabled=True), lambda: NOW, path)
    events.put(sample(session_id="s1", headers=(("a", "t", "x-key"),)))
    events.put(sample(session_id="s1", status="error", seconds=0.75, code="x"))
    fan = (("a", "t", 2), ("b", "u", 1))
    events.put(sample(tool="callmux_parallel", operation="parallel", targets=fan, client="callmux-cli"))
    events.put(sample(tool="zzz", targets=(), status="error"))
    events.put(sample(NOW - 7200))
    events.close(5)
    return path


def test_calls_of_a_time_by_all_that_they_have(tmp_path: Path) -> None:
    found = drilldown(filled(tmp_path / "e.sqlite"), NOW - 3600, NOW, 25)
    assert found["totals"] == {
        "calls": 4,
        "errors": 2,
        "avgDurationMs": 375.0,
        "bytesIn": 40,
        "bytesOut": 404,
    }
    assert [(row["name"], row["calls"], row["errors"]) for row in found["byServer"]] == [
        ("a", 3, 1),
        ("(none)", 1, 1),
        ("b", 1, 0),
    ]
    assert [(row["name"], row["calls"]) for row in found["byTool"]] == [
        ("t", 2),
        ("callmux_parallel", 1),
        ("zzz", 1),
    ]
    assert [(row["name"], row["calls"]) for row in found["bySession"]] == [("(none)", 2), ("s1", 2)]
    assert [(row["name"], row["calls"]) for row in found["byTransport"]] == [("mcp", 3), ("cli", 1)]
    (header,) = found["forwardedHeaders"]
    assert (header["server"], header["tool"], header["headerName"], header["calls"]) == ("a", "t", "x-key", 1)
    assert (header["sessionId"], header["principal"]) == ("s1", "(anonymous)")
    assert found["byServer"][0]["lastCallAt"].endswith("Z")


def test_lists_are_bounded_and_an_empty_time_is_empty(tmp_path: Path) -> None:
    path = filled(tmp_path / "e.sqlite")
    assert len(drilldown(path, NOW - 3600, NOW, 1)["byTool"]) == 1
    nothing = drilldown(path, 0, 1, 25)
    assert nothing["totals"] == {"calls": 0, "errors": 0, "avgDurationMs": 0, "bytesIn": 0, "bytesOut": 0}
    assert nothing["byServer"] == nothing["forwardedHeaders"] == []


def test_a_file_that_is_not_there_is_an_error_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.Error):
        drilldown(tmp_path / "a ?#.sqlite", 0, 1, 25)
    assert list(tmp_path.iterdir()) == []


def test_names_that_clients_made_up_are_shown_without_secrets(tmp_path: Path) -> None:
    secret = "ghp_0123456789abcdefghij0123456789abcdef"
    path = tmp_path / "e.sqlite"
    events = EventDatabase(Settings(enabled=True), lambda: NOW, path)
    events.put(sample(tool=secret, targets=(("a", secret, 1),), headers=(("a", secret, "x-key"),)))
    events.close(5)
    assert "ghp_" not in str(drilldown(path, NOW - 3600, NOW, 25))


def test_a_query_that_takes_too_long_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for it any more, and it would hold a thread."""
    monkeypatch.setattr(module, "LONGEST_SECONDS", 0.0)
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT COUNT(*) FROM n"
    with (
        reading(filled(tmp_path / "e.sqlite")) as connection,
        pytest.raises(sqlite3.OperationalError, match="interrupted"),
    ):
        connection.execute(endless)


def test_a_limit_is_a_number_within_bounds() -> None:
    assert [limit_of(text) for text in (None, "x", "-1", "0", "7", "9999", "9" * 5000, "٣")] == [
        25,
        25,
        25,
        1,
        7,
        500,
        500,
        25,
    ]
