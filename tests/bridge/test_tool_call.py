"""What the bridge reads of a tool call, and what it leaves for the listener to refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from callmux.bridge.tool_call import plan_of, read


def given(value: Any) -> Raw:
    return Raw(json.dumps(value).encode())


def test_the_plan_of_a_meta_tool_says_what_it_will_call() -> None:
    calls = {"calls": [{"tool": "a__b"}, {"tool": "c"}]}
    plan = plan_of(read(given({"name": "callmux_parallel", "arguments": calls})))
    assert plan is not None
    assert [call.spelling for call in plan.calls] == ["a__b", "c"]


@pytest.mark.parametrize(
    "params",
    [
        {"name": "a"},
        {"name": "callmux_unknown"},
        {"name": "callmux_parallel", "arguments": {"calls": 5}},
        {"name": 5},
        [],
    ],
)
def test_what_is_no_meta_tool_or_is_to_be_refused_has_no_plan(params: Any) -> None:
    assert plan_of(read(given(params))) is None


def test_no_params_are_a_call_without_a_name() -> None:
    assert read(None).name == ""


def test_what_a_call_says_beside_name_and_arguments_is_for_the_listener() -> None:
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
    assert read(given({"name": "a", "_meta": meta})).name == "a"
    assert read(given({"name": "a", "_meta": {"progressToken": 1}})).name == "a"
