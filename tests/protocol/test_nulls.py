"""Null where MCP wants nothing is taken out; everything else stays byte for byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.protocol import nulls
from callmux.protocol.nulls import definition, page, without_nulls


def dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


OPTIONAL = [
    *("_meta", "annotations", "arguments", "blob", "description", "execution", "icons", "isError"),
    *("mimeType", "outputSchema", "size", "structuredContent", "title"),
]


@pytest.mark.parametrize("name", OPTIONAL)
def test_an_optional_member_that_is_null_is_left_out(name: str) -> None:
    assert without_nulls(dumped({"name": "a", name: None, "z": 1})) == b'{"name":"a","z":1}'


@pytest.mark.parametrize("name", ["content", "contents", "messages", "values"])
def test_a_list_that_must_be_there_is_an_empty_one(name: str) -> None:
    assert without_nulls(dumped({name: None})) == b'{"%b":[]}' % name.encode()


def test_text_that_is_null_is_empty_unless_there_are_bytes() -> None:
    assert without_nulls(dumped({"text": None})) == b'{"text":""}'
    assert without_nulls(dumped({"text": None, "blob": None})) == b'{"text":""}'
    assert without_nulls(dumped({"text": None, "blob": "AA=="})) == b'{"blob":"AA=="}'


@pytest.mark.parametrize(
    "value",
    [
        {"x": None},
        {"_meta": {"title": None}},
        {"structuredContent": {"content": None}},
        {"inputSchema": {"default": None, "title": None}},
        {"outputSchema": {"description": None}},
        {"content": [{"type": "tool_use", "input": {"title": None}}]},
        {"content": [None]},
        {"annotations": "null"},
        {"content": "null"},
    ],
)
def test_what_is_not_looked_into_is_the_same_object(value: Any) -> None:
    raw = dumped(value)
    assert without_nulls(raw) is raw


@pytest.mark.parametrize("raw", [b"null", b"[null]", b'{"a":null', b"5", b'{"title":nullx}'])
def test_what_is_no_object_stays(raw: bytes) -> None:
    assert without_nulls(raw) is raw


def test_digits_and_spelling_of_the_rest_stay() -> None:
    raw = b'{"content": [ {"type":"text","text":"\\u00e4\\/","n":1.50, "annotations":null} ],"x": 1e2 }'
    assert without_nulls(raw) == b'{"content":[{"type":"text","text":"\\u00e4\\/","n":1.50}],"x":1e2}'


def test_a_very_large_result_is_not_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = b'{"isError":null}'
    monkeypatch.setattr(nulls, "LARGEST", len(raw) - 1)
    assert without_nulls(raw) is raw


def test_nesting_has_a_bound() -> None:
    value: Any = {"title": None}
    for _ in range(200):
        value = {"content": [value]}
    raw = dumped(value)
    assert without_nulls(raw) is raw


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*OPTIONAL, "content", "x"]), inner)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*OPTIONAL, "content", "text", "x"]), values))
def test_nothing_but_null_ever_changes(value: dict[str, Any]) -> None:
    """And what has been mended once is not mended again."""
    raw = dumped(value)
    mended = without_nulls(raw)
    shown = json.loads(mended)
    assert {name: v for name, v in shown.items() if v is not None} == {
        name: json.loads(without_nulls(dumped({name: v})))[name] if isinstance(v, dict | list) else v
        for name, v in value.items()
        if v is not None
    } | {name: v for name, v in shown.items() if value[name] is None and v is not None}
    assert not {name for name in shown if shown[name] is None} & {*OPTIONAL, "content", "text"}
    assert without_nulls(mended) is mended


def test_a_definition_that_is_null_is_none() -> None:
    """Of anything else that is no object, whoever reads the list says so."""
    assert definition("tools", b"null") is None
    for raw in (b"5", b'"a"', b"[]"):
        assert definition("tools", raw) is raw


def test_a_tool_has_a_schema_and_nothing_else_gets_one() -> None:
    assert definition("tools", b'{"name": "a"}') == b'{"name":"a","inputSchema":{"type":"object"}}'
    for raw in (b'{"name": "a"}', b'{"name": "a", "x": null}'):
        assert definition("prompts", raw) is raw
    whole = b'{"name": "a", "inputSchema": {}}'
    assert definition("tools", whole) is whole


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (b'{"tools": null}', b'{"tools":[]}'),
        (b'{"tools":[],"nextCursor":null,"_meta":null}', b'{"tools":[]}'),
        (b'{"tools":[],"nextCursor":""}', b'{"tools":[]}'),
        (
            b'{"tools":[null,{"name":"a","inputSchema":null}]}',
            b'{"tools":[{"name":"a","inputSchema":{"type":"object"}}]}',
        ),
        (b'{"x":null}', b'{"tools":[]}'),
    ],
)
def test_a_page_has_a_list_and_no_cursor_that_leads_nowhere(given: bytes, shown: bytes) -> None:
    assert page("tools", given) == shown


@pytest.mark.parametrize("raw", [b'{"tools": [ ]}', b'{"tools":5,"x":null}', b"[null]", b'{"tools":"null"}'])
def test_other_pages_stay(raw: bytes) -> None:
    assert page("tools", raw) is raw


def test_a_cursor_that_leads_on_stays() -> None:
    assert json.loads(page("tools", b'{"tools":[],"nextCursor":"2"}')) == {"tools": [], "nextCursor": "2"}


@pytest.mark.parametrize("raw", [b'{"content":"null and void"}', b'{"arguments":"null"}'])
def test_a_text_that_speaks_of_null_stays(raw: bytes) -> None:
    assert without_nulls(raw) is raw
