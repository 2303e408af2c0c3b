"""Warnings about arguments: by what they say, and by what the schema says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from callmux.metatools.advice import MOST, about_schema, about_text, about_values, as_strings, size_of
from callmux.rings.schemas import compile_schema


def raw(value: Any) -> Raw:
    return Raw(json.dumps(value).encode())


def seen(warnings: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(warning["code"], warning["path"]) for warning in warnings]


def against(value: Any, schema: dict[str, Any], *mapped: str) -> list[tuple[str, str]]:
    return seen(
        about_schema(None if value is None else raw(value), compile_schema(schema), frozenset(mapped))
    )


def test_expressions_among_plain_arguments() -> None:
    warnings = about_values(raw({"a": "$json", "b": ["$json.x", "$jsonx", "x $json"], "c": {"d": "$json.y"}}))
    assert seen(warnings) == [
        ("literal_json_mapping", "arguments.a"),
        ("literal_json_mapping", "arguments.b[0]"),
        ("literal_json_mapping", "arguments.c.d"),
    ]
    assert warnings[0]["canonicalCode"] == "literal_mapping_expression_in_arguments"
    assert list(warnings[0]) == ["code", "canonicalCode", "path", "message", "recommendation"]


def test_structures_where_text_is_usual() -> None:
    value = {"content": [{"a": 1}, "x", [1]], "text": {"body": {"x": 1}}, "n": {"comment": [[]]}, "l": [{}]}
    assert seen(about_values(raw(value))) == [
        ("structured_text_field", f"arguments.{path}")
        for path in ("content", "content[0]", "content[2]", "text", "text.body", "n.comment", "n.comment[0]")
    ]


OBJECT = {"type": "object"}


@pytest.mark.parametrize(
    ("value", "schema", "expected"),
    [
        ({"a": 1}, {}, []),
        (None, {"required": ["a"]}, [("missing_required_argument", "arguments.a")]),
        ({"b": 1}, {"properties": {"a": {}}}, []),
        (
            {"b": 1},
            {"properties": {"a": {}}, "additionalProperties": False},
            [("unknown_argument", "arguments.b")],
        ),
        ({"b": 1}, {"patternProperties": {"b": {}}, "additionalProperties": False}, []),
        ({"a": "x"}, {"properties": {"a": {"type": "integer"}}}, [("argument_type_mismatch", "arguments.a")]),
        ({"a": 5.0}, {"properties": {"a": {"type": "integer"}}}, []),
        ({"a": None}, {"properties": {"a": {"type": ["integer", "null"]}}}, []),
        (
            {"a": [1, "x"]},
            {"properties": {"a": {"items": {"type": "integer"}}}},
            [("argument_type_mismatch", "arguments.a[1]")],
        ),
        (
            {"a": {"b": 1}},
            {"properties": {"a": {"properties": {"b": {"enum": ["x", "y"]}}, "required": ["c"]}}},
            [("missing_required_argument", "arguments.a.c"), ("argument_value_not_allowed", "arguments.a.b")],
        ),
        (
            {"a": True},
            {"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}},
            [("argument_type_mismatch", "arguments.a")],
        ),
        ({"a": 1}, {"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}}, []),
        (
            {"a": 1},
            {"properties": {"a": {"$ref": "#/$defs/t"}}, "$defs": {"t": {"type": "string"}}},
            [("argument_type_mismatch", "arguments.a")],
        ),
        ({"a": 1}, {"$ref": "#"}, []),
    ],
)
def test_arguments_and_their_schema(value: Any, schema: dict[str, Any], expected: Any) -> None:
    """W15. A schema that refers to itself without end says nothing."""
    assert against(value, schema) == expected


def test_what_a_mapping_gives_is_not_missing() -> None:
    assert against({}, {"required": ["a", "b"]}, "a") == [("missing_required_argument", "arguments.b")]


def test_warnings_are_few() -> None:
    assert len(against({str(n): 1 for n in range(100)}, {"additionalProperties": False})) == MOST
    assert len(about_values(raw({"a": ["$json"] * 100}))) == MOST


@pytest.mark.parametrize(
    "schema", [{}, {"type": "object"}, {"type": ["string", "object"]}, {"anyOf": [{"type": "string"}, {}]}]
)
def test_structures_stay_where_they_may_stand(schema: dict[str, Any]) -> None:
    value = raw({"a": {"x": 1}})
    assert as_strings(value, compile_schema({"properties": {"a": schema}})) == (value, [])


def test_structures_become_compact_text_elsewhere() -> None:
    node = compile_schema(
        {
            "properties": {
                "a": {"type": "string"},
                "l": {"items": {"type": ["string", "null"]}},
                "o": {"additionalProperties": {"type": "string"}},
            }
        }
    )
    shown, paths = as_strings(raw({"a": {"x": [1, 2]}, "l": [[], "x"], "o": {"k": {}}, "n": {}}), node)
    assert json.loads(bytes(shown)) == {"a": '{"x":[1,2]}', "l": ["[]", "x"], "o": {"k": "{}"}, "n": {}}
    assert paths == ["arguments.a", "arguments.l[0]", "arguments.o.k"]


def test_sizes_are_of_compact_json() -> None:
    assert size_of(Raw(b'{ "a" : "\xc3\xa9" }')) == len(b'{"a":"\xc3\xa9"}')


def test_items_of_which_the_schema_says_nothing_stay() -> None:
    given = raw({"a": [{"b": 1}]})
    node = compile_schema({"properties": {"a": {"type": "array"}}})
    assert as_strings(given, node) == (given, [])


def test_each_structure_where_text_is_expected_is_a_warning() -> None:
    warnings = about_text(["arguments.a", "arguments.b[0]"])
    assert seen(warnings) == [
        ("client_stringifies_structured_value", "arguments.a"),
        ("client_stringifies_structured_value", "arguments.b[0]"),
    ]
