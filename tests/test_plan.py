"""Plans and calls are frozen records."""

from __future__ import annotations

import pytest
from msgspec import Raw

from callmux.plan import Patience, Plan, ToolCall


def test_an_echo_shows_what_was_given() -> None:
    whole = ToolCall(tool="x", server="s", arguments=Raw(b"{}"), timeout_ms=5, cwd="/", force_reconnect=True)
    assert list(whole.echo()) == ["tool", "server", "arguments", "timeoutMs", "cwd"]
    assert ToolCall(tool="x").echo() == {"tool": "x"}


def test_a_plan_does_not_change_under_its_readers() -> None:
    with pytest.raises(AttributeError):
        Plan(name="x").name = "y"  # type: ignore[misc]


def test_patience_grows_and_whoever_set_a_timer_hears_of_it() -> None:
    patience = Patience(10.0, 5.0)
    patience.extend(9.0, 4.0)
    assert (patience.deadline, patience.seconds) == (10.0, 5.0)
    patience.extend(12.0, 3.0)
    assert (patience.deadline, patience.seconds) == (12.0, 5.0)
    told: list[float] = []
    patience.moved = told.append
    patience.extend(11.0, 8.0)
    patience.extend(20.0, 1.0)
    assert (patience.deadline, patience.seconds, told) == (20.0, 8.0, [20.0])
