"""The database of past calls: what stands in it, and what happens when it cannot be written."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callmux.config.observing import EventStore as Settings
from callmux.observe import event_rows
from callmux.observe import event_store as module
from callmux.observe.event_store import EventDatabase
from tests.observe.test_history import NOW, sample
from tests.support import eventually

DIRECT, META = ("downstream", "direct", 0, 1), ("callmux_meta", "parallel", 3, 1)
FAN: dict[str, Any] = {
    "tool": "callmux_parallel",
    "operation": "parallel",
    "targets": (("a", "t", 2), ("b", "u", 1)),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events" / "e.sqlite"


def store(path: Path, **more: Any) -> EventDatabase:
    return EventDatabase(Settings(enabled=True, **more), lambda: NOW, path)


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def test_a_row_a_call_with_its_targets(path: Path) -> None:
    events = store(path)
    assert not path.exists(), "nothing is opened before there is a call"
    events.put(sample(principal="bearer:ops", session_id="s", client="callmux-cli"))
    events.put(sample(status="error", code="tool_not_found", targets=()))
    events.put(sample(**FAN))
    events.close(5)
    assert path.stat().st_mode & 0o777 == 0o600
    found = rows(
        path,
        "SELECT server, tool, target_tool, session_id, principal, transport, duration_ms, ok, status, "
        "error_class, bytes_in, bytes_out, tool_kind, operation, downstream_calls, calls FROM call_events",
    )
    assert found == [
        *[
            (
                "a",
                "t",
                "t",
                "s",
                "bearer:ops",
                "cli",
                250,
                1,
                "ok",
                None,
                10,
                101,
                "downstream",
                "direct",
                0,
                1,
            )
        ],
        (None, "t", None, None, None, "mcp", 250, 0, "error", "tool_not_found", 10, 101, *DIRECT),
        (None, "callmux_parallel", None, None, None, "mcp", 250, 1, "ok", None, 10, 101, *META),
    ]
    assert rows(path, "SELECT event_id, server, tool, count FROM call_event_targets") == [
        (1, "a", "t", 1),
        (2, None, "t", 1),
        (3, "a", "t", 2),
        (3, "b", "u", 1),
    ]


def test_headers_are_told_by_name_and_by_the_servers_that_got_them(path: Path) -> None:
    """Weak spot L46 of callmux (npm)."""
    events = store(path)
    events.put(sample(**FAN, headers=(("a", "t", "x-user-key"),)))
    events.close(5)
    assert rows(
        path, "SELECT server, tool, session_id, principal, header_name FROM audit_forwarded_headers"
    ) == [("a", "t", "", "", "x-user-key")]


def test_what_is_old_or_too_much_goes_with_all_that_belongs_to_it(path: Path) -> None:
    events = store(path, max_rows=3, retention_days=1, prune_every=1)
    events.put(sample(NOW - 2 * 86400, headers=(("a", "t", "h"),)))
    for _ in range(5):
        events.put(sample())
    events.close(5)
    assert rows(path, "SELECT COUNT(*), MIN(id) FROM call_events") == [(3, 4)]
    assert rows(path, "SELECT COUNT(*) FROM call_event_targets") == [(3,)]
    assert rows(path, "SELECT COUNT(*) FROM forwarded_header_usage") == [(0,)]


def test_without_bounds_all_is_kept(path: Path) -> None:
    events = store(path, max_rows=0, retention_days=0, prune_every=1)
    events.put(sample(1.0))
    events.close(5)
    assert rows(path, "SELECT COUNT(*) FROM call_events") == [(1,)]


def test_a_file_of_the_original_is_gone_on_with(path: Path) -> None:
    path.parent.mkdir()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        old = module._SCHEMA.replace(" transport TEXT,", "")
        connection.executescript(old)
    events = store(path)
    events.put(sample())
    events.close(5)
    assert rows(path, "SELECT transport, calls FROM call_events") == [("mcp", 1)]


def test_rows_that_stand_for_several_are_counted_as_several(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_rows, "FEWEST_ROWS", 2)
    events = store(path)
    for _ in range(5):
        events.put(sample(**FAN))
    events.close(5)
    assert rows(path, "SELECT SUM(calls), SUM(bytes_out), SUM(downstream_calls) FROM call_events") == [
        (5, 505, 15)
    ]
    assert rows(path, "SELECT SUM(count) FROM call_event_targets") == [(15,)]
    assert events.facts()["summedRows"] >= 1


@pytest.fixture
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    path.parent.mkdir()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(module._SCHEMA)
    connection.execute("BEGIN IMMEDIATE")
    yield connection
    connection.close()


def test_a_locked_file_holds_nobody_up_and_what_was_kept_is_written_once_it_is_free(
    path: Path, locked: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.0)
    events = store(path)
    events.put(sample())
    events.flush()
    assert "locked" in events.facts()["problem"]
    assert events.facts()["waiting"] == 1
    locked.execute("ROLLBACK")
    events.put(sample())
    events.flush()
    assert (events.problem, events.lost, events.facts()["waiting"]) == (None, 0, 0)
    events.close(5)
    assert rows(path, "SELECT COUNT(*) FROM call_events") == [(2,)]
    assert caplog.text.count("cannot be written") == 1


def test_what_is_kept_while_nothing_can_be_written_is_bounded_and_the_rest_is_counted(
    path: Path, locked: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.0)
    monkeypatch.setattr(module, "MOST_KEPT", 3)
    events = store(path)
    for n in range(5):
        events.put(sample(tool=f"t{n}"))
    events.flush()
    assert (events.lost, events.facts()["waiting"]) == (2, 3)
    locked.execute("ROLLBACK")
    events.close(5)
    assert rows(path, "SELECT tool FROM call_events") == [("t2",), ("t3",), ("t4",)]


def test_it_is_tried_again_without_a_further_call(
    path: Path, locked: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.0)
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.01)
    events = EventDatabase(Settings(enabled=True), time.time, path)
    events.put(sample())
    events.flush()
    assert events.problem is not None
    locked.execute("ROLLBACK")
    eventually(lambda: events.problem is None, "it is written again")
    events.close(5)
    assert rows(path, "SELECT COUNT(*) FROM call_events") == [(1,)]


def test_what_can_never_be_written_is_counted_when_it_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    events = store(tmp_path / "file" / "e.sqlite")
    events.put(sample())
    events.flush()
    assert events.problem is not None
    assert (events.lost, events.facts()["waiting"]) == (0, 1)
    events.close(5)
    assert (events.lost, events.facts()["waiting"]) == (1, 0)
    assert "1 calls could not be written" in caplog.text
    assert "Event" in repr(events)


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_damaged_file_is_kept_aside_and_a_new_one_has_all_calls(
    path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    events = store(path)
    events.put(sample())
    events.flush()
    broken = path.with_name("e.sqlite.broken")
    assert events.problem is None
    assert events.facts()["setAside"] == str(broken)
    events.close(5)
    assert rows(path, "SELECT COUNT(*) FROM call_events") == [(1,)]
    assert broken.read_bytes()[:16] == content[:16]
    assert "is damaged" in caplog.text


def test_a_file_that_is_damaged_while_it_is_open_is_noticed(path: Path) -> None:
    events = store(path)
    events.put(sample())
    events.flush()
    assert events._connection is not None
    events._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.truncate(100)
        file.seek(0)
        file.write(b"\xff" * 100)
    events.put(sample())
    events.flush()
    assert events.facts().get("setAside")
    events.close(5)
    assert rows(path, "SELECT COUNT(*) FROM call_events") == [(1,)]


def test_a_full_disk_costs_rows_and_nothing_else(path: Path) -> None:
    """The file may have no more pages, which is what SQLite says of a full disk, too."""
    events = store(path)
    events.put(sample())
    events.flush()
    assert events._connection is not None
    events._connection.execute("PRAGMA max_page_count = 1")
    for _ in range(50):
        events.put(sample(tool="x" * 4000))
    events.flush()
    assert "full" in (events.problem or "")
    # There is room again: the file is opened anew.
    events.flush()
    assert events.problem is None
    events.close(5)
    assert rows(path, "SELECT SUM(calls) FROM call_events") == [(51,)]


def test_a_file_that_is_moved_or_removed_is_followed_by_a_new_one(path: Path) -> None:
    events = store(path)
    events.put(sample(tool="before"))
    events.flush()
    path.rename(path.with_name("moved"))
    events.put(sample(tool="after"))
    events.flush()
    path.unlink()
    events.put(sample(tool="last"))
    events.close(5)
    assert rows(path, "SELECT tool FROM call_events") == [("last",)]


def test_a_sample_that_cannot_be_written_does_not_keep_the_next_ones_from_it(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    events = store(path)
    events.put(sample(sent=2**70))
    events.flush()
    events.put(sample())
    events.close(5)
    assert events.lost == 1
    assert rows(path, "SELECT COUNT(*) FROM call_events") == [(1,)]
    assert "is lost" in caplog.text


def test_whoever_reads_finds_a_file_before_there_was_a_call(path: Path) -> None:
    events = store(path)
    events.flush()
    assert rows(path, "SELECT COUNT(*), SUM(calls) FROM call_events") == [(0, None)]
    events.close(5)


def test_very_many_rows_are_written_in_their_order(path: Path) -> None:
    events = EventDatabase(Settings(enabled=True, max_rows=0), lambda: NOW + 10, path)
    for n in range(1500):
        events.put(sample(tool=f"t{n}"))
    events.close(5)
    found = rows(
        path, "SELECT e.id, e.tool, t.tool FROM call_events e JOIN call_event_targets t ON t.event_id = e.id"
    )
    assert found == [(n + 1, f"t{n}", "t") for n in range(1500)]


def test_a_call_waits_for_others_and_many_are_written_at_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GATHER_SECONDS", 3600.0)
    monkeypatch.setattr(module, "ENOUGH", 3)
    events = store(path)
    for _ in range(3):
        events.put(sample())
    eventually(lambda: path.exists() and rows(path, "SELECT COUNT(*) FROM sqlite_master")[0][0], "the file")
    eventually(lambda: rows(path, "SELECT COUNT(*) FROM call_events") == [(3,)], "the rows")
    events.put(sample())
    assert rows(path, "SELECT COUNT(*) FROM call_events") == [(3,)]
    events.close(5)
    assert rows(path, "SELECT COUNT(*) FROM call_events") == [(4,)]
