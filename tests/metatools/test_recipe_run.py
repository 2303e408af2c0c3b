"""`callmux_recipe_run` answers as the meta-tool that its recipe configures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw

from callmux.metatools.meta_tool import META_TOOLS
from tests.metatools.conftest import Bench, text


@pytest.mark.parametrize(
    ("given", "field"), [({}, "recipe"), ({"recipe": ""}, "recipe"), ({"recipe": 5}, "recipe")]
)
def test_its_arguments_are_checked(bench: Bench, given: Any, field: str) -> None:
    assert bench.refused("callmux_recipe_run", given) == field
    assert bench.refused("callmux_recipe_run", {"recipe": "r", "arguments": [1]}) == "arguments"


def run(bench: Bench, recipe: str, **arguments: Any) -> dict[str, Any]:
    raw = Raw(json.dumps({"recipe": recipe, "arguments": arguments}).encode())
    tool = META_TOOLS["callmux_recipe_run"]
    plan = tool.expand(tool.read(raw), bench.engine)
    assert plan.name == "callmux_recipe_run", "its answers are shielded under this name"
    result: dict[str, Any] = json.loads(bench.finish(tool.run(plan, bench.engine, bench.context)).raw)
    return result


def test_a_call_gives_the_tools_own_result(bench: Bench) -> None:
    bench.configure(r={"mode": "call", "tool": "t", "arguments": {"a": {"$param": "x"}}})
    bench.answers["t"] = text("as it came", _meta={"k": 1})
    assert run(bench, "r", x=1) == text("as it came", _meta={"k": 1})


def test_the_format_that_is_asked_for_holds_for_its_calls(bench: Bench) -> None:
    bench.configure(r={"mode": "parallel", "calls": [{"tool": "t", "arguments": {}}]})
    tool = META_TOOLS["callmux_recipe_run"]
    for asked, default, kept in (("plain", "json", True), (None, "plain", True), ("json", "plain", False)):
        bench.output_format = default
        given = {"recipe": "r"} | ({} if asked is None else {"outputFormat": asked})
        plan = tool.expand(tool.read(Raw(json.dumps(given).encode())), bench.engine)
        told = bench.finish(tool.run(plan, bench.engine, bench.context)).told
        assert (told is not None) is kept


def test_the_others_answer_as_their_meta_tools(bench: Bench) -> None:
    bench.configure(
        p={"mode": "parallel", "calls": [{"tool": "a"}, {"tool": "b"}]},
        b={"mode": "batch", "tool": "a", "items": [{"arguments": {"n": {"$param": "x"}}}]},
        s={"mode": "pipeline", "steps": [{"tool": "a"}, {"tool": "b", "inputMapping": {"n": "$json.tool"}}]},
    )
    assert run(bench, "p")["structuredContent"]["failedIndexes"] == []
    assert run(bench, "b", x=7)["structuredContent"]["results"][0]["result"]["args"] == {"n": 7}
    assert run(bench, "s")["structuredContent"]["finalResult"]["args"] == {"n": "a"}


def test_a_recipe_may_page_a_kept_result(bench: Bench) -> None:
    """It went to the servers as a tool of theirs. Weak spot W34 of callmux (npm)."""
    bench.configure(r={"mode": "call", "tool": "callmux_get_result", "arguments": {"ref": {"$param": "ref"}}})
    tool = META_TOOLS["callmux_recipe_run"]
    plan = tool.expand(tool.read(Raw(b'{"recipe":"r","arguments":{"ref":"gone"}}')), bench.engine)
    with pytest.raises(Exception, match="gone") as caught:
        bench.finish(tool.run(plan, bench.engine, bench.context))
    assert getattr(caught.value, "code", "") == "result_not_found"
    assert not bench.calls


def test_the_examples_of_the_documentation_run(bench: Bench) -> None:
    """docs/recipes.md: the first JSON block is the configuration, the others are requests."""
    blocks = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text("utf-8").split("```json\n")[1:]
    documents = [json.loads(block.split("```")[0]) for block in blocks]
    bench.configure(**documents[0]["recipes"])
    requests = [d for d in documents[1:] if "recipe" in d]
    assert len(requests) >= 3
    for request in requests:
        assert "isError" not in run(bench, request["recipe"], **request["arguments"])
    assert {request["recipe"] for request in requests} <= set(documents[0]["recipes"])
