"""What a recipe asks of its meta-tool."""

from __future__ import annotations

from typing import Any

from callmux.config.check import check_document
from callmux.config.recipes import request


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
