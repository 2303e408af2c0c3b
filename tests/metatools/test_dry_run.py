"""`callmux_dry_run` reads a request as the tool it is about would, shows what it would do, calls nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.metatools.conftest import Bench

ITEM = {"name": "get", "inputSchema": {"type": "object", "properties": {"id": {"type": "integer"}}}}


@pytest.fixture
def served(bench: Bench) -> Bench:
    bench.serve(a=[ITEM, "put"])
    return bench


def dry(bench: Bench, **arguments: Any) -> dict[str, Any]:
    payload: dict[str, Any] = bench.payload("callmux_dry_run", arguments)
    assert not bench.calls
    return payload


@pytest.mark.parametrize(
    ("given", "mode"),
    [
        ({"tool": "get"}, "call"),
        ({"calls": [{"tool": "get"}], "tool": "get"}, "parallel"),
        ({"tool": "get", "items": [{"arguments": {}}]}, "batch"),
        ({"steps": [{"tool": "get"}]}, "pipeline"),
        ({"mode": "call", "tool": "get", "arguments": {"steps": []}}, "call"),
    ],
)
def test_the_mode_shows_in_the_request(served: Bench, given: dict[str, Any], mode: str) -> None:
    payload = dry(served, **given)
    assert (payload["mode"], payload["items"][0]["source"]["mode"]) == (mode, mode)


@pytest.mark.parametrize("given", [{}, {"mode": "nope", "tool": "x"}, {"mode": 5, "tool": "x"}, {"tool": 5}])
def test_a_mode_that_cannot_be_told(served: Bench, given: dict[str, Any]) -> None:
    assert served.refused("callmux_dry_run", given) == "mode"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"mode": "batch", "tool": "get"}, "items"),
        ({"mode": "parallel", "tool": "get"}, "calls"),
        ({"steps": []}, "steps"),
        ({"calls": [{"tool": "get", "arguments": [1]}]}, "calls[0].arguments"),
        ({"tool": "get", "arguments": [1]}, "arguments"),
        ({"tool": "get", "timeoutMs": 0}, "timeoutMs"),
    ],
)
def test_the_shape_rules_are_those_of_the_tool(served: Bench, given: dict[str, Any], field: str) -> None:
    """W1."""
    assert served.refused("callmux_dry_run", given) == field


def test_flat_arguments_count_in_every_form(served: Bench) -> None:
    """They were lost in the form of a single call, and nobody was told of the wrapping.

    Weak spot W15 of callmux (npm).
    """
    payload = dry(served, tool="get", id="5")
    assert payload["items"][0]["resolvedArguments"] == {"id": 5}
    assert payload["warnings"][0]["code"] == "auto_wrapped_flat_calls"
    assert payload["summary"]["warningCount"] == 1


def test_what_is_left_over_is_named(served: Bench) -> None:
    """Weak spot W23 of callmux (npm)."""
    payload = dry(served, calls=[{"tool": "get", "arguments": {}, "id": 5}])
    assert "calls[0].id" in payload["warnings"][0]["message"]


def test_a_preview_and_the_call_give_the_tool_the_same(served: Bench, tmp_path: Path) -> None:
    """One preparation for both. Weak spot W15 of callmux (npm)."""
    (tmp_path / "f.json").write_text('{"n": "7"}')
    arguments = {"params": {"id": {"$jsonFile": "f.json"}}}
    request = {"tool": "get", "cwd": str(tmp_path), "arguments": arguments}
    (item,) = dry(served, **request)["items"]
    assert item["resolvedArguments"] == {"id": {"n": "7"}}
    assert (item["cwd"], item["resolvedArgumentBytes"]) == (str(tmp_path), len('{"id":{"n":"7"}}'))


def test_the_plan_names_the_tools_it_looks_at(served: Bench) -> None:
    """Whoever may not call a tool may not preview it: permission reads the plan."""
    assert [c.spelling for c in served.parse("callmux_dry_run", {"calls": [{"tool": "get"}]}).calls] == [
        "get"
    ]
