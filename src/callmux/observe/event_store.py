"""A database of past tool calls: SQLite, written by one thread, in batches.

Made by `callmux.observe.chronicle` where the configuration asks for it; `callmux.observe.event_query` reads.
Whatever happens to the file, no call waits for it or fails: what cannot be written is counted and told.
Tables and columns are those of callmux (npm), with `calls`, which is more than 1 where rows were summed up.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from callmux.config.observing import EventStore
from callmux.observe.feed import Heard
from callmux.observe.samples import DIRECT, Sample
from callmux.observe.scribe import Scribe
from callmux.timestamps import iso

log = logging.getLogger(__name__)

MOST_ROWS = 50
"""Rows of one batch: with more calls than that in a twentieth of a second, equal ones become one row."""
BUSY_SECONDS = 1.0
FLUSH_SECONDS = 2.0
DAY = 86400
CLI = "callmux-cli"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS call_events (
  id INTEGER PRIMARY KEY AUTOINCREMENT, ts_ms INTEGER NOT NULL, ts TEXT NOT NULL, server TEXT,
  tool TEXT NOT NULL, target_tool TEXT, session_id TEXT, principal TEXT, transport TEXT,
  duration_ms INTEGER NOT NULL, ok INTEGER NOT NULL, status TEXT NOT NULL, error_class TEXT,
  bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, cache_hit INTEGER NOT NULL,
  tool_kind TEXT NOT NULL, operation TEXT NOT NULL, downstream_calls INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS call_event_targets (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  event_id INTEGER NOT NULL REFERENCES call_events(id) ON DELETE CASCADE,
  server TEXT, tool TEXT NOT NULL, count INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS forwarded_header_usage (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  event_id INTEGER NOT NULL REFERENCES call_events(id) ON DELETE CASCADE,
  ts_ms INTEGER NOT NULL, ts TEXT NOT NULL, server TEXT, tool TEXT, session_id TEXT, principal TEXT,
  header_name TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS call_events_ts ON call_events(ts_ms);
CREATE INDEX IF NOT EXISTS call_event_targets_event ON call_event_targets(event_id);
CREATE INDEX IF NOT EXISTS forwarded_header_usage_event ON forwarded_header_usage(event_id);
CREATE VIEW IF NOT EXISTS audit_forwarded_headers AS
  SELECT ts, ts_ms, COALESCE(server, '') AS server, COALESCE(tool, '') AS tool,
         COALESCE(session_id, '') AS session_id, COALESCE(principal, '') AS principal, header_name
  FROM forwarded_header_usage;
"""
_LATER = {"transport": "TEXT", "calls": "INTEGER NOT NULL DEFAULT 1"}
"""Columns that a file of an earlier version does not have."""
_COLUMNS = (
    *("ts_ms", "ts", "server", "tool", "target_tool", "session_id", "principal", "transport", "duration_ms"),
    *("ok", "status", "error_class", "bytes_in", "bytes_out", "cache_hit", "tool_kind", "operation"),
    *("downstream_calls", "calls"),
)
_INSERT = f"INSERT INTO call_events (id, {', '.join(_COLUMNS)}) VALUES (?{', ?' * len(_COLUMNS)})"


class _Flush:
    """Says when all that came before it is written."""

    def __init__(self) -> None:
        self.done = threading.Event()


class EventDatabase:
    """The database.

    Args:
        settings: How much is kept, and where.
        wall: The time of day.
        path: The file.

    Attributes:
        problem: Why nothing is written now; None while all is well.
        lost: How many calls could not be written.
        summed: How many rows stand for several calls.
    """

    def __init__(self, settings: EventStore, wall: Callable[[], float], path: Path) -> None:
        self._settings = settings
        self._wall = wall
        self.path = path
        self.problem: str | None = None
        self.lost = self.summed = 0
        self._connection: sqlite3.Connection | None = None
        self._since_prune = 0
        self._scribe = Scribe(wall, self._write)
        self.put = self._scribe.put

    def __repr__(self) -> str:
        return f"EventDatabase({str(self.path)!r}, {self.problem or 'well'})"

    def close(self, seconds: float) -> bool:
        """Writes what waits, at most so long; whether all was written. What comes later is lost."""
        if not self._scribe.close(seconds):
            return False
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._prune(self._connection)
            self._connection.close()
            self._connection = None
        return True

    def flush(self) -> None:
        """Waits until what came so far is written, for a bounded time. For a thread."""
        mark = _Flush()
        self.put(mark)
        mark.done.wait(FLUSH_SECONDS)

    def facts(self) -> dict[str, Any]:
        """How it is doing."""
        facts: dict[str, Any] = {"lost": self.lost, "summedRows": self.summed}
        return facts if self.problem is None else {**facts, "problem": self.problem}

    def _write(self, heard: Heard) -> None:
        samples = [fact for _, fact in heard.facts if isinstance(fact, Sample)]
        self.lost += heard.dropped
        try:
            if samples:
                self._insert(self._opened(), samples)
            if self.problem is not None and samples:
                log.info("the event store %s is written again; %d calls are not in it", self.path, self.lost)
                self.problem = None
        except (sqlite3.Error, OSError) as error:
            self.lost += len(samples)
            self._failed(error)
        finally:
            for _, fact in heard.facts:
                if isinstance(fact, _Flush):
                    fact.done.set()

    def _failed(self, error: Exception) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()
        broken = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
        if self.problem is None:
            log.error("the event store %s cannot be written, calls go on: %s", self.path, error)
        self.problem = str(error)
        if broken and not isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
            self._set_aside()

    def _set_aside(self) -> None:
        """A file that is no database any more is kept under another name; the next call begins a new one."""
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                os.replace(f"{self.path}{suffix}", f"{self.path}.broken{suffix}")
        log.error("the event store was kept as %s.broken, a new one is begun", self.path)

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Others must not read who called what.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, check_same_thread=False)
            connection.isolation_level = None
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute("PRAGMA foreign_keys = ON")
                connection.executescript(_SCHEMA)
                known = {row[1] for row in connection.execute("PRAGMA table_info(call_events)")}
                for column, kind in _LATER.items():
                    if column not in known:
                        connection.execute(f"ALTER TABLE call_events ADD COLUMN {column} {kind}")
            except sqlite3.Error:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _insert(self, connection: sqlite3.Connection, samples: Sequence[Sample]) -> None:
        rows = [(sample, 1) for sample in samples]
        if len(rows) > MOST_ROWS:
            rows = summed_up(samples)
            self.summed += sum(count > 1 for _, count in rows)
        with _transaction(connection):
            # Ids are ours, so that each table is filled in one go.
            first = 1 + connection.execute("SELECT COALESCE(MAX(id), 0) FROM call_events").fetchone()[0]
            numbered = [(first + n, sample, count) for n, (sample, count) in enumerate(rows)]
            connection.executemany(_INSERT, [(id, *row_of(sample, count)) for id, sample, count in numbered])
            connection.executemany(
                "INSERT INTO call_event_targets (event_id, server, tool, count) VALUES (?, ?, ?, ?)",
                [
                    (id, server or None, tool, times * count)
                    for id, sample, count in numbered
                    for server, tool, times in sample.targets or (("", sample.tool, 1),)
                ],
            )
            if headers := [
                row for id, sample, _ in numbered if sample.headers for row in _header_rows(id, sample)
            ]:
                connection.executemany(
                    "INSERT INTO forwarded_header_usage (event_id, ts_ms, ts, server, tool, session_id, "
                    "principal, header_name) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    headers,
                )
        self._since_prune += len(rows)
        if self._since_prune >= self._settings.prune_every:
            self._since_prune = 0
            self._prune(connection)

    def _prune(self, connection: sqlite3.Connection) -> None:
        with _transaction(connection):
            if self._settings.retention_days:
                oldest = round((self._wall() - self._settings.retention_days * DAY) * 1000)
                connection.execute("DELETE FROM call_events WHERE ts_ms < ?", (oldest,))
            if self._settings.max_rows:
                # Rows go from the oldest on, so that ids have no gaps.
                connection.execute(
                    "DELETE FROM call_events WHERE id <= (SELECT MAX(id) FROM call_events) - ?",
                    (self._settings.max_rows,),
                )


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing; the file is ours for as long as it takes."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")


def _header_rows(id: int, sample: Sample) -> Iterator[tuple[Any, ...]]:
    when = (round(sample.at * 1000), iso(sample.at))
    who = (sample.session_id or None, sample.principal or None)
    return ((id, *when, server, tool, *who, header) for server, tool, header in sample.headers)


def summed_up(samples: Sequence[Sample]) -> list[tuple[Sample, int]]:
    """Samples that differ in nothing but time and size as one each, the last of them, and how many they are.
    Sizes and durations of the row are means."""
    groups: dict[Any, list[Sample]] = {}
    for sample in samples:
        key = (
            *(sample.tool, sample.operation, sample.targets, sample.status, sample.code, sample.session_id),
            *(sample.client, sample.principal, sample.cached, sample.headers),
        )
        groups.setdefault(key, []).append(sample)
    found = []
    for group in groups.values():
        last, count = group[-1], len(group)
        if count > 1:
            last = Sample(
                last.at,
                last.tool,
                last.operation,
                last.targets,
                last.status,
                last.code,
                sum(sample.seconds for sample in group) / count,
                sum(sample.sent for sample in group) // count,
                sum(sample.received for sample in group) // count,
                last.session_id,
                last.request_id,
                last.client,
                last.principal,
                last.cached,
                last.headers,
            )
        found.append((last, count))
    return found


def row_of(sample: Sample, count: int) -> tuple[Any, ...]:
    """A row of `call_events`: sizes are of all calls that it stands for, the duration is of one."""
    one = sample.targets[0] if len(sample.targets) == 1 else None
    return (
        round(sample.at * 1000),
        iso(sample.at),
        None if one is None else one[0],
        sample.tool,
        None if one is None else one[1],
        sample.session_id or None,
        sample.principal or None,
        "cli" if sample.client == CLI else "mcp",
        round(sample.seconds * 1000),
        int(sample.ok),
        sample.status,
        sample.code or None,
        sample.sent * count,
        sample.received * count,
        int(sample.cached),
        "downstream" if sample.operation == DIRECT else "callmux_meta",
        sample.operation,
        sample.downstream * count,
        count,
    )
