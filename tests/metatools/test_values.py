"""What a child's result becomes inside an answer (7.2)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.metatools.values import joined_text, structured, unwrapped, unwrapping
from callmux.portions import PIECE, finished
from callmux.protocol.shapes import Result
from tests.metatools.conftest import text


def shown(result: Any) -> Any:
    return json.loads(bytes(finished(unwrapping(Result(json.dumps(result).encode())))))


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        (" [1, 2]\n", [1, 2]),
        ("42", 42),
        ("true", True),
        ("null", None),
        ('"quoted"', "quoted"),
        ("plain words", "plain words"),
        ("", ""),
        ("007", "007"),
        ("NaN", "NaN"),
        ('{"a": 1} trailing', '{"a": 1} trailing'),
        ('["\\ud800 half a pair"]', '["\\ud800 half a pair"]'),
        ("1e999", "1e999"),
        ("[" * 113 + "]" * 113, "[" * 113 + "]" * 113),
    ],
)
def test_one_plain_text_becomes_its_value(said: str, value: Any) -> None:
    assert shown(text(said)) == value


def test_an_error_of_one_text_becomes_an_error_object() -> None:
    assert shown(text('{"a": 1}', isError=True)) == {"error": '{"a": 1}', "isError": True}


@pytest.mark.parametrize(
    "result",
    [
        text("1", structuredContent={"n": 2}),
        text("a", structuredContent={"n": "a", "m": "b"}),
        text("a", structuredContent=None),
        text("a", structuredContent={}),
        text('{"n": 1}', structuredContent={"n": 1}, _meta={}),
        text("1", _meta={}),
        {"content": [{"type": "text", "text": "1", "annotations": {}}]},
        {"content": [{"type": "text", "text": "1", "_meta": {}}]},
        {"content": [{"type": "text", "text": "1"}, {"type": "text", "text": "2"}]},
        {"content": [{"type": "image", "data": "aGk="}]},
        {"content": []},
        {"content": "odd"},
        {"content": [7]},
        {"content": [{"type": "text", "text": 7}]},
        {},
        {"content": [], "isError": True},
    ],
)
def test_anything_richer_stays_whole(result: Any) -> None:
    assert shown(result) == result


@pytest.mark.parametrize(
    ("said", "content"),
    [
        ('{"b": [1, 2.0],\n "a": null}', {"a": None, "b": [1, 2]}),
        ("line one\nline two", {"content": "line one\nline two"}),
        ("", {"content": ""}),
        ("[1, 2]", {"result": [1, 2]}),
        ("7", {"result": 7}),
    ],
)
def test_a_text_that_repeats_the_structured_content_is_sent_once(said: str, content: Any) -> None:
    """W19: everything came twice, errors of callmux itself as well."""
    whole = text(said, structuredContent=content, x=1)
    assert shown(whole) == {**whole, "content": []}
    assert shown(whole | {"isError": True}) == {**whole, "content": [], "isError": True}


def test_long_texts_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callmux.rings.echo.LONGEST_ECHO", 3)
    whole = text("long", structuredContent={"content": "long"})
    assert shown(whole) == whole


def test_success_that_is_said_out_loud_is_no_error() -> None:
    assert shown(text("1", isError=False)) == 1


@pytest.mark.parametrize(
    ("result", "value"),
    [
        (b'{"content":[{"type":"text","text":"1","more":2}]}', b"1"),
        (
            b'{"content":[{"type":"text","text":"x"}],"isError":true,"more":2}',
            b'{"error":"x","isError":true}',
        ),
        (
            b'{"content":[{"type":"text","text":"x"}],"isError":null}',
            b'{"content":[{"type":"text","text":"x"}],"isError":null}',
        ),
        (b'{"content":[7]}', b'{"content":[7]}'),
        (b'{"content":[{"type":"text"}]}', b'{"content":[{"type":"text"}]}'),
        (
            b'{"content":[{"type":"text","text":"1"}],"_meta":{}}',
            b'{"content":[{"type":"text","text":"1"}],"_meta":{}}',
        ),
        (b"[", b"["),
    ],
)
def test_what_is_nearly_one_plain_text_is_looked_at_again(result: bytes, value: bytes) -> None:
    assert bytes(unwrapped(Result(result)) or b"") == value
    assert bytes(finished(unwrapping(Result(result)))) == value


def test_a_large_result_is_not_unwrapped_at_once() -> None:
    assert unwrapped(Result(json.dumps(text("x" * PIECE)).encode())) is None


def test_items_that_are_none_have_no_text() -> None:
    assert joined_text(Result(b'{"content":[7,{"type":"text","text":"a"}]}')) == "a"


def test_texts_and_structured_content_are_found() -> None:
    result = Result(json.dumps({**text("a"), "structuredContent": {"n": 1}}).encode())
    assert joined_text(result) == "a"
    assert json.loads(bytes(structured(result) or b"")) == {"n": 1}
    assert structured(Result(b'{"structuredContent":null}')) is None
    assert joined_text(Result(b"{}")) is None


@pytest.mark.parametrize("at", range(-8, 3))
@pytest.mark.parametrize(("number", "is_json"), [("1e999", False), ("1E+400", False), ("12e3", True)])
def test_a_number_that_stands_across_two_portions_is_looked_at(at: int, number: str, is_json: bool) -> None:
    said = '["' + "x" * (PIECE + at - 4) + f'",{number}]'
    value = bytes(finished(unwrapping(Result(json.dumps(text(said)).encode()))))
    assert value == (said if is_json else json.dumps(said)).encode()


@pytest.mark.parametrize("depth", [100, 200])
def test_a_large_text_is_measured_like_a_small_one(depth: int) -> None:
    said = "[" * depth + '"' + "x" * 3 * PIECE + '"' + "]" * depth
    value = bytes(finished(unwrapping(Result(json.dumps(text(said)).encode()))))
    assert value == (said if depth == 100 else json.dumps(said)).encode()
    whole = {"content": [], "structuredContent": json.loads(said)}
    raw = json.dumps(whole, separators=(",", ":")).encode()
    assert (bytes(finished(unwrapping(Result(raw)))) == raw) == (depth == 100)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["a", "error", "results", "steps"]), inner, max_size=3)
    ),
)
"""Structured content may be any JSON value (MCP 2026-07-28, schema, CallToolResult)."""


@given(JSON, st.text(max_size=9))
def test_any_structured_content_can_stand_inside_another_answer(value: Any, said: str) -> None:
    raw = json.dumps({"content": [{"type": "text", "text": said}], "structuredContent": value}).encode()
    shown = unwrapped(Result(raw))
    assert shown is not None
    assert json.loads(bytes(shown))["structuredContent"] == value
    found = structured(Result(raw))
    assert (found is None) is (value is None)
