"""What the database of past calls says about a time: by server, tool, session and transport.

Called by `callmux.dashboard.past`, in a thread: it takes its time. `callmux.observe.past_calls` reads the
same file in the same way.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from callmux.observe.wording import said
from callmux.timestamps import iso

USUAL_LIMIT, MOST, MOST_DIGITS = 25, 500, 15
LONGEST = 500
"""Characters of a name that a client may have made up."""
LONGEST_SECONDS = 30.0
"""How long a query may take: nobody waits for the answer then."""
_STEPS = 100_000
"""Steps of SQLite after which the time is looked at."""
_SUMS = (
    "SUM(e.calls), SUM(CASE WHEN e.ok = 0 THEN e.calls ELSE 0 END), "
    "SUM(e.duration_ms * e.calls) * 1.0 / SUM(e.calls), SUM(e.bytes_in), SUM(e.bytes_out), MAX(e.ts_ms)"
)
_TIME = "e.ts_ms >= ? AND e.ts_ms <= ?"
_BY = {
    "byTool": "e.tool",
    "bySession": "COALESCE(e.session_id, '(none)')",
    "byTransport": "COALESCE(e.transport, 'mcp')",
}


def limit_of(text: str | None) -> int:
    """The bound on rows that a query asks for."""
    if text is None or not text.isascii() or not text.isdigit():
        return USUAL_LIMIT
    # Python refuses to read a number of some thousand digits.
    return min(max(int(text), 1), MOST) if len(text) <= MOST_DIGITS else MOST


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """The file, to be read: a query that takes too long ends with an error."""
    where, until = f"file:{quote(str(path))}?mode=ro", time.monotonic() + LONGEST_SECONDS
    with contextlib.closing(sqlite3.connect(where, uri=True, timeout=1.0)) as connection:
        connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
        yield connection


def drilldown(path: Path, begin: float, end: float, limit: int) -> dict[str, Any]:
    """The calls between two times, in seconds since 1970.

    Raises:
        sqlite3.Error: The file cannot be read.
    """
    times = (int(begin * 1000), int(end * 1000) + 1)
    with reading(path) as connection:
        totals = connection.execute(f"SELECT {_SUMS} FROM call_events e WHERE {_TIME}", times).fetchone()
        found: dict[str, Any] = {"totals": {k: v for k, v in _row("", totals).items() if k not in _NAMES}}
        found["byServer"] = [
            _row(*_split(row))
            for row in connection.execute(
                f"SELECT COALESCE(t.server, '(none)') AS name, {_SUMS} FROM call_events e "
                "JOIN (SELECT DISTINCT event_id, server FROM call_event_targets) t ON t.event_id = e.id "
                f"WHERE {_TIME} GROUP BY name ORDER BY SUM(e.calls) DESC, name LIMIT ?",
                (*times, limit),
            )
        ]
        for key, column in _BY.items():
            query = (
                f"SELECT {column} AS name, {_SUMS} FROM call_events e WHERE {_TIME} "
                "GROUP BY name ORDER BY SUM(e.calls) DESC, name LIMIT ?"
            )
            found[key] = [_row(*_split(row)) for row in connection.execute(query, (*times, limit))]
        found["forwardedHeaders"] = [
            {
                "server": server,
                "tool": said(tool or "", LONGEST),
                "sessionId": session,
                "principal": principal or "(anonymous)",
                "headerName": header,
                "calls": calls,
                "lastSeenAt": iso(last / 1000),
            }
            for server, tool, session, principal, header, calls, last in connection.execute(
                "SELECT h.server, h.tool, h.session_id, h.principal, h.header_name, SUM(e.calls), "
                "MAX(h.ts_ms) FROM forwarded_header_usage h JOIN call_events e ON e.id = h.event_id "
                f"WHERE {_TIME} GROUP BY 1, 2, 3, 4, 5 ORDER BY 6 DESC, 1, 2, 5 LIMIT ?",
                (*times, limit),
            )
        ]
    return found


_NAMES = ("name", "lastCallAt")


def _split(row: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    return said(str(row[0]), LONGEST), row[1:]


def _row(name: str, sums: tuple[Any, ...]) -> Mapping[str, Any]:
    calls, errors, average, sent, received, last = sums
    return {
        "name": name,
        "calls": calls or 0,
        "errors": errors or 0,
        "avgDurationMs": round(average or 0, 1),
        "bytesIn": sent or 0,
        "bytesOut": received or 0,
        "lastCallAt": None if last is None else iso(last / 1000),
    }
