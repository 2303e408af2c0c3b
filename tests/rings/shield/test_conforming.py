"""Structured content is shortened only where its schema plainly allows it, and never in silence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callmux.rings.shield.beginning import begin
from callmux.rings.shield.compact import Limits
from callmux.rings.shield.conforming import allows, conform
from tests import dialect
from tests.dialect import keeps_to

LIMITS = Limits(65536, 100, 5)
NOTE = {"truncated": True, "ref": "r_1"}
ODD = {
    "type",
    "properties",
    "additionalProperties",
    "items",
    "minItems",
    "maxLength",
    "$ref",
    "anyOf",
    "$defs",
}
ROWS = {"type": "array", "items": {"type": "object", "properties": {"t": {"type": "string"}}}}


def run(value: Any, schema: Any) -> Any:
    found = conform(json.dumps(value).encode(), json.dumps(schema).encode(), LIMITS, NOTE)
    return None if found is None else json.loads(found)


def obj(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def test_a_plain_schema_is_shortened_with_a_note() -> None:
    found = run({"rows": [{"t": "x" * 200}] * 9, "n": 9}, obj(rows=ROWS, n={"type": "integer"}))
    assert len(found["rows"]) == 5
    assert found["rows"][0]["t"].startswith("x" * 100 + "\n[...TRUNCATED")
    assert (found["n"], found["_callmux"]) == (9, NOTE)


@pytest.mark.parametrize(
    "schema",
    [
        {**obj(rows=ROWS), "additionalProperties": False},
        {**obj(rows=ROWS), "additionalProperties": {"type": "string"}},
        {**obj(rows=ROWS), "maxProperties": 3},
        {**obj(rows=ROWS), "patternProperties": {}},
        {"allOf": [obj(rows=ROWS)]},
        {"oneOf": [obj(rows=ROWS)]},
        {"type": "object", "properties": {"_callmux": {}}},
        {"type": "object", "properties": []},
        {"$ref": "https://elsewhere"},
        {"$ref": "#/$defs/nothing"},
        True,
    ],
)
def test_without_room_for_the_note_nothing_is_cut(schema: Any) -> None:
    assert run({"rows": list(range(9))}, schema) is None


@pytest.mark.parametrize(
    "inner",
    [
        {"type": "array", "minItems": 9},
        {"type": "array", "minItems": 9.0},
        {"type": "array", "minItems": "9"},
        {"type": "array", "minItems": True},
        {"type": "array", "contains": {"const": 8}},
        {"type": "array", "prefixItems": [{}]},
        {"enum": [list(range(9))]},
        {"const": list(range(9))},
        {"type": "string"},
        {"anyOf": [{"type": "array"}, {"type": ["array", "null"]}]},
        {"not": {"maxItems": 5}},
        False,
    ],
)
def test_an_array_stays_whole_where_a_shorter_one_may_be_wrong(inner: Any) -> None:
    assert run({"rows": list(range(9))}, obj(rows=inner))["rows"] == list(range(9))


@pytest.mark.parametrize(
    ("inner", "is_cut"),
    [
        ({"type": "string"}, True),
        ({"type": ["string", "null"]}, True),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, True),
        ({"type": "string", "maxLength": 5000}, True),
        ({"type": "string", "maxLength": 110}, False),
        ({"type": "string", "maxLength": 5000.0}, True),
        ({"type": "string", "maxLength": "5000"}, False),
        ({"type": "string", "maxLength": -1}, False),
        ({"type": "string", "maxLength": 5000.5}, False),
        ({"type": "string", "minLength": 150}, False),
        ({"type": "string", "pattern": "x+"}, False),
        ({"type": "string", "format": "byte"}, False),
        ({}, True),
        ({"$ref": "#/$defs/text"}, True),
    ],
)
def test_strings(inner: Any, is_cut: bool) -> None:
    schema = obj(t=inner) | {"$defs": {"text": {"type": "string"}}}
    found = run({"t": "x" * 200}, schema)
    assert ("TRUNCATED" in found["t"]) is is_cut


def test_items_that_must_differ_are_not_cut_themselves() -> None:
    inner = {"type": "array", "uniqueItems": True, "items": {"type": "string"}}
    found = run({"rows": ["x" * 200 + str(n) for n in range(9)]}, obj(rows=inner))
    assert len(found["rows"]) == 5
    assert found["rows"][4] == "x" * 200 + "4"


def test_what_is_no_json_object_or_schema_stays() -> None:
    assert run([1], obj()) is None
    assert conform(b"{}", b"{", LIMITS, NOTE) is None


def test_references_in_a_circle_lead_nowhere_and_let_nothing_be_shortened() -> None:
    value = {"rows": [{"t": "x"}] * 9}
    circle = {"$ref": "#/$defs/a"}
    assert run(value, {"$ref": "#/$defs/a", "$defs": {"a": circle}}) is None
    assert run(value, {**obj(rows=circle), "$defs": {"a": circle}})["rows"] == value["rows"]


TEXT_ROWS = {"type": "array", "items": {"type": "string"}, "minItems": 2}


@pytest.mark.parametrize(
    ("inner", "keys", "shown", "allowed"),
    [
        (TEXT_ROWS, "a", 2, True),
        (TEXT_ROWS, "a", 1, False),
        (TEXT_ROWS, "a.0", 1, True),
        (TEXT_ROWS | {"uniqueItems": True}, "a", 2, True),
        (TEXT_ROWS | {"uniqueItems": True}, "a.0", 1, False),
        ({"type": "array"}, "a.0", 0, True),
        ({"type": "array", "items": {"type": "string", "minLength": 3}}, "a.0", 1, False),
        ({"type": "array", "contains": {}}, "a", 1, False),
        ({"type": "array", "contains": {}}, "a.0", 1, False),
        (True, "a", 0, True),
        ({}, "a.0", 0, True),
        ({"type": "string"}, "a", 1, False),
    ],
)
def test_what_is_cut_already_fits_where_the_schema_lets_it_end_there(
    inner: Any, keys: str, shown: int, allowed: bool
) -> None:
    value = json.dumps({"a": ["xxxx", "yyyy", "zzzz"]}).encode()
    assert allows(json.dumps(obj(a=inner)).encode(), value, [(keys.split("."), shown)]) is allowed


def test_what_is_cut_needs_room_for_the_note_too() -> None:
    assert allows(b'{"type":"object"}', b'{"a":[1,2]}', [(["a"], 1)])
    assert not allows(b'{"type":"object","additionalProperties":false}', b"{}", [])
    assert not allows(b'{"type":"object"}', b'{"_callmux":1}', [])
    assert not allows(b'{"type":"array"}', b"{}", [])
    assert not allows(b"{", b"{}", [])
    assert not allows(b'{"type":"object"}', b"[]", [])


@given(dialect.SCHEMAS, dialect.VALUES)
@settings(max_examples=60)
def test_a_beginning_keeps_to_the_schema_where_that_allows_it(schema: Any, value: Any) -> None:
    for whole, content in ((schema, value), (obj(a=schema), {"a": value})):
        if not isinstance(content, dict) or not keeps_to(content, whole):
            continue
        raw = json.dumps(content).encode()
        found = begin(raw, Limits(100, 10, 3), 40)
        cuts = [(cut.keys, cut.shown) for cut in found.cuts]
        if found.exact and allows(json.dumps(whole).encode(), raw, cuts):
            assert keeps_to(json.loads(found.shown) | {"_callmux": NOTE}, whole)


@given(dialect.SCHEMAS, dialect.VALUES)
@settings(max_examples=60)
def test_what_kept_to_its_schema_keeps_to_it_when_it_is_shortened(schema: Any, value: Any) -> None:
    """Whatever keywords the schema has, and whatever JSON the content is."""
    for whole, content in ((schema, value), (obj(a=schema), {"a": value})):
        if not keeps_to(content, whole):
            continue
        found = conform(json.dumps(content).encode(), json.dumps(whole).encode(), Limits(100, 10, 3), NOTE)
        assert found is None or keeps_to(json.loads(found), whole)


@given(st.dictionaries(st.sampled_from(sorted(ODD)), dialect.VALUES), dialect.VALUES)
def test_a_schema_that_is_none_stops_nothing(odd: dict[str, Any], value: Any) -> None:
    for schema in (odd, {"type": "object", "properties": {"a": odd}}):
        found = conform(
            json.dumps({"a": value}).encode(), json.dumps(schema).encode(), Limits(100, 10, 3), NOTE
        )
        assert found is None or json.loads(found)["_callmux"] == NOTE
