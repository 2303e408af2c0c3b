"""Values for scripts and for people."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.shell.message import parse
from callmux.shell.outcome import read_result
from callmux.shell.rendering import as_it_came, failure_text, in_format, pretty, readable, visible

VALUES = [{"a": [1, {"b": None}], "c": True, "ä\n": "ö\t\u2028"}, [], {}, [[]], "x", 5, None, False]


@pytest.mark.parametrize("value", VALUES)
def test_json_is_indented_by_two(value: Any) -> None:
    assert pretty(value) == json.dumps(value, indent=2, ensure_ascii=False)


def test_no_digit_is_lost() -> None:
    text = "[\n  1.10,\n  12345678901234567890.0,\n  1e400,\n  -0.0\n]"
    assert pretty(parse(text)) == text


def test_half_a_character_stays_an_escape() -> None:
    text = pretty(parse('"\\ud83d é"'))
    assert text.encode() == b'"\\ud83d \\u00e9"'


def test_toon_is_written_where_it_is_asked_for() -> None:
    rows = [{"id": n, "name": f"n{n}", "state": "open"} for n in range(40)]
    value = parse(json.dumps({"rows": rows}))
    assert in_format(value, "toon").startswith("rows[40]{id,name,state}:")
    assert in_format(value, "auto").startswith("rows[40]{id,name,state}:")
    assert in_format({"a": "b"}, "auto") == '{\n  "a": "b"\n}'
    assert in_format(parse("[0.10000000000000000001]"), "toon") == "[\n  0.10000000000000000001\n]"


def test_a_value_is_plain_where_it_is_a_text_and_shortest_by_its_tokens() -> None:
    assert in_format('say "hi"', "plain") == in_format('say "hi"', "shortest") == 'say "hi"'
    assert in_format({"a": "b"}, "plain") == '{\n  "a": "b"\n}'
    assert in_format(parse("1.10"), "plain") == in_format(parse("1.10"), "shortest") == "1.10"
    rows = [{"id": n, "name": f"n{n}", "state": "open"} for n in range(40)]
    assert in_format({"rows": rows}, "shortest").startswith("rows[40]{id,name,state}:")
    assert in_format(parse("[0.10000000000000000001]"), "shortest") == "[0.10000000000000000001]"


def test_what_a_tool_says_does_nothing_to_the_terminal() -> None:
    assert visible("a\x1b[2J\x9b1m\x07\n\tb\r\u202e\ud83d") == "a�[2J�1m�\n\tb���"


def shown(result: Any) -> str:
    return readable(read_result(parse(json.dumps(result))))


def test_people_read_text_as_it_stands() -> None:
    assert shown({"content": [{"type": "text", "text": "plain\nlines"}]}) == "plain\nlines"
    assert shown({"content": [{"type": "text", "text": '{"a": 1.0}'}]}) == '{\n  "a": 1.0\n}'
    assert shown({"content": [{"type": "text", "text": "5"}]}) == "5"
    assert shown({"content": []}) == "(the tool answered nothing)"


def test_what_is_no_text_is_named() -> None:
    image = {"type": "image", "data": "A" * 400, "mimeType": "image/png"}
    link = {"type": "resource", "resource": {"uri": "file:///a", "blob": "AAAA"}}
    text = {"type": "text", "text": "see"}
    assert shown({"content": [image, text]}) == "see\n[image image/png 300 bytes]"
    assert shown({"content": [link]}) == "[resource file:///a 3 bytes]"


def test_calls_of_several_are_shown_one_by_one() -> None:
    payload = {
        "status": "partial",
        "totalDurationMs": 7,
        "failedIndexes": [1, 2],
        "results": [
            {"call": {"tool": "a"}, "ok": True, "result": "fine\nso", "durationMs": 3},
            {"call": {"tool": "b"}, "ok": False, "result": {"error": "no", "isError": True}, "durationMs": 4},
            {"index": 2, "error": "threw", "durationMs": 0},
        ],
    }
    assert shown({"structuredContent": payload}).splitlines() == [
        "[0] a  ok  3 ms",
        "    fine",
        "    so",
        "[1] b  failed  4 ms",
        "    no",
        "[2]  failed  0 ms",
        "    threw",
        "partial in 7 ms, failed: 1, 2",
    ]


def test_steps_of_a_pipeline_are_shown_alike() -> None:
    payload = {
        "status": "failed",
        "failedStep": 0,
        "steps": [{"step": 0, "tool": "a", "ok": False, "error": "no mapping", "durationMs": 0}],
    }
    text = shown({"structuredContent": payload})
    assert text == "[0] a  failed  0 ms\n    no mapping\nfailed in ? ms, failed: 0"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"error": {"code": "tool_not_found", "message": "no x"}}, "no x (tool_not_found)"),
        (
            {"error": {"code": "c", "message": "m", "details": {"a": "1", "b": "2"}}},
            'm (c)\n{\n  "a": "1",\n  "b": "2"\n}',
        ),
        ({"error": "no"}, "no"),
        ("it\x1b failed", "it� failed"),
        ({"odd": "one"}, '{\n  "odd": "one"\n}'),
    ],
)
def test_a_failure_says_its_message(value: Any, text: str) -> None:
    assert failure_text(value) == text


def test_a_value_is_json_where_that_is_asked_for() -> None:
    assert in_format([{"a": 1}] * 40, "json") == pretty([{"a": 1}] * 40)


def test_a_part_without_data_is_named_by_what_it_has() -> None:
    link = {"type": "resource_link", "uri": "file:///a", "name": "a", "mimeType": None}
    assert shown({"content": [link, {"type": "new"}]}) == "[resource_link file:///a a]\n[new]"


def test_a_result_comes_as_it_came_with_a_line_for_what_is_no_text() -> None:
    image = {"type": "image", "data": "AAAA", "mimeType": "image/png"}
    mixed = {"content": [{"type": "text", "text": "seen"}, image]}
    assert as_it_came(read_result(mixed)) == "seen\n[image image/png 3 bytes]"
    assert as_it_came(read_result({"structuredContent": {"a": 1}})) == pretty({"a": 1})
    told = {**mixed, "content": [*mixed["content"], {"type": "text", "text": "=== end\n"}]}
    several = read_result(told)._replace(told={"status": "ok"})
    assert as_it_came(several) == "seen\n[image image/png 3 bytes]\n=== end"
