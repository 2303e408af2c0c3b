"""What a schema says about strings."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw

from callmux.rings.schemas import DEEPEST, compile_schema, fits, kind_of
from tests.support import steps


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b'"x"', "string"),
        (b"{}", "object"),
        (b"[]", "array"),
        (b"true", "boolean"),
        (b"false", "boolean"),
        (b"null", "null"),
        (b"-1", "number"),
        (b"2.5", "number"),
        (b"", "null"),
    ],
)
def test_kinds_are_seen_in_the_first_byte(raw: bytes, kind: str) -> None:
    assert kind_of(Raw(raw)) == kind


@pytest.mark.parametrize(
    ("schema", "text", "convertible"),
    [
        ({}, True, False),
        ({"type": "string"}, True, False),
        ({"type": "integer"}, False, True),
        ({"type": "null"}, False, False),
        ({"type": ["string", "integer"]}, True, False),
        ({"type": []}, True, False),
        ({"type": 7}, True, False),
        ({"enum": [1, 2]}, False, False),
        ({"const": "x"}, True, False),
        ({"type": "integer", "enum": [1, 2]}, False, True),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, False, True),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, True, False),
        ({"anyOf": [{"type": "integer"}, True]}, True, False),
        ({"anyOf": [{"type": "integer"}, False]}, False, True),
        ({"allOf": [{"type": ["integer", "string"]}, {"type": "integer"}]}, False, True),
        ({"$ref": "#/$defs/i", "$defs": {"i": {"type": "integer"}}}, False, True),
        ({"$ref": "#/$defs/a~1b%20c/0", "$defs": {"a/b c": [{"type": "integer"}]}}, False, True),
        ({"$ref": "#/$defs/nowhere"}, True, False),
        ({"$ref": "another#/$defs/i", "$defs": {"i": {"type": "integer"}}}, True, False),
        ({"$ref": "#"}, True, False),
        ({"anyOf": [{"$ref": "#"}, {"type": "integer"}]}, True, False),
    ],
)
def test_a_string_is_allowed_or_convertible_or_neither(schema: Any, text: bool, convertible: bool) -> None:
    node = compile_schema(schema)
    assert (node.text, node.convertible) == (text, convertible)


def test_activity_climbs_and_stops() -> None:
    root = compile_schema({"properties": {"a": {"items": {"type": "integer"}}, "b": {"type": "string"}}})
    assert root.active
    assert root.properties["a"].active
    assert not root.properties["b"].active


def test_members_behind_patterns_are_left_alone() -> None:
    schema = {"patternProperties": {"^x": {}}, "additionalProperties": {"type": "integer"}}
    assert compile_schema(schema).rest is None


def test_a_bottomless_schema_ends() -> None:
    schema: dict[str, Any] = {"type": "integer"}
    for _ in range(DEEPEST * 20):
        schema = {"items": schema}
    assert not compile_schema(schema).active


def test_a_schema_built_to_explode_does_not() -> None:
    """Each level refers three times to the next: a walk along every path would take 3^40 steps."""
    levels = {f"l{n}": {"anyOf": [{"$ref": f"#/$defs/l{n + 1}"}] * 3} for n in range(40)}
    schema = {"$defs": levels, "properties": {"x": {"$ref": "#/$defs/l0"}}}
    assert steps(lambda: compile_schema(schema)) < 100_000


@pytest.mark.parametrize(
    ("schema", "value", "fitting"),
    [
        ({"type": "integer"}, b"5", True),
        ({"type": "integer"}, b"5.0", True),
        ({"type": "integer"}, b"5.5", False),
        ({"type": "integer"}, b"1e400", False),
        ({"type": "number"}, b"5", True),
        ({"type": "string"}, b"5", False),
        ({"enum": [1, "a"]}, b'"a"', True),
        ({"enum": [1, "a"]}, b'"b"', False),
        ({"required": ["a"]}, b"{}", False),
        ({"properties": {"a": {"type": "integer"}}}, b'{"a":"1"}', False),
        ({"additionalProperties": {"type": "integer"}}, b'{"a":1,"b":"x"}', False),
        ({"items": {"type": "integer"}}, b"[1,2]", True),
        ({"items": {"type": "integer"}}, b'[1,"2"]', False),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, b"null", True),
        ({"allOf": [{"type": "integer"}, {"enum": [1]}]}, b"2", False),
    ],
)
def test_fitting_is_judged_by_what_is_known(schema: Any, value: bytes, fitting: bool) -> None:
    assert fits(Raw(value), compile_schema(schema)) is fitting


def test_a_value_that_takes_too_many_comparisons_counts_as_fitting() -> None:
    """Schemas that refer to each other say in a few lines what takes for ever to look through."""
    again = [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]
    inner: dict[str, Any] = {"type": "object", "properties": {"x": {"anyOf": again}}}
    node = compile_schema({"properties": {"x": {"$ref": "#/$defs/a"}}, "$defs": {"a": inner}})
    deep = b'{"x":' * 40 + b"1" + b"}" * 40
    assert fits(Raw(deep), node)
    assert not fits(Raw(b'{"x":{"x":1}}'), node)


@pytest.mark.parametrize(
    ("number", "whole"), [(b"2.0", True), (b"2e3", True), (b"2.5", False), (b"1e999", False)]
)
def test_an_integer_is_a_number_without_a_fraction(number: bytes, whole: bool) -> None:
    assert fits(Raw(number), compile_schema({"type": "integer"})) is whole
    assert not fits(Raw(number), compile_schema({"type": "string"}))
