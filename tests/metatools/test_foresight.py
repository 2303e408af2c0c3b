"""Which calls a plan makes, before it makes any."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from callmux.config.check import check_document
from callmux.metatools import recipes
from callmux.metatools.foresight import foresee
from callmux.metatools.meta_tool import META_TOOLS
from callmux.metatools.table import ROWS, names
from callmux.plan import Plan, ToolCall


def plan(name: str, **arguments: Any) -> Plan:
    return META_TOOLS[f"callmux_{name}"].read(Raw(json.dumps(arguments).encode()))


def shown(plan: Plan) -> list[Any]:
    return [
        None if call is None else (call.spelling, json.loads(bytes(call.arguments or b"null")))
        for call in foresee(plan)
    ]


CALLS = [{"tool": "a", "arguments": {"x": 1}}, {"tool": "b"}]


@pytest.mark.parametrize(
    ("request_", "calls"),
    [
        (plan("call", tool="a", arguments={"x": 1}), [("a", {"x": 1})]),
        (plan("parallel", calls=CALLS), [("a", {"x": 1}), ("b", None)]),
        (plan("batch", tool="a", items=[{"arguments": {"x": 1}}, {}]), [("a", {"x": 1}), ("a", {})]),
        (plan("pipeline", steps=CALLS), [("a", {"x": 1}), ("b", None)]),
    ],
)
def test_the_calls_stand_in_the_plan(request_: Plan, calls: list[Any]) -> None:
    assert shown(request_) == calls


def test_what_comes_from_a_result_is_not_known() -> None:
    steps = [
        {"tool": "a"},
        {"tool": "b", "inputMapping": {"x": "$json.id"}},
        {"tool": "c", "arguments": {"y": 1}, "inputMapping": {"x": "words"}},
        {"tool": "d", "inputMapping": {"x": "words", "z": "$steps[0].text"}},
    ]
    assert shown(plan("pipeline", steps=steps)) == [("a", None), None, ("c", {"y": 1, "x": "words"}), None]


def test_mere_texts_are_as_they_will_be_sent() -> None:
    """As data, in which nothing is looked for."""
    steps = [{"tool": "a"}, {"tool": "c", "inputMapping": {"x": "words"}}]
    call = foresee(plan("pipeline", steps=steps))[1]
    assert call is not None
    assert call.opaque == {"x"}


@pytest.mark.parametrize("mode", ["parallel", "pipeline"])
def test_a_recipe_is_filled_in(mode: str) -> None:
    key = "calls" if mode == "parallel" else "steps"
    entries = [{"tool": "a", "arguments": {"x": {"$param": "n"}}}, {"tool": "b"}]
    checked = check_document({"servers": {}, "recipes": {"r": {"mode": mode, key: entries}}})
    asked = plan("recipe_run", recipe="r", arguments={"n": 5})
    assert shown(recipes.fill(asked, checked.config.recipes)) == [("a", {"x": 5}), ("b", None)]


def test_what_calls_nothing_has_no_calls() -> None:
    assert foresee(plan("dry_run", calls=CALLS)) == ()
    assert foresee(plan("status")) == ()
    # A direct call is asked about when it is made.
    assert foresee(Plan(name="a", calls=(ToolCall(spelling="a"),))) == ()


def test_every_meta_tool_that_calls_is_foreseen() -> None:
    call = ToolCall(spelling="a")
    for name, row in zip(names(), ROWS.values(), strict=True):
        options: Any = () if name != "callmux_pipeline" else plan("pipeline", steps=[{"tool": "a"}]).options
        assert bool(foresee(Plan(name=name, calls=(call,), options=options))) is row.calls, name
