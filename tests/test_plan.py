"""Plans and calls are frozen records."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Raw

from callmux.plan import DirectCall, Plan, ToolCall


def test_an_echo_shows_what_was_given() -> None:
    whole = ToolCall(tool="x", server="s", arguments=Raw(b"{}"), timeout_ms=5, cwd="/", force_reconnect=True)
    assert list(whole.echo()) == ["tool", "server", "arguments", "timeoutMs", "cwd"]
    assert ToolCall(tool="x").echo() == {"tool": "x"}


def test_a_plan_does_not_change_under_its_readers() -> None:
    with pytest.raises(AttributeError):
        Plan(name="x").name = "y"  # type: ignore[misc]


def test_the_params_of_a_direct_call_are_as_good_as_a_call_with_all_members() -> None:
    params = b'{"name":"t","arguments":{"n":1.50},"_meta":{"k":1}}'
    call = msgspec.json.decode(params, type=DirectCall)
    whole = call.whole()
    assert (whole.tool, bytes(whole.arguments or b""), bytes(whole.meta or b"")) == (
        "t",
        b'{"n":1.50}',
        b'{"k":1}',
    )
    others = set(ToolCall.__struct_fields__) - {"tool", "arguments", "meta"}
    assert {name: getattr(call, name) for name in others} == {name: getattr(whole, name) for name in others}


def test_params_with_other_members_are_no_direct_call_like_any_other() -> None:
    for member in ("server", "cwd", "task", "force_reconnect", "opaque"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(b'{"name":"t","%b":"x"}' % member.encode(), type=DirectCall)
