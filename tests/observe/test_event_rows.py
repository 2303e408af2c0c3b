"""Rows of past calls, and what becomes of them above a rate."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.observe import event_rows as module
from callmux.observe.event_rows import EVENTS, HEADERS, TARGETS, Rows, summed_up
from tests.observe.test_history import NOW, sample

FAN: dict[str, Any] = {
    "tool": "callmux_parallel",
    "operation": "parallel",
    "targets": (("a", "t", 2), ("b", "u", 1)),
}


def event(rows: Rows, n: int = 0) -> dict[str, Any]:
    return dict(zip(EVENTS, rows.events[n], strict=True))


def test_a_direct_call_has_its_server_and_its_tool() -> None:
    rows = Rows([sample(principal="bearer:ops", session_id="s", client="callmux-cli")], 7, 1.0)
    assert event(rows) == {
        "id": 7,
        "ts_ms": round(NOW * 1000),
        "ts": "2026-11-29T19:37:32.000Z",
        "server": "a",
        "tool": "t",
        "target_tool": "t",
        "session_id": "s",
        "principal": "bearer:ops",
        "transport": "cli",
        "duration_ms": 250,
        "ok": 1,
        "status": "ok",
        "error_class": None,
        "bytes_in": 10,
        "bytes_out": 101,
        "cache_hit": 0,
        "tool_kind": "downstream",
        "operation": "direct",
        "downstream_calls": 0,
        "calls": 1,
    }
    assert (rows.targets, rows.headers, rows.summed) == ([(7, "a", "t", 1)], [], 0)
    assert len(TARGETS) == 4


def test_a_fan_out_has_a_target_for_each_tool_and_a_header_for_each_server_that_got_it() -> None:
    rows = Rows([sample(), sample(**FAN, cached=True, headers=(("a", "t", "x-key"),))], 1, 1.0)
    found = event(rows, 1)
    assert (found["server"], found["target_tool"], found["downstream_calls"]) == (None, None, 3)
    assert (found["tool_kind"], found["operation"], found["cache_hit"]) == ("callmux_meta", "parallel", 1)
    assert rows.targets[1:] == [(2, "a", "t", 2), (2, "b", "u", 1)]
    (header,) = rows.headers
    assert dict(zip(HEADERS, header, strict=True)) == {
        "event_id": 2,
        "ts_ms": round(NOW * 1000),
        "ts": found["ts"],
        "server": "a",
        "tool": "t",
        "session_id": None,
        "principal": None,
        "header_name": "x-key",
    }


def test_a_call_that_went_nowhere_has_its_own_tool_for_a_target() -> None:
    rows = Rows([sample(targets=(), status="error", code="tool_not_found")], 1, 1.0)
    assert rows.targets == [(1, None, "t", 1)]
    assert (event(rows)["ok"], event(rows)["error_class"]) == (0, "tool_not_found")


def test_a_secret_in_the_place_of_a_name_is_written_nowhere() -> None:
    secret = "ghp_0123456789abcdefghij0123456789abcdef"
    made_up = sample(tool=secret, targets=(("a", secret, 1),), headers=(("a", secret, "x-key"),))
    rows = Rows([made_up, sample(tool=secret, targets=())], 1, 1.0)
    assert "ghp_" not in f"{rows.events}{rows.targets}{rows.headers}"


def test_above_a_rate_equal_calls_become_one_row() -> None:
    many = [sample(NOW + n, seconds=n, received=100) for n in range(3)]
    ((one, count), (other, single)) = summed_up([*many, sample(tool="other")])
    assert (count, one.at, one.seconds, one.received) == (3, NOW + 2, 1.0, 100)
    assert (other.tool, single) == ("other", 1)


@pytest.mark.parametrize(
    ("count", "seconds", "rows"), [(50, 0.0, 50), (51, 0.0, 1), (400, 0.5, 400), (501, 0.5, 1)]
)
def test_the_rate_decides_and_not_the_number(count: int, seconds: float, rows: int) -> None:
    assert module.ROWS_PER_SECOND == 1000
    found = Rows([sample()] * count, 1, seconds)
    assert len(found.events) == rows
    assert found.summed == (1 if rows == 1 else 0)
    assert sum(event(found, n)["calls"] for n in range(rows)) == count
    assert sum(event(found, n)["bytes_in"] for n in range(rows)) == 10 * count
    assert sum(target[3] for target in found.targets) == count
