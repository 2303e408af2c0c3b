"""Plans and calls are frozen records."""

from __future__ import annotations

import pytest
from msgspec import Raw

from callmux.plan import Plan, ToolCall, whole
from callmux.protocol.calling import DirectCall


def test_an_echo_shows_what_was_given() -> None:
    whole = ToolCall(
        spelling="x", server="s", arguments=Raw(b"{}"), timeout_ms=5, cwd="/", force_reconnect=True
    )
    assert list(whole.echo()) == ["tool", "server", "arguments", "timeoutMs", "cwd"]
    assert ToolCall(spelling="x").echo() == {"tool": "x"}


def test_a_plan_does_not_change_under_its_readers() -> None:
    with pytest.raises(AttributeError):
        Plan(name="x").name = "y"  # type: ignore[misc]


def test_a_direct_call_is_as_good_as_a_call_with_all_members() -> None:
    direct = DirectCall("t", Raw(b'{"n":1.50}'), Raw(b'{"k":1}'))
    call = whole(direct)
    assert call == ToolCall(spelling="t", arguments=Raw(b'{"n":1.50}'), meta=Raw(b'{"k":1}'))
    others = set(ToolCall.__struct_fields__) - {"tool", "arguments", "meta"}
    assert {name: getattr(direct, name) for name in others} == {name: getattr(call, name) for name in others}
    assert whole(call) is call
