"""What a result is worth to a script."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.shell.failure import ShellFailed
from callmux.shell.message import parse
from callmux.shell.outcome import exit_code, field, read_result

IMAGE = {"type": "image", "data": "AAAA", "mimeType": "image/png"}


def outcome(result: Any) -> Any:
    return read_result(parse(json.dumps(result)))


def text(*texts: str, **more: Any) -> Any:
    return {"content": [{"type": "text", "text": each} for each in texts], **more}


@pytest.mark.parametrize(
    ("result", "value"),
    [
        (text("x", structuredContent={"a": "b"}), {"a": "b"}),
        (text('{"a": "b"}'), {"a": "b"}),
        (text("plain"), "plain"),
        (text("two", "lines"), "two\nlines"),
        (text("5"), "5"),
        ({"content": [IMAGE, {"type": "text", "text": "seen"}]}, "seen"),
        ({"content": [IMAGE]}, [IMAGE]),
        ({"content": []}, None),
        ({}, None),
        ({"content": "odd", "structuredContent": None}, None),
    ],
)
def test_the_value_is_the_best_there_is(result: Any, value: Any) -> None:
    """An image alone, or nothing, is no word such as "undefined". Weak spot C12 of callmux (npm)."""
    assert outcome(result).value == value


def test_parts_that_are_no_text_are_kept_apart() -> None:
    found = outcome({"content": [IMAGE, {"type": "text", "text": "seen"}]})
    assert (found.texts, found.others) == (["seen"], [IMAGE])


PARTIAL = {"status": "partial", "failed": 1, "failedIndexes": [0]}


@pytest.mark.parametrize(
    ("tool", "payload", "code"),
    [
        ("get_item", {"status": "failed", "failed": 3}, 0),
        ("callmux_parallel", {"status": "completed", "failed": 0, "failedIndexes": []}, 0),
        ("callmux_parallel", PARTIAL, 1),
        ("callmux_batch", {"failed": 2}, 1),
        ("callmux_batch", {"failedIndexes": [1]}, 1),
        ("callmux_recipe_run", PARTIAL, 1),
        ("callmux_pipeline", {"status": "completed", "steps": []}, 0),
        ("callmux_pipeline", {"status": "failed", "failedStep": 1, "steps": [{"step": 1, "result": {}}]}, 1),
        ("callmux_pipeline", {"status": "failed", "failedStep": 1, "steps": [{"step": 1, "error": "no"}]}, 2),
        ("callmux_pipeline", {"status": "failed", "failedStep": 1, "steps": [{"step": 0, "error": "no"}]}, 1),
        ("callmux_pipeline", {"status": "failed", "failedStep": 1}, 1),
        ("callmux_pipeline", "shortened", 0),
    ],
)
def test_the_exit_code_tells_of_calls_inside(tool: str, payload: Any, code: int) -> None:
    """Those of a recipe, too. Weak spot C12 of callmux (npm)."""
    assert exit_code(tool, outcome(text(json.dumps(payload)))) == code


def test_a_tool_that_failed_is_exit_code_1() -> None:
    assert exit_code("x", outcome(text("no", isError=True))) == 1
    assert exit_code("callmux_pipeline", outcome(text("no", isError=True))) == 1


def test_a_field_is_found_by_its_path() -> None:
    value = parse('{"a": [{"b.c": 1}, null], "d": "e"}')
    assert field(value, 'a[0]["b.c"]') == "1"
    assert field(value, "a.1") is None
    assert field(value, "d") == "e"


@pytest.mark.parametrize(
    ("path", "says"),
    [("x", '"x" is not in an object with "a", "d"'), ("a[7]", "a list of 1"), ("d.x", "a plain value")],
)
def test_a_field_that_is_not_there_is_named_with_what_is(path: str, says: str) -> None:
    with pytest.raises(ShellFailed) as caught:
        field({"a": [1], "d": "e"}, path)
    assert f"the result has no {path}" in caught.value.message
    assert says in caught.value.message


def test_a_step_that_was_not_made_is_no_failure_of_its_tool() -> None:
    """In an answer that is no JSON, it says so beside the texts."""
    told = {"status": "failed", "failedStep": 2}
    assert exit_code("callmux_pipeline", outcome(text("x", structuredContent={**told, "notMade": True}))) == 2
    assert exit_code("callmux_pipeline", outcome(text("x", structuredContent=told))) == 1
