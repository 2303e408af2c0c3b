"""A recipe becomes exactly the calls that are configured, its parameters in place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.errors import InvalidArguments, RecipeNotFound
from callmux.metatools.meta_tool import META_TOOLS
from callmux.metatools.recipes import Filled
from callmux.plan import Plan
from tests.metatools.conftest import Bench


def filled(bench: Bench, recipe: str, arguments: Any = None) -> Plan:
    given = {"recipe": recipe} | ({} if arguments is None else {"arguments": arguments})
    plan = bench.parse("callmux_recipe_run", given)
    expand = META_TOOLS["callmux_recipe_run"].expand
    return expand(plan, bench.engine)


def sent(bench: Bench, recipe: str, arguments: Any = None) -> list[Any]:
    calls = filled(bench, recipe, arguments).calls
    return [None if c.arguments is None else json.loads(bytes(c.arguments)) for c in calls]


def refused(bench: Bench, recipe: str, arguments: Any = None) -> dict[str, Any]:
    with pytest.raises(InvalidArguments) as caught:
        filled(bench, recipe, arguments)
    return dict(caught.value.details)


def test_parameters_of_any_type_at_any_depth(bench: Bench) -> None:
    bench.configure(
        r={
            "mode": "call",
            "tool": "t",
            "arguments": {"a": {"$param": "x"}, "b": [1, {"c": {"$param": "x"}}], "d": "{$param}"},
        }
    )
    for value in ("s", 5, 1.5, None, False, [1], {"k": {"$param": "y"}}):
        assert sent(bench, "r", {"x": value}) == [{"a": value, "b": [1, {"c": value}], "d": "{$param}"}]


def test_digits_of_a_parameter_survive(bench: Bench) -> None:
    bench.configure(r={"mode": "call", "tool": "t", "arguments": {"a": {"$param": "x"}}})
    plan = bench.parse("callmux_recipe_run", b'{"recipe":"r","arguments":{"x":12345678901234567890.10}}')
    expand = META_TOOLS["callmux_recipe_run"].expand
    assert bytes(expand(plan, bench.engine).calls[0].arguments or b"") == b'{"a":12345678901234567890.10}'


def test_a_call_without_arguments_has_none(bench: Bench) -> None:
    """The mode of the recipe went to the tool. Weak spot W2 of callmux (npm)."""
    bench.configure(r={"mode": "call", "tool": "t", "description": "d", "timeoutMs": 5, "cwd": "/x"})
    (call,) = filled(bench, "r").calls
    assert (call.arguments, call.timeout_ms, call.cwd) == (None, 5, "/x")


def test_no_value_is_taken_for_a_result(bench: Bench) -> None:
    """A recipe with such arguments was never executed: they were its answer.

    Weak spot W3 of callmux (npm).
    """
    message = {"role": "user", "content": [{"type": "text", "text": "x"}], "isError": True}
    bench.configure(
        fixed={"mode": "call", "tool": "t", "arguments": {"content": ["a"], "m": message}},
        given={"mode": "call", "tool": "t", "arguments": {"$param": "all"}},
    )
    assert sent(bench, "fixed") == [{"content": ["a"], "m": message}]
    assert sent(bench, "given", {"all": message}) == [message]


def test_every_mode_becomes_its_calls(bench: Bench) -> None:
    param = {"$param": "x"}
    bench.configure(
        p={
            "mode": "parallel",
            "timeoutMs": 7,
            "cwd": "/w",
            "calls": [{"tool": "a", "arguments": {"v": param}}, {"tool": "b", "server": "s", "timeoutMs": 9}],
        },
        b={"mode": "batch", "tool": "t", "server": "s", "items": [{"arguments": {"v": param}}]},
        s={
            "mode": "pipeline",
            "steps": [{"tool": "a"}, {"tool": "b", "arguments": param, "inputMapping": {"n": "$json.n"}}],
        },
    )
    first, second = filled(bench, "p", {"x": 1}).calls
    assert (first.spelling, first.timeout_ms, first.cwd, bytes(first.arguments or b"")) == (
        "a",
        7,
        "/w",
        b'{"v":1}',
    )
    assert (second.spelling, second.server, second.timeout_ms, second.arguments) == ("b", "s", 9, None)
    (item,) = filled(bench, "b", {"x": 1}).calls
    assert (item.spelling, item.server) == ("t", "s")
    plan = filled(bench, "s", {"x": {"k": 1}})
    assert [c.spelling for c in plan.calls] == ["a", "b"]
    assert isinstance(plan.options, Filled)
    assert plan.options.plan.options[1].mappings["n"].source == "$json.n"


def test_unused_parameters_do_no_harm(bench: Bench) -> None:
    bench.configure(r={"mode": "call", "tool": "t"})
    assert sent(bench, "r", {"other": 1}) == [None]


def test_a_missing_parameter_is_named(bench: Bench) -> None:
    bench.configure(
        r={
            "mode": "call",
            "tool": "t",
            "arguments": {"a": {"$param": "x"}},
            "parameters": {"x": {"description": "what to do"}},
        }
    )
    assert refused(bench, "r", {}) == {"field": "arguments.x", "parameter": "x"}
    with pytest.raises(InvalidArguments, match="is required: what to do"):
        filled(bench, "r")


def test_parameters_have_defaults_types_and_may_be_left_out(bench: Bench) -> None:
    """Weak spot W34 of callmux (npm)."""
    bench.configure(
        r={
            "mode": "call",
            "tool": "t",
            "arguments": {"n": {"$param": "n"}, "tag": {"$param": "tag"}, "l": [{"$param": "tag"}, 1]},
            "parameters": {
                "n": {"type": "integer", "default": 3},
                "tag": {"type": "string", "required": False},
            },
        }
    )
    assert sent(bench, "r") == [{"n": 3, "l": [1]}]
    assert sent(bench, "r", {"n": 5.0, "tag": "x"}) == [{"n": 5, "tag": "x", "l": ["x", 1]}]
    for wrong in ("3", 3.5, True, None, [3]):
        assert refused(bench, "r", {"n": wrong}) == {"field": "arguments.n", "parameter": "n"}


def test_a_default_may_be_null_and_arguments_may_be_left_out(bench: Bench) -> None:
    whole = {"mode": "call", "tool": "t", "arguments": {"$param": "all"}}
    bench.configure(
        n={**whole, "arguments": {"a": {"$param": "x"}}, "parameters": {"x": {"default": None}}},
        o={**whole, "parameters": {"all": {"required": False}}},
    )
    assert sent(bench, "n") == [{"a": None}]
    assert sent(bench, "o") == [None]


def test_an_argument_that_is_no_object_names_recipe_and_call(bench: Bench) -> None:
    bench.configure(
        r={"mode": "parallel", "calls": [{"tool": "a"}, {"tool": "t", "arguments": {"$param": "x"}}]}
    )
    assert refused(bench, "r", {"x": [1]}) == {"field": "recipes.r.calls[1].arguments"}


def test_a_mapping_from_later_names_recipe_and_step(bench: Bench) -> None:
    bench.configure(
        r={
            "mode": "pipeline",
            "steps": [{"tool": "a"}, {"tool": "b", "inputMapping": {"x": "$steps[4].text"}}],
        }
    )
    assert refused(bench, "r") == {"field": "recipes.r.steps[1].inputMapping"}


def test_what_only_looks_like_a_placeholder_stays(bench: Bench) -> None:
    """The configuration warns about it when it is loaded. Weak spot W34 of callmux (npm)."""
    bench.configure(r={"mode": "call", "tool": "t", "arguments": {"a": {"$param": "x", "extra": 1}}})
    assert sent(bench, "r") == [{"a": {"$param": "x", "extra": 1}}]


def test_an_unknown_recipe_is_told_what_there_is(bench: Bench) -> None:
    bench.configure(b={"mode": "call", "tool": "t"}, a={"mode": "call", "tool": "t"})
    with pytest.raises(RecipeNotFound) as caught:
        filled(bench, "x")
    assert caught.value.details == {"recipe": "x", "availableRecipes": ["a", "b"]}
    bench.recipes = {}
    with pytest.raises(RecipeNotFound, match="has none"):
        filled(bench, "x")
