"""`callmux.config.duplicate_keys`: keys that stand twice."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.config.duplicate_keys import duplicates


def test_a_server_that_stands_twice_is_named_with_both_lines() -> None:
    text = '{"servers": {\n  "a": {"command": "node"},\n  "b": {},\n  "a": {"command": "python3"}\n}}'
    assert duplicates(text) == ["servers.a stands twice (lines 2 and 4); only the last one counts"]


def test_the_same_key_in_two_objects_is_no_duplicate() -> None:
    assert duplicates('{"a": {"x": 1}, "b": {"x": 1}, "c": [{"x": 1}, {"x": 2}]}') == []


def test_a_top_level_key_and_a_key_in_a_list_are_found() -> None:
    text = '{"servers": {}, "recipes": [{"n": 1}, {"n": 1, "n": 2}], "servers": {}}'
    assert [line.partition(" ")[0] for line in duplicates(text)] == ["recipes[1].n", "servers"]


def test_text_that_looks_like_a_key_inside_of_a_string_is_none() -> None:
    assert duplicates(r'{"a": "\"a\": 1, {", "b": ["a", "a"], "c": "a:"}') == []


def test_an_escaped_key_equals_the_plain_one() -> None:
    assert duplicates(r'{"a": 1, "\u0061": 2}') == [
        "a stands twice (lines 1 and 1); only the last one counts"
    ]


@pytest.mark.parametrize("text", ["1", '"a"', "[]", "{}", '["a", "a"]', "null"])
def test_a_document_without_keys_has_none(text: str) -> None:
    assert duplicates(text) == []


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@given(_JSON, st.sampled_from([None, 2]), st.booleans())
def test_what_a_serializer_writes_has_no_duplicates(value: object, indent: int | None, ascii: bool) -> None:
    assert duplicates(json.dumps(value, indent=indent, ensure_ascii=ascii)) == []


@given(st.lists(st.text(max_size=3), max_size=8))
def test_as_many_keys_are_named_as_a_reader_would_lose(keys: list[str]) -> None:
    text = "{" + ", ".join(f"{json.dumps(key)}: 0" for key in keys) + "}"
    assert len(duplicates(text)) == len(keys) - len(set(keys))
