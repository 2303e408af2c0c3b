"""What `callmux top` shows, from two looks at what runs. Pure.

Called by `callmux.cli.top`, which looks; drawn by `callmux.cli.top_screen`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

Counts = Mapping[str, Mapping[str, float]]
"""By server: `calls`, `failed` and `milliseconds` so far."""


class ServerRow(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A server.

    Attributes:
        calls, failed: How many calls, and how many without a result.
        calls_per_second: Between the two looks.
        average_ms: How long calls took between the two looks; since the beginning, where there were none.
        error: Why it is not connected.
    """

    name: str
    state: str
    tools: int = 0
    calls: int = 0
    failed: int = 0
    calls_per_second: float = 0.0
    average_ms: float = 0.0
    error: str = ""


class CallRow(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A call that runs."""

    tool: str
    server: str = ""
    duration_ms: int = 0
    client: str = ""


class ProcessRow(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A callmux.

    Attributes:
        name: What it is: its process id, or its address.
        counted: Whether its calls are counted.
        problems: What it cannot write to disk, and why.
    """

    name: str
    status: str
    sessions: int
    servers: list[ServerRow]
    active_calls: list[CallRow]
    calls_per_second: float
    calls: int
    failed: int
    counted: bool
    problems: dict[str, str] = {}


def seen(
    name: str, status: Mapping[str, Any], counts: Counts | None, before: Counts | None, seconds: float
) -> ProcessRow:
    """One callmux.

    Args:
        name: What it is.
        status: Its status payload.
        counts: What it has counted; None where it counts nothing.
        before: The same at the look before.
        seconds: Between the two.
    """
    records = [*_list(status, "servers"), *_list(status, "failedServers")]
    rows = [_server(record, counts or {}, before, seconds) for record in records]
    rows += [ServerRow(name=str(name), state="disabled") for name in _list(status, "disabledServers")]
    about = status.get("listener")
    listener: Mapping[str, Any] = about if isinstance(about, dict) else {}
    sessions = _list(listener, "sessions")
    clients = {str(s.get("id")): str(s.get("client", "")) for s in sessions if isinstance(s, dict)}
    calls = [_call(call, clients) for call in _list(listener, "activeToolCalls")]
    return ProcessRow(
        name=name,
        status=str(status.get("status", "unknown")),
        sessions=len(sessions),
        servers=sorted(rows, key=lambda row: (-row.calls_per_second, -row.calls, row.name)),
        active_calls=sorted(calls, key=lambda call: -call.duration_ms),
        calls_per_second=round(sum(row.calls_per_second for row in rows), 1),
        calls=sum(row.calls for row in rows),
        failed=sum(row.failed for row in rows),
        counted=counts is not None,
        problems={str(what): str(why) for what, why in _problems(listener)},
    )


def _server(record: Mapping[str, Any], counts: Counts, before: Counts | None, seconds: float) -> ServerRow:
    name = str(record.get("name"))
    now, then = counts.get(name, {}), (before or {}).get(name, {})
    calls, failed = int(now.get("calls", 0)), int(now.get("failed", 0))
    fresh = calls - int(then.get("calls", 0)) if before is not None else 0
    spent = now.get("milliseconds", 0.0) - (then.get("milliseconds", 0.0) if fresh > 0 else 0.0)
    over = fresh if fresh > 0 else calls
    tools = record.get("toolCount", len(_list(record, "tools")))
    return ServerRow(
        name=name,
        state=str(record.get("state")),
        tools=tools if isinstance(tools, int) else 0,
        calls=calls,
        failed=failed,
        calls_per_second=round(max(fresh, 0) / seconds, 1) if seconds > 0 else 0.0,
        average_ms=round(spent / over, 1) if over else 0.0,
        error="" if record.get("state") == "connected" else str(record.get("error") or ""),
    )


def _call(call: Mapping[str, Any], clients: Mapping[str, str]) -> CallRow:
    return CallRow(
        tool=str(call.get("targetTool") or call.get("tool") or ""),
        server=str(call.get("server") or ""),
        duration_ms=int(call.get("durationMs") or 0),
        client=clients.get(str(call.get("sessionId")), ""),
    )


def _problems(listener: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    found = listener.get("problems")
    return list(found.items()) if isinstance(found, dict) else []


def _list(value: Mapping[str, Any], key: str) -> list[Any]:
    found = value.get(key)
    return found if isinstance(found, list) else []
