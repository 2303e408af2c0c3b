"""Plans and calls are frozen records."""

from __future__ import annotations

import pytest
from msgspec import Raw

from callmux.plan import Plan, ToolCall


def test_an_echo_shows_what_was_given() -> None:
    whole = ToolCall(tool="x", server="s", arguments=Raw(b"{}"), timeout_ms=5, cwd="/", force_reconnect=True)
    assert list(whole.echo()) == ["tool", "server", "arguments", "timeoutMs", "cwd"]
    assert ToolCall(tool="x").echo() == {"tool": "x"}


def test_a_plan_does_not_change_under_its_readers() -> None:
    with pytest.raises(AttributeError):
        Plan(name="x").name = "y"  # type: ignore[misc]
