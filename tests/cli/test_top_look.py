"""Two looks become rates."""

from __future__ import annotations

from typing import Any

import msgspec

from callmux.cli.top_look import seen

STATUS: dict[str, Any] = {
    "status": "degraded",
    "servers": [
        {"name": "a", "state": "connected", "tools": ["x", "y"], "toolCount": 2},
        {"name": "b", "state": "connected", "tools": ["z"]},
    ],
    "failedServers": [{"name": "c", "state": "reconnecting", "error": "refused", "toolCount": "?"}],
    "disabledServers": ["d"],
    "listener": {
        "sessions": [{"id": "s1", "client": "me"}, "odd"],
        "activeToolCalls": [
            {"tool": "short", "targetTool": "x", "server": "a", "durationMs": 5, "sessionId": "s1"},
            {"tool": "callmux_parallel", "durationMs": 900},
        ],
    },
}
BEFORE = {"a": {"calls": 10, "failed": 1, "milliseconds": 100.0}}
NOW = {
    "a": {"calls": 30, "failed": 2, "milliseconds": 500.0},
    "b": {"calls": 4, "failed": 0, "milliseconds": 8.0},
}


def test_what_happened_in_between_is_a_rate() -> None:
    row = seen("p", STATUS, NOW, BEFORE, 2.0)
    a, b, c, d = row.servers
    assert (a.name, a.tools, a.calls, a.failed, a.calls_per_second, a.average_ms) == (
        "a",
        2,
        30,
        2,
        10.0,
        20.0,
    )
    assert (b.name, b.tools, b.calls_per_second, b.average_ms) == ("b", 1, 2.0, 2.0)
    assert (c.name, c.error, c.tools) == ("c", "refused", 0)
    assert (d.name, d.state) == ("d", "disabled")
    assert (row.status, row.sessions, row.calls, row.failed, row.calls_per_second) == (
        "degraded",
        2,
        34,
        2,
        12.0,
    )
    slow, fast = row.active_calls
    assert (slow.tool, slow.duration_ms) == ("callmux_parallel", 900)
    assert (fast.tool, fast.server, fast.client) == ("x", "a", "me")


def test_a_first_look_has_no_rates_and_one_without_counts_says_so() -> None:
    row = seen("p", STATUS, NOW, None, 2.0)
    assert row.calls_per_second == 0
    assert row.servers[0].average_ms == 16.7
    row = seen("p", {}, None, None, 0.0)
    assert (row.counted, row.servers, row.status) == (False, [], "unknown")
    # Whoever began anew has counted less.
    assert seen("p", STATUS, BEFORE, NOW, 2.0).calls_per_second == 0
    assert msgspec.json.encode(row).startswith(b'{"name":"p"')


def test_what_cannot_be_written_is_told() -> None:
    listener = {"problems": {"eventStore": "database is locked"}}
    assert seen("p", {"listener": listener}, None, None, 0.0).problems == {"eventStore": "database is locked"}
    assert seen("p", {"listener": {"problems": "odd"}}, None, None, 0.0).problems == {}


def test_nothing_passes_in_no_time() -> None:
    assert seen("p", STATUS, NOW, BEFORE, 0.0).servers[0].calls_per_second == 0
