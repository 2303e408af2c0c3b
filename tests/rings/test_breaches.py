"""Whether arguments break a schema, as the reference validator says it."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.rings.breaches import breaks

CASES: list[tuple[Any, list[Any], list[Any]]] = [
    ({"type": "string"}, ["a", ""], [1, None, [], {}]),
    ({"type": "integer"}, [1, 1.0], [1.5, "1", True]),
    ({"type": "number"}, [1, 1.5], ["1", False]),
    ({"type": ["string", "null"]}, ["a", None], [1]),
    ({"enum": ["a", 1, None]}, ["a", 1, None, 1.0], ["b", True, 0]),
    ({"const": {"a": [1]}}, [{"a": [1]}], [{"a": [2]}, {"a": [True]}, {"a": [1], "b": 1}]),
    ({"minLength": 2, "maxLength": 3}, ["ab", "abc", 1], ["a", "abcd"]),
    ({"pattern": "^a+$"}, ["a", "aa", 5], ["b", "ab"]),
    ({"pattern": r"^\d{4}-\d{2}-\d{2}(?:T.*)?$"}, ["2026-11-30", "2026-11-30T05"], ["today", "2026-11"]),
    ({"pattern": "^(?:ab)+$"}, ["ab", "abab"], ["aba", ""]),
    ({"minimum": 1, "maximum": 3}, [1, 3, 2.5, "0"], [0, 3.1]),
    ({"exclusiveMinimum": 1, "exclusiveMaximum": 3}, [2, 2.9], [1, 3]),
    ({"multipleOf": 5}, [5, 10, 0], [3]),
    ({"multipleOf": 0.5}, [1.5, 1], [0.7]),
    ({"minItems": 1, "maxItems": 2}, [[1], [1, 2], "a"], [[], [1, 2, 3]]),
    ({"items": {"type": "integer"}}, [[], [1]], [["a"], [1, "a"]]),
    ({"prefixItems": [{"type": "integer"}], "items": False}, [[1], []], [["a"], [1, 2]]),
    ({"uniqueItems": True}, [[1, 2], [1, True]], [[1, 1], [{"a": 1}, {"a": 1}]]),
    ({"contains": {"type": "string"}}, [["a", 1]], [[], [1]]),
    ({"contains": {"type": "string"}, "minContains": 0}, [[], [1]], []),
    ({"required": ["a"]}, [{"a": 1}, "no object"], [{}, {"b": 1}]),
    ({"properties": {"a": {"type": "integer"}}}, [{"a": 1}, {"b": "x"}], [{"a": "x"}]),
    ({"properties": {"a": {}}, "additionalProperties": False}, [{"a": 1}, {}], [{"b": 1}]),
    ({"additionalProperties": {"type": "integer"}}, [{"b": 1}], [{"b": "x"}]),
    (
        {"patternProperties": {"^x": {"type": "integer"}}, "additionalProperties": False},
        [{"x1": 1}],
        [{"x1": "a"}, {"y": 1}],
    ),
    ({"minProperties": 1, "maxProperties": 1}, [{"a": 1}], [{}, {"a": 1, "b": 2}]),
    ({"propertyNames": {"maxLength": 1}}, [{"a": 1}], [{"ab": 1}]),
    ({"dependentRequired": {"a": ["b"]}}, [{"a": 1, "b": 1}, {"b": 1}], [{"a": 1}]),
    ({"dependentSchemas": {"a": {"required": ["b"]}}}, [{"a": 1, "b": 1}], [{"a": 1}]),
    ({"allOf": [{"type": "integer"}, {"minimum": 2}]}, [2], [1, "a"]),
    ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, [1, "a"], [None]),
    ({"oneOf": [{"type": "integer"}, {"type": "string"}]}, [1, "a"], [None]),
    ({"not": {"type": "string"}}, [1], ["a"]),
    (
        {"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {"required": ["c"]}},
        [{"a": 1, "b": 1}, {"c": 1}],
        [{"a": 1}, {}],
    ),
    ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}, [1], ["a"]),
    (
        {"properties": {"t": {"$ref": "#"}}, "additionalProperties": False},
        [{"t": {"t": {}}}],
        [{"t": {"u": 1}}],
    ),
    (True, [1, None], []),
    (False, [], [1, None]),
]


@pytest.mark.parametrize(("schema", "kept", "broken"), CASES)
def test_it_says_what_the_reference_validator_says(schema: Any, kept: list[Any], broken: list[Any]) -> None:
    validator = jsonschema.Draft202012Validator(schema)
    assert [value for value in kept if breaks(value, schema, 100)] == []
    assert [value for value in broken if not breaks(value, schema, 100)] == []
    assert all(validator.is_valid(value) for value in kept)
    assert not any(validator.is_valid(value) for value in broken)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"minimum": 3, "exclusiveMinimum": True}, 3),
        ({"maximum": 3, "exclusiveMaximum": True}, 3),
        ({"items": [{"type": "integer"}], "additionalItems": False}, [1, 2]),
        ({"dependencies": {"a": ["b"]}}, {"a": 1}),
    ],
)
def test_keywords_of_earlier_drafts_hold(schema: Any, value: Any) -> None:
    assert not jsonschema.Draft4Validator(schema).is_valid(value)
    assert breaks(value, schema, 100)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": "("}, "a"),
        ({"pattern": "(a+)+$"}, "a" * 60 + "b"),
        ({"pattern": "^((a+)b?)*$"}, "a" * 60 + "!"),
        ({"pattern": r"^(\(?\(?)*$"}, "(" * 60 + "!"),
        ({"pattern": "^" + "(a|a)" * 60 + "$"}, "a" * 60 + "b"),
        ({"pattern": "^" + "(?:a?)" * 60 + "a" * 60 + "$"}, "a" * 59),
        ({"pattern": "a*a*a*a*a*a*b"}, "a" * 2000),
        ({"pattern": "^(a+)(?#)+$"}, "a" * 60 + "b"),
        ({"pattern": "(?x)^(a+) +$"}, "a" * 60 + "b"),
        ({"items": {"pattern": "^a*$"}}, ["a" * 1999] * 2 + ["a" * 1998 + "b"]),
        ({"patternProperties": {"^((a+)b?)*$": {}}, "additionalProperties": False}, {"a" * 60 + "!": 1}),
        ({"pattern": "^b"}, "a" * 5000),
        ({"pattern": "b" * 5000}, "a"),
        ({"patternProperties": {"(": {}}, "additionalProperties": False}, {"b": 1}),
        ({"$ref": "https://elsewhere.example/schema"}, 1),
        ({"$ref": "#/$defs/none"}, 1),
        ({"$ref": "#"}, 1),
        ({"not": {"format": "email"}}, "a"),
        ({"if": {"format": "email"}, "then": False}, "a"),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, 1),
        ({"type": "of our own"}, 1),
        ({"type": []}, 1),
        ({"multipleOf": 0}, 1),
        ({"multipleOf": 0.5}, 10**400),
        ({"items": {"enum": [[n] for n in range(1000)]}}, [[500]] * 200),
    ],
)
def test_what_is_not_understood_or_takes_too_long_is_kept(schema: Any, value: Any) -> None:
    assert not breaks(value, schema, 0)


def test_references_lead_through_lists_and_escaped_names() -> None:
    schema = {"$ref": "#/a~1b/0/c~0d", "a/b": [{"c~d": {"type": "integer"}}]}
    assert breaks("a", schema, 10)
    assert not breaks(1, schema, 10)
    assert not breaks("a", {"$ref": "#/a/7", "a": [1]}, 10)
    assert not breaks("a", {"$ref": "#/a/x", "a": [1]}, 10)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([0.5, 1.5])
    | st.sampled_from(["", "a", "ab"])
)
VALUES = st.recursive(
    SCALARS,
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from("abc"), v, max_size=3),
    max_leaves=6,
)
KINDS = st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object"])


def _schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    named = st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": KINDS | st.lists(KINDS, min_size=1, max_size=2, unique=True),
            "properties": named,
            "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
            "additionalProperties": st.booleans() | inner,
            "items": inner,
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "enum": st.lists(SCALARS, min_size=1, max_size=3),
            "minimum": st.integers(-2, 2),
            "maxLength": st.integers(0, 2),
            "maxItems": st.integers(0, 2),
        },
    )


@given(value=VALUES, schema=st.recursive(st.booleans(), _schemas, max_leaves=8))
def test_any_schema_of_what_it_knows_is_judged_as_the_reference_validator_does(
    value: Any, schema: Any
) -> None:
    assert breaks(value, schema, 10_000) is not jsonschema.Draft202012Validator(schema).is_valid(value)
