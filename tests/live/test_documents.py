"""The examples of docs/meta-only.md, run against a real callmux and the demo's servers."""

from __future__ import annotations

import fnmatch
import json
import re
import sys
from pathlib import Path
from typing import Any

from callmux.metatools.table import NAMES

from .harness import Json, callmux, error_of, run

PAGE = Path(__file__).parents[2] / "docs" / "meta-only.md"


def blocks() -> list[tuple[str, Json]]:
    """The examples in their order: what they are, and what they say."""
    found = re.findall(r"^```json (\w+)\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return [(kind, json.loads(text)) for kind, text in found]


def says(answer: Any, shown: Any) -> bool:
    """Whether an answer has everything that the page shows of it. Lists may have more, texts may have `*`."""
    if isinstance(shown, dict):
        return isinstance(answer, dict) and all(
            key in answer and says(answer[key], value) for key, value in shown.items()
        )
    if isinstance(shown, list):
        return isinstance(answer, list) and all(any(says(item, one) for item in answer) for one in shown)
    if isinstance(shown, str):
        return isinstance(answer, str) and fnmatch.fnmatchcase(answer, shown)
    return bool(answer == shown)


def test_an_answer_that_lacks_what_is_shown_is_noticed() -> None:
    assert says({"a": [{"b": 1, "c": 2}], "d": "some text"}, {"a": [{"b": 1}], "d": "*text"})
    assert not says({"a": [{"b": 1}]}, {"a": [{"b": 2}]})
    assert not says({"a": "text"}, {"a": "te"})
    assert not says({}, {"a": None})


def test_the_examples_of_meta_only_mode_do_what_they_say(tmp_path: Path) -> None:
    (kind, config), *examples = blocks()
    assert kind == "config"
    for server in config["servers"].values():
        server["command"] = sys.executable
    path = tmp_path / "callmux.json"
    path.write_text(json.dumps(config))

    async def follow() -> int:
        async with callmux(tmp_path, "--config", path) as client:
            await client.initialize()
            assert {tool["name"] for tool in await client.tools()} == NAMES
            result: Json = {}
            for kind, shown in examples:
                if kind in NAMES:
                    result = await client.call(kind, shown)
                elif kind == "reply":
                    answer = json.loads(result["content"][0]["text"])
                    assert says(answer, shown), answer
                else:
                    assert kind == "error"
                    assert says(error_of(result), shown), result
            direct = await client.call("notes__read_note", {"name": "issue-101"})
            assert json.loads(direct["content"][0]["text"])["content"] == "Checkout hangs"
            status = await client.call("callmux_status")
            assert status["structuredContent"]["mode"] == "meta-only"
            advised = [row["use"] for row in status["structuredContent"]["recommendations"]]
            assert advised[:2] == ["callmux_search_tools", "callmux_call"]
            return len(examples)

    assert run(follow()) >= 8
