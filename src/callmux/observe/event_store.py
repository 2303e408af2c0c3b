"""A database of past tool calls: SQLite, written by one thread, in batches.

Made by `callmux.observe.chronicle` where the configuration asks for it; `callmux.observe.event_query` reads.
Whatever happens to the file, no call waits for it or fails: what cannot be written is kept for a while,
then counted and told.

What a row costs is mostly not SQLite: a transaction and the waking of a thread are shared by all calls of a
second, and many rows go into one statement, because the lock of Python is given up and taken again with each.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from callmux.config.observing import EventStore
from callmux.observe.event_rows import EVENTS, HEADERS, ROWS_PER_SECOND, TARGETS, Row, Rows
from callmux.observe.feed import Heard
from callmux.observe.samples import Sample
from callmux.observe.scribe import Scribe

log = logging.getLogger(__name__)

GATHER_SECONDS = 5.0
"""How long a call may wait for others that are written with it; whoever reads has it written at once."""
ENOUGH = 500
"""So many are written without waiting for more."""
MOST_KEPT = 10_000
"""Calls that are kept while nothing can be written."""
AGAIN_SECONDS = 5.0
"""When it is tried again."""
MAGIC = b"SQLite format 3\0"
SIZES = (64, 8, 1)
"""Rows of one statement."""
BUSY_SECONDS = 1.0
FLUSH_SECONDS = 2.0
DAY = 86400
_SCHEMA = """
CREATE TABLE IF NOT EXISTS call_events (
  id INTEGER PRIMARY KEY, ts_ms INTEGER NOT NULL, ts TEXT NOT NULL, server TEXT,
  tool TEXT NOT NULL, target_tool TEXT, session_id TEXT, principal TEXT, transport TEXT,
  duration_ms INTEGER NOT NULL, ok INTEGER NOT NULL, status TEXT NOT NULL, error_class TEXT,
  bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, cache_hit INTEGER NOT NULL,
  tool_kind TEXT NOT NULL, operation TEXT NOT NULL, downstream_calls INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS call_event_targets (
  id INTEGER PRIMARY KEY,
  event_id INTEGER NOT NULL REFERENCES call_events(id) ON DELETE CASCADE,
  server TEXT, tool TEXT NOT NULL, count INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS forwarded_header_usage (
  id INTEGER PRIMARY KEY,
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


UNWRITABLE = (
    *(OverflowError, ValueError, sqlite3.DataError, sqlite3.IntegrityError),
    *(sqlite3.InterfaceError, sqlite3.ProgrammingError),
)
"""What is wrong with rows, and not with the file."""


class Damaged(sqlite3.DatabaseError):
    """The file is no database any more."""


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
        set_aside: Where a damaged file was moved, if one was.
    """

    def __init__(self, settings: EventStore, wall: Callable[[], float], path: Path) -> None:
        self._settings = settings
        self._wall = wall
        self.path = path
        self.problem: str | None = None
        self.set_aside: Path | None = None
        self.lost = self.summed = 0
        self._kept: list[Sample] = []
        self._connection: sqlite3.Connection | None = None
        self._opened_as: os.stat_result | None = None
        self._since_prune = 0
        self._tried = 0.0
        self._scribe = Scribe(wall, self._write, gather=GATHER_SECONDS, enough=ENOUGH)
        self.put = self._scribe.put

    def __repr__(self) -> str:
        return f"EventDatabase({str(self.path)!r}, {self.problem or 'well'})"

    def close(self, seconds: float) -> bool:
        """Writes what waits, at most so long; whether that ended in time. What comes later is lost."""
        if not self._scribe.close(seconds):
            return False
        if self._kept:
            self._save()
        if self._kept:
            self._lose(len(self._kept))
            log.error("%d calls could not be written to the event store %s", self.lost, self.path)
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error), _transaction(self._connection):
                self._prune(self._connection)
            self._close()
        return True

    def flush(self) -> None:
        """Waits until what came so far is written, for a bounded time. For a thread."""
        mark = _Flush()
        self.put(mark)
        self._scribe.hurry()
        mark.done.wait(FLUSH_SECONDS)

    def facts(self) -> dict[str, Any]:
        """How it is doing."""
        facts: dict[str, Any] = {
            "lost": self.lost,
            "waiting": len(self._kept),
            "summedRows": self.summed,
            "summedAbovePerSecond": ROWS_PER_SECOND,
        }
        if self.problem is not None:
            facts["problem"] = self.problem
        if self.set_aside is not None:
            facts["setAside"] = str(self.set_aside)
        return facts

    def _write(self, heard: Heard) -> float | None:
        marks: list[_Flush] = []
        for _, fact in heard.facts:
            if isinstance(fact, _Flush):
                marks.append(fact)
            else:
                self._kept.append(fact)
        self.lost += heard.dropped
        try:
            # Where nothing can be written, that is tried now and then, and when somebody wants to read.
            if self.problem is None or marks or abs(self._wall() - self._tried) >= AGAIN_SECONDS:
                self._save()
        finally:
            self._lose(len(self._kept) - MOST_KEPT)
            for mark in marks:
                mark.done.set()
        return None if self.problem is None else AGAIN_SECONDS

    def _save(self) -> None:
        """Writes what is kept; where that fails, it stays."""
        self._tried = self._wall()
        try:
            try:
                self._insert(self._open(), self._kept)
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
                self._set_aside(error)
                self._insert(self._open(), self._kept)
        except UNWRITABLE:
            # What cannot be written must not keep the rest from being written.
            self._lose(len(self._kept))
            raise
        except (sqlite3.Error, OSError) as error:
            if self.problem is None:
                log.error("the event store %s cannot be written, calls go on: %s", self.path, error)
            self.problem = str(error)
            self._close()
        else:
            self._kept.clear()
            if self.problem is not None:
                log.info("the event store %s is written again; calls lost so far: %d", self.path, self.lost)
                self.problem = None

    def _lose(self, count: int) -> None:
        """Gives up so many calls, the oldest."""
        if count > 0:
            self.lost += count
            del self._kept[:count]

    def _set_aside(self, error: Exception) -> None:
        """A file that is no database any more is kept under another name, and a new one is begun."""
        self._close()
        aside = self.path.with_name(f"{self.path.name}.broken")
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{self.path}{suffix}", f"{aside}{suffix}")
        self.set_aside = aside
        log.error("the event store is damaged (%s): it is kept as %s, and a new one is begun", error, aside)

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _open(self) -> sqlite3.Connection:
        """The connection to the file that is there now."""
        if self._connection is not None:
            if self._is_there():
                return self._connection
            log.info("the event store %s was moved or removed: another one is begun", self.path)
            self._close()
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Others must not read who called what.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, check_same_thread=False)
        connection.isolation_level = None
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            # What belongs to an event is removed with it here, which is cheaper.
            connection.execute("PRAGMA foreign_keys = OFF")
            connection.execute("PRAGMA secure_delete = OFF")
            connection.executescript(_SCHEMA)
            known = {row[1] for row in connection.execute("PRAGMA table_info(call_events)")}
            for column, kind in _LATER.items():
                if column not in known:
                    connection.execute(f"ALTER TABLE call_events ADD COLUMN {column} {kind}")
            self._opened_as = os.stat(self.path)
        except (sqlite3.Error, OSError):
            connection.close()
            raise
        self._connection = connection
        return connection

    def _is_there(self) -> bool:
        """Whether the path still means the open file.

        Raises:
            Damaged: Somebody has written to it who does not know what it is. SQLite reads what it has in
                memory, and notices only much later.
        """
        try:
            with self.path.open("rb") as file:
                about = os.fstat(file.fileno())
                if self._opened_as is None or not os.path.samestat(self._opened_as, about):
                    return False
                if file.read(len(MAGIC)) != MAGIC or about.st_size < self._opened_as.st_size:
                    raise Damaged("it was written over or cut")
                return True
        except FileNotFoundError:
            return False

    def _insert(self, connection: sqlite3.Connection, samples: Sequence[Sample]) -> None:
        if not samples:
            return
        with _transaction(connection):
            # Ids are ours, so that each table is filled in one go.
            first = 1 + connection.execute("SELECT COALESCE(MAX(id), 0) FROM call_events").fetchone()[0]
            rows = Rows(samples, first, self._wall() - samples[0].at)
            _fill(connection, "call_events", EVENTS, rows.events)
            _fill(connection, "call_event_targets", TARGETS, rows.targets)
            _fill(connection, "forwarded_header_usage", HEADERS, rows.headers)
            self._since_prune += len(rows.events)
            if self._since_prune >= self._settings.prune_every:
                self._since_prune = 0
                self._prune(connection)
        self.summed += rows.summed

    def _prune(self, connection: sqlite3.Connection) -> None:
        settings = self._settings
        if settings.retention_days:
            oldest = round((self._wall() - settings.retention_days * DAY) * 1000)
            _delete(connection, "IN (SELECT id FROM call_events WHERE ts_ms < ?)", oldest)
        if settings.max_rows:
            # Rows go from the oldest on, so that ids have no gaps.
            (last,) = connection.execute("SELECT COALESCE(MAX(id), 0) FROM call_events").fetchone()
            _delete(connection, "<= ?", last - settings.max_rows)


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file is no database, or not a whole one."""
    if isinstance(error, Damaged):
        return True
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


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


def _fill(connection: sqlite3.Connection, table: str, columns: tuple[str, ...], rows: Sequence[Row]) -> None:
    at = 0
    while at < len(rows):
        size = next(size for size in SIZES if size <= len(rows) - at)
        values = list(chain.from_iterable(rows[at : at + size]))
        connection.execute(_insertion(table, columns, size), values)
        at += size


@cache
def _insertion(table: str, columns: tuple[str, ...], size: int) -> str:
    places = ", ".join([f"({', '.join('?' * len(columns))})"] * size)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {places}"


def _delete(connection: sqlite3.Connection, which: str, bound: int) -> None:
    """Removes events, and all that belongs to them."""
    for table in ("call_event_targets", "forwarded_header_usage"):
        connection.execute(f"DELETE FROM {table} WHERE event_id {which}", (bound,))
    connection.execute(f"DELETE FROM call_events WHERE id {which}", (bound,))
