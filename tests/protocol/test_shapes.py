"""Results and tools: raw as they came, read only where asked."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw

from callmux.portions import PIECE, finished
from callmux.protocol.shapes import Result, Tool, json_in, parsing, with_member


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (' {"a" : 1,\n "b": [ ] }', b'{"a":1,"b":[]}'),
        ("12345678901234567890", b"12345678901234567890"),
        ("1.0", b"1.0"),
        ("1e2", b"1e2"),
        ("1e100", b"1e100"),
        ("null", b"null"),
        ('"e999"', b'"e999"'),
        ("[" * 112 + "]" * 112, b"[" * 112 + b"]" * 112),
    ],
)
def test_json_in_text_is_minified_and_keeps_its_digits(text: str, value: bytes) -> None:
    found = json_in(text)
    assert found is not None
    assert bytes(found) == value


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "words", "NaN", "-Infinity", "007", "{", "[1] x", "{'a': 1}", "\ufeff1", "undefined"),
        *("1e999", "[-1E+400]", '"\\ud800"', '["\\udc00 abcdefgh"]', '"\ud800"'),
        "[" * 113 + "]" * 113,
        "[" * 20_000 + "]" * 20_000,
        "1],[" * 200 + "2",
        "]" + "[" * 150 + "]" * 150 + "[",
    ],
)
def test_what_cannot_travel_in_an_answer_is_text(text: str) -> None:
    assert json_in(text) is None


@given(st.text() | st.text(alphabet='{}[]",:0123456789eE.-+tfn\\u \n'))
def test_it_agrees_with_another_parser(text: str) -> None:
    found = json_in(text)
    if found is not None:
        assert json.loads(bytes(found)) == json.loads(text)
        assert b"\n" not in bytes(found)


def test_a_result_is_kept_as_it_came() -> None:
    raw = b'{"content":[ ],"unknown":1.0,"structuredContent":{"n":1},"_meta":{},"isError":false}'
    result = Result(raw)
    assert result.raw is raw
    assert result.head.content == []
    assert result.head.structured_content is not UNSET
    assert result.head.meta is not UNSET
    assert not result.is_error
    assert list(result.members()) == ["content", "unknown", "structuredContent", "_meta", "isError"]


@pytest.mark.parametrize(
    "raw", [b'{"isError":true}', b'{"content":[], "isError" : true }', b'{"content":7,"isError":true}']
)
def test_a_reported_failure_is_seen(raw: bytes) -> None:
    assert Result(raw).is_error


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b'{"isError":false}',
        b'{"isError":"true"}',
        b'{"content":[{"type":"text","text":"\\"isError\\": true"}]}',
        b'{"structuredContent":{"isError":true}}',
        b'{"content":7}',
        b"[]",
    ],
)
def test_what_a_payload_says_of_itself_is_no_failure(raw: bytes) -> None:
    """W19."""
    assert not Result(raw).is_error


def test_a_result_shows_itself_shortly() -> None:
    assert repr(Result(b"{}")) == "Result(b'{}')"
    assert len(repr(Result(b'{"a":"' + b"x" * 1000 + b'"}'))) < 200


def test_a_tool_is_read_and_kept() -> None:
    raw = (
        b'{"name":"x","title":"X","description":"d","inputSchema":{"type":"object"},"outputSchema":{},'
        b'"annotations":{"readOnlyHint":true,"idempotentHint":"yes"},"odd":1.0}'
    )
    tool = Tool(raw)
    assert (tool.name, tool.title, tool.description) == ("x", "X", "d")
    assert (tool.read_only, tool.idempotent, tool.has_output_schema) == (True, False, True)
    assert tool.input_schema == {"type": "object"}
    assert tool.input_schema is tool.input_schema
    assert bytes(tool.members["odd"]) == b"1.0"
    assert repr(tool) == "Tool('x')"


@pytest.mark.parametrize("raw", [b"{}", b'{"name":7}', b"[]", b"x"])
def test_a_definition_without_a_name_is_refused(raw: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        Tool(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"name":"x","description":7,"title":[],"annotations":"odd","inputSchema":"odd"}',
        b'{"name":"x","annotations":{"readOnlyHint":1,"idempotentHint":null},"inputSchema":[]}',
        b'{"name":"x"}',
    ],
)
def test_odd_members_count_as_absent(raw: bytes) -> None:
    tool = Tool(raw)
    assert (tool.title, tool.description, tool.read_only, tool.idempotent) == (None, None, False, False)
    assert tool.input_schema == {}


@pytest.mark.parametrize("text", ["1" + "],[1" * 60, "{}" + "],[{}" * 60, "[1]" + ",[1]" * 120])
def test_text_that_is_json_only_within_brackets_is_none(text: str) -> None:
    assert json_in(text) is None


@pytest.mark.parametrize("number", ["1e400", "1E+400", "[2e999]", "-1.5e+1000"])
def test_a_number_beyond_a_double_cannot_travel(number: str) -> None:
    """Digits of any length and large exponents in strings can."""
    assert json_in(number) is None
    assert json_in(f'"{number}"') is not None
    assert bytes(json_in("[1e308, 123456789012345678901234567890]") or b"") == (
        b"[1e308,123456789012345678901234567890]"
    )


@pytest.mark.parametrize("size", [10, 3 * PIECE])
def test_a_long_text_is_read_like_a_short_one(size: int) -> None:
    text = '{"a": "' + "x" * size + '", "n": 1.50}'
    found = json_in(text)
    assert found is not None
    assert bytes(found) == text.replace(": ", ":").replace(", ", ",").encode()
    assert json_in(text + "]") is None
    assert json_in(f'[{text}, 1e100, "{"y" * size}"]') is not None
    assert json_in(f'["{"y" * size}", {text}, 1e999]') is None


def test_one_member_is_set_and_the_others_stay_as_they_came() -> None:
    assert with_member(b'{"a": 1.50, "b": 2}', "b", [1]) == b'{"a":1.50,"b":[1]}'
    assert with_member(b'{"a": 1.50}', "_meta", {"k": None}) == b'{"a":1.50,"_meta":{"k":null}}'


@pytest.mark.parametrize("raw", [b'["isError"]', b'"isError"', b'{"isError":', b""])
def test_what_is_no_object_is_no_failure_of_a_tool(raw: bytes) -> None:
    result = Result(raw)
    assert not result.is_error
    assert result.head.content is UNSET


def test_a_schema_that_nobody_can_read_counts_as_none() -> None:
    assert Tool(b'{"name":"x","inputSchema":{"maximum":1e999}}').input_schema == {}


def test_a_long_text_that_begins_like_no_json_is_none() -> None:
    assert json_in("x" * 300_000) is None
    assert finished(parsing("x" * 300_000)) is None
    assert finished(parsing("17")) == json_in("17") == Raw(b"17")


@pytest.mark.parametrize("number", ["1e999", "1E+400", "1e-400", "0e1000", "10e5", "0xe000"])
def test_a_short_text_is_read_like_a_long_one(number: str) -> None:
    long = json_in(f'["{"y" * 300_000}", {number}]')
    short = json_in(f'["y", {number}]')
    assert (short is None) == (long is None)


@pytest.mark.parametrize("size", [10, 300_000])
def test_what_is_too_deep_to_stand_inside_another_is_none(size: int) -> None:
    deep = "[" * 130 + f'"{"y" * size}"' + "]" * 130
    assert json_in(deep) is None
    assert json_in(f'["{"y" * size}"]') is not None
