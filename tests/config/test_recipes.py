"""What a recipe asks of its meta-tool."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.config.check import check_document
from callmux.config.recipes import is_of_type, named_in, request


def asked(**recipe: Any) -> tuple[str, dict[str, Any]]:
    checked = check_document({"servers": {}, "recipes": {"r": recipe}})
    assert checked.errors == []
    return request(checked.config.recipes["r"])


def test_a_call_is_passed_on_without_its_description() -> None:
    placeholder = {"number": {"$param": "n"}}
    assert asked(
        mode="call", server="gh", tool="get", arguments=placeholder, timeoutMs=5, cwd="/a", description="d"
    ) == (
        "callmux_call",
        {"tool": "get", "server": "gh", "arguments": placeholder, "timeoutMs": 5, "cwd": "/a"},
    )


def test_children_inherit_what_they_lack() -> None:
    name, arguments = asked(
        mode="parallel",
        timeoutMs=5,
        cwd="/a",
        calls=[{"tool": "x"}, {"tool": "y", "timeoutMs": 9}],
        server="s",
    )
    assert name == "callmux_parallel"
    assert arguments == {
        "calls": [{"timeoutMs": 5, "cwd": "/a", "tool": "x"}, {"timeoutMs": 9, "cwd": "/a", "tool": "y"}]
    }


def test_steps_inherit_too_and_keep_their_mapping() -> None:
    _, arguments = asked(
        mode="pipeline",
        timeoutMs=5,
        steps=[{"tool": "x"}, {"tool": "y", "inputMapping": {"id": "$json.id"}, "onMappingMissing": "fail"}],
    )
    assert arguments["steps"][1] == {
        "timeoutMs": 5,
        "tool": "y",
        "inputMapping": {"id": "$json.id"},
        "onMappingMissing": "fail",
    }


def test_a_batch_keeps_its_limits_beside_the_items() -> None:
    assert asked(mode="batch", tool="x", timeoutMs=5, items=[{"arguments": {"a": 1}}]) == (
        "callmux_batch",
        {"tool": "x", "timeoutMs": 5, "items": [{"arguments": {"a": 1}}]},
    )
    assert asked(mode="parallel", calls=[]) == ("callmux_parallel", {"calls": []})


def checked(**recipe: Any) -> tuple[list[str], list[str]]:
    """Errors and warnings."""
    found = check_document({"servers": {}, "recipes": {"r": recipe}})
    return found.errors, found.warnings


STEP = {"tool": "x", "arguments": {"a": [{"$param": 5}]}}


@pytest.mark.parametrize(
    ("recipe", "path"),
    [
        ({"mode": "call", **STEP}, "arguments.a[0]"),
        ({"mode": "parallel", "calls": [{"tool": "x"}, STEP]}, "calls[1].arguments.a[0]"),
        ({"mode": "batch", "tool": "x", "items": [STEP]}, "items[0].arguments.a[0]"),
        ({"mode": "pipeline", "steps": [{"tool": "x"}, STEP]}, "steps[1].arguments.a[0]"),
    ],
)
def test_a_bad_placeholder_names_recipe_and_step(recipe: dict[str, Any], path: str) -> None:
    errors, _ = checked(**recipe)
    assert errors == [f"recipes.r.{path}.$param must be a non-empty string, the name of a parameter"]


def test_a_placeholder_with_companions_is_warned_about() -> None:
    """It goes out literally, and nobody was told. Weak spot W34 of callmux (npm)."""
    errors, warnings = checked(
        mode="call", tool="x", arguments={"a": {"$param": "p", "extra": {"$param": "q"}}}
    )
    assert errors == []
    assert warnings == ['recipes.r.arguments.a has other keys beside "$param", so it is sent as it stands']


def test_keys_that_are_dropped_are_warned_about() -> None:
    """`server` of a parallel recipe, and arguments beside `arguments`. Weak spot W34 of callmux (npm)."""
    errors, warnings = checked(mode="parallel", server="s", calls=[{"tool": "x", "id": 5}])
    assert errors == []
    assert len(warnings) == 2
    assert warnings[0].startswith("recipes.r.calls[0].id is not known")
    assert warnings[1].startswith("recipes.r.server is ignored")


def test_parameters_are_declared_and_checked_at_load() -> None:
    """Weak spot W34 of callmux (npm)."""
    arguments = {"a": {"$param": "p"}}
    whole = {"p": {"type": "integer", "default": 5.0, "description": "d"}}
    assert checked(mode="call", tool="x", arguments=arguments, parameters=whole) == ([], [])
    assert asked(mode="call", tool="x", arguments=arguments, parameters=whole)[1] == {
        "tool": "x",
        "arguments": arguments,
    }
    for declared, problem in [
        ({"type": "text"}, "recipes.r.parameters.p.type must be "),
        ({"type": "integer", "default": "5"}, "recipes.r.parameters.p.default must be of the declared type"),
        ({"type": "boolean", "default": 1}, "recipes.r.parameters.p.default must be of the declared type"),
        ({"default": 1, "required": True}, "recipes.r.parameters.p.default has no meaning"),
        ({"required": "no"}, "recipes.r.parameters.p.required must be a boolean"),
        (5, "recipes.r.parameters.p must be an object"),
    ]:
        (error,) = checked(mode="call", tool="x", arguments=arguments, parameters={"p": declared})[0]
        assert error.startswith(problem)
    assert checked(mode="call", tool="x", parameters={" ": {}})[0] == [
        "recipes.r.parameters names must be non-empty strings"
    ]


def test_a_parameter_nobody_uses_is_warned_about() -> None:
    used = {"n": {"$param": "p"}}
    steps = [{"tool": "x", "arguments": used}]
    assert checked(mode="pipeline", steps=steps, parameters={"p": {}, "q": {}}) == (
        [],
        ["recipes.r.parameters.q is not used"],
    )


@pytest.mark.parametrize(
    ("value", "name", "fits"),
    [
        (True, "boolean", True),
        (True, "integer", False),
        (True, "number", False),
        (5.0, "integer", True),
        (5.5, "integer", False),
        (5, "number", True),
        ("5", "string", True),
        ({}, "object", True),
        ([], "object", False),
    ],
)
def test_a_value_is_of_a_json_type(value: object, name: str, fits: bool) -> None:
    assert is_of_type(value, name) is fits


@pytest.mark.parametrize(
    ("parameter", "must"),
    [({}, True), ({"default": 1}, False), ({"default": None}, False), ({"required": False}, False)],
)
def test_a_parameter_without_a_default_must_be_given_unless_it_says_otherwise(
    parameter: dict[str, Any], must: bool
) -> None:
    recipe = {"mode": "call", "tool": "t", "parameters": {"p": parameter}}
    config = check_document({"servers": {}, "recipes": {"r": recipe}}).config
    assert (config.recipes["r"].parameters or {})["p"].must_be_given is must


@pytest.mark.parametrize(
    ("recipe", "named"),
    [
        ({"mode": "call", "tool": "x", "server": "s"}, [("x", "s")]),
        ({"mode": "batch", "tool": "x", "items": [{"arguments": {}}]}, [("x", None)]),
        (
            {"mode": "parallel", "calls": [{"tool": "x", "server": "s"}, {"tool": "y"}]},
            [("x", "s"), ("y", None)],
        ),
        (
            {"mode": "pipeline", "steps": [{"tool": "x"}, {"tool": "y", "server": "s"}]},
            [("x", None), ("y", "s")],
        ),
    ],
)
def test_a_recipe_names_every_tool_it_calls_with_the_server_beside_it(
    recipe: dict[str, Any], named: list[tuple[str, str | None]]
) -> None:
    checked = check_document({"servers": {}, "recipes": {"r": recipe}})
    assert checked.errors == []
    assert named_in(checked.config.recipes["r"]) == named
