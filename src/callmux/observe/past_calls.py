"""Past calls in the event store, one by one, and how long they took.

Called by `callmux.dashboard.past`, in a thread: it takes its time. SQLite counts by itself, so that a long
time holds up no call.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from callmux.observe.event_query import reading
from callmux.observe.wording import said
from callmux.timestamps import iso

USUAL_LIMIT = 100
LONGEST = 500
"""Characters of what a client or a server wrote."""
FAILED = "failed"
"""A status that stands for all that are no success."""
_COLUMNS = (
    *("id", "ts_ms", "tool", "server", "target_tool", "session_id", "principal", "transport", "duration_ms"),
    *("ok", "status", "error_class", "bytes_in", "bytes_out", "cache_hit", "operation", "calls"),
)
_FOUND_IN = ("e.tool", "e.server", "e.target_tool", "e.error_class")
SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
"""The percentiles that are shown."""
_PERCENTILES = ", ".join(f"MIN(CASE WHEN part >= {share} THEN ms END)" for share in SHARES.values())
# A row may stand for several equal calls; ties count as one step.
_PARTS = (
    "SELECT {group} AS name, e.duration_ms AS ms, e.calls AS n,"
    " SUM(e.calls) OVER (PARTITION BY {group} ORDER BY e.duration_ms) * 1.0"
    " / SUM(e.calls) OVER (PARTITION BY {group}) AS part FROM {table} WHERE e.ts_ms >= ? AND e.ts_ms <= ?"
)
_BY_SERVER = (
    "call_events e JOIN (SELECT DISTINCT event_id, server FROM call_event_targets) t ON t.event_id = e.id"
)


class CallSearch(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls are looked for.

    Attributes:
        begin, end: Between which times, in seconds since 1970.
        server, tool, session, principal: Only those of it; empty for all.
        status: One of the statuses, or `failed`; empty for all.
        text: Words that stand in the tool, the server or the error.
        before: Only rows before this one, for the next page.
        limit: How many rows at most.
    """

    begin: float
    end: float
    server: str = ""
    tool: str = ""
    session: str = ""
    principal: str = ""
    status: str = ""
    text: str = ""
    before: int | None = None
    limit: int = USUAL_LIMIT


def past_calls(path: Path, search: CallSearch) -> dict[str, Any]:
    """The rows, newest first, and where the next page begins.

    Raises:
        sqlite3.Error: The file cannot be read.
    """
    where, values = _conditions(search)
    query = (
        f"SELECT {', '.join(f'e.{column}' for column in _COLUMNS)} FROM call_events e WHERE {where} "
        "ORDER BY e.id DESC LIMIT ?"
    )
    with reading(path) as connection:
        found = connection.execute(query, (*values, search.limit + 1)).fetchall()
        kept = found[: search.limit]
        targets = _targets(connection, [row[0] for row in kept])
    rows = [_row(dict(zip(_COLUMNS, row, strict=True)), targets.get(row[0], [])) for row in kept]
    return {"rows": rows, "next": str(kept[-1][0]) if len(found) > len(kept) else None}


def latency(path: Path, begin: float, end: float, step: int) -> dict[str, Any]:
    """How many milliseconds calls took: for each step of so many seconds, for all, and for each server.

    Raises:
        sqlite3.Error: The file cannot be read.
    """
    times = (int(begin * 1000), int(end * 1000) + 1)
    length = step * 1000
    with reading(path) as connection:
        by_step = {
            row[0]: row
            for row in _percentiles(connection, f"e.ts_ms / {length} * {length}", "call_events e", times)
        }
        totals = list(_percentiles(connection, "1", "call_events e", times))
        servers = list(_percentiles(connection, "COALESCE(t.server, '(none)')", _BY_SERVER, times))
    first, last = times[0] // length * length, times[1] // length * length
    points = [{"t": t, **_named(by_step.get(t))} for t in range(first, last + 1, length)]
    return {
        "points": points,
        "totals": _named(totals[0] if totals else None),
        "servers": [{"server": said(str(row[0]), LONGEST), **_named(row)} for row in servers],
    }


def _conditions(search: CallSearch) -> tuple[str, list[Any]]:
    parts = ["e.ts_ms >= ? AND e.ts_ms <= ?"]
    values: list[Any] = [int(search.begin * 1000), int(search.end * 1000) + 1]
    within = "e.id IN (SELECT event_id FROM call_event_targets WHERE {} = ?)"
    for wanted, condition in (
        (search.server, within.format("server")),
        (search.tool, f"(e.tool = ? OR {within.format('tool')})"),
        (search.session, "e.session_id = ?"),
        (search.principal, "e.principal = ?"),
    ):
        if wanted:
            parts.append(condition)
            values += [wanted] * condition.count("?")
    if search.status == FAILED:
        parts.append("e.ok = 0")
    elif search.status:
        parts.append("e.status = ?")
        values.append(search.status)
    for word in search.text.split()[:10]:
        parts.append(f"({' OR '.join(f'INSTR(LOWER({column}), ?) > 0' for column in _FOUND_IN)})")
        values += [word.lower()] * len(_FOUND_IN)
    if search.before is not None:
        parts.append("e.id < ?")
        values.append(search.before)
    return " AND ".join(parts), values


def _targets(connection: sqlite3.Connection, ids: list[int]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {}
    query = (
        "SELECT event_id, server, tool, count FROM call_event_targets "
        f"WHERE event_id IN ({', '.join('?' * len(ids))}) ORDER BY id"
    )
    for id, server, tool, count in connection.execute(query, ids):
        found.setdefault(id, []).append(
            {"server": said(server or "", LONGEST), "tool": said(tool, LONGEST), "count": count}
        )
    return found


def _row(row: dict[str, Any], targets: list[dict[str, Any]]) -> dict[str, Any]:
    texts = {
        name: said(row[column] or "", LONGEST) or None
        for name, column in (
            ("server", "server"),
            ("targetTool", "target_tool"),
            ("sessionId", "session_id"),
            ("principal", "principal"),
            ("transport", "transport"),
            ("error", "error_class"),
        )
    }
    return {
        "id": row["id"],
        "at": iso(row["ts_ms"] / 1000),
        "tool": said(row["tool"], LONGEST),
        **{name: text for name, text in texts.items() if text is not None},
        "durationMs": row["duration_ms"],
        "status": row["status"],
        "ok": bool(row["ok"]),
        "bytesIn": row["bytes_in"],
        "bytesOut": row["bytes_out"],
        "cacheHit": bool(row["cache_hit"]),
        "operation": row["operation"],
        "calls": row["calls"],
        "targets": targets,
    }


def _percentiles(
    connection: sqlite3.Connection, group: str, table: str, times: tuple[int, int]
) -> Iterator[tuple[Any, ...]]:
    parts = _PARTS.format(group=group, table=table)
    query = f"SELECT name, {_PERCENTILES}, SUM(n) FROM ({parts}) GROUP BY name ORDER BY SUM(n) DESC, name"
    yield from connection.execute(query, times)


def _named(row: tuple[Any, ...] | None) -> dict[str, Any]:
    shares = [None] * len(SHARES) if row is None else row[1:-1]
    return {**dict(zip(SHARES, shares, strict=True)), "calls": 0 if row is None else row[-1]}
