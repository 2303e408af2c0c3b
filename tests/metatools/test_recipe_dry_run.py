"""`callmux_recipe_dry_run` shows what `callmux_recipe_run` would do, and calls nothing."""

from __future__ import annotations

import json
from typing import Any

from msgspec import Raw

from callmux.metatools.meta_tool import META_TOOLS
from tests.metatools.conftest import Bench


def dry(bench: Bench, recipe: str, **arguments: Any) -> dict[str, Any]:
    raw = Raw(json.dumps({"recipe": recipe, "arguments": arguments}).encode())
    tool = META_TOOLS["callmux_recipe_dry_run"]
    assert tool.expand is not None
    plan = tool.expand(tool.read(raw), bench.engine)
    result = json.loads(bench.finish(tool.run(plan, bench.engine, bench.context)).raw)
    assert not bench.calls
    payload: dict[str, Any] = result["structuredContent"]
    return payload


def test_its_arguments_are_checked(bench: Bench) -> None:
    assert bench.refused("callmux_recipe_dry_run", {"recipe": ""}) == "recipe"
    assert bench.refused("callmux_recipe_dry_run", {"recipe": "r", "arguments": 5}) == "arguments"


def test_a_preview_with_the_recipes_name_first(bench: Bench) -> None:
    bench.serve(a=["t"])
    bench.configure(
        pair={
            "mode": "parallel",
            "calls": [{"tool": "t", "arguments": {"id": {"$param": name}}} for name in ("one", "two")],
        }
    )
    payload = dry(bench, "pair", one=1, two={"$text": "x"})
    assert list(payload)[:3] == ["recipe", "mode", "valid"]
    assert (payload["recipe"], payload["mode"], payload["valid"]) == ("pair", "parallel", True)
    assert [item["resolvedArguments"] for item in payload["items"]] == [{"id": 1}, {"id": "x"}]


def test_a_call_without_arguments_shows_none(bench: Bench) -> None:
    """W2: preview and run are one expansion."""
    bench.serve(a=["t"])
    bench.configure(r={"mode": "call", "tool": "t"})
    (item,) = dry(bench, "r")["items"]
    assert item["source"] == {"mode": "call"}
    assert "resolvedArguments" not in item


def test_a_page_of_a_kept_result(bench: Bench) -> None:
    bench.configure(r={"mode": "call", "tool": "callmux_get_result", "arguments": {"ref": "x"}})
    assert dry(bench, "r")["items"][0]["resolved"]["server"] == "callmux"
