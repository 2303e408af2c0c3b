"""Schemas of JSON Schema 2020-12 by chance, with every keyword of its vocabularies, and any JSON value.

Used by the tests of what reads schemas and results. The schemas are valid; `keeps_to` asks a validator that
is not ours.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, _WrappedReferencingError
from referencing.exceptions import Unresolvable

NAMES = st.sampled_from("abcx")
TYPES = st.sampled_from(["string", "number", "integer", "boolean", "array", "object", "null"])
TEXTS = st.text(max_size=8) | st.sampled_from(
    ["5", "-1", "1.0", "true", "null", "[1]", '{"a": "1"}', "{}", "x" * 40]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99) | st.floats(-9, 9) | TEXTS,
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=16,
)
"""Any JSON value."""
_SIZES = st.integers(0, 3)
_REFERENCES = st.sampled_from(
    ["#", "#/$defs/a", "#/$defs/b", "#/properties/a", "#named", "other", "#/$defs/c/$defs/a"]
)


def _keywords(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    named = st.dictionaries(NAMES, inner, max_size=2)
    several = st.lists(inner, min_size=1, max_size=2)
    patterns = st.dictionaries(st.sampled_from(["^a", "b|c", "."]), inner, max_size=2)
    return st.fixed_dictionaries(
        {},
        optional={
            "$anchor": st.just("named"),
            "$comment": st.text(max_size=5),
            "$defs": st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
            "$dynamicAnchor": st.just("dynamic"),
            "$dynamicRef": st.just("#dynamic"),
            "$id": st.sampled_from(["other", "https://example.org/x"]),
            "$ref": _REFERENCES,
            "additionalProperties": inner,
            "allOf": several,
            "anyOf": several,
            "const": VALUES,
            "contains": inner,
            "contentEncoding": st.just("base64"),
            "contentSchema": inner,
            "default": VALUES,
            "dependentRequired": st.dictionaries(NAMES, st.lists(NAMES, unique=True, max_size=2), max_size=2),
            "dependentSchemas": named,
            "deprecated": st.booleans(),
            "description": st.text(max_size=8),
            "else": inner,
            "enum": st.lists(VALUES, min_size=1, max_size=3),
            "examples": st.lists(VALUES, max_size=1),
            "exclusiveMaximum": st.integers(-9, 99),
            "exclusiveMinimum": st.integers(-9, 99),
            "format": st.sampled_from(["date", "email", "made-up"]),
            "if": inner,
            "items": inner,
            "maxContains": _SIZES,
            "maxItems": _SIZES | st.just(6.0),
            "maxLength": _SIZES | st.just(60.0),
            "maxProperties": _SIZES,
            "maximum": st.integers(-9, 99),
            "minContains": _SIZES,
            "minItems": _SIZES | st.just(4.0),
            "minLength": _SIZES,
            "minProperties": _SIZES,
            "minimum": st.integers(-9, 99),
            "multipleOf": st.sampled_from([1, 0.5, 3]),
            "not": inner,
            "oneOf": several,
            "pattern": st.sampled_from(["^5", "a", "."]),
            "patternProperties": patterns,
            "prefixItems": several,
            "properties": named,
            "propertyNames": inner,
            "readOnly": st.booleans(),
            "required": st.lists(NAMES, unique=True, max_size=2),
            "then": inner,
            "title": st.text(max_size=5),
            "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
            "unevaluatedItems": inner,
            "unevaluatedProperties": inner,
            "uniqueItems": st.booleans(),
            "x-mcp-header": st.just("Region"),
        },
    )


SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    st.booleans()
    | st.fixed_dictionaries({"type": TYPES | st.lists(TYPES, min_size=1, max_size=2, unique=True)}),
    _keywords,
    max_leaves=8,
)
"""A schema."""


def keeps_to(value: Any, schema: Any) -> bool | None:
    """Whether a value keeps to a schema; None where nobody can say, such as where references lead nowhere."""
    try:
        return bool(Draft202012Validator(schema).is_valid(value))
    except (SchemaError, _WrappedReferencingError, Unresolvable, RecursionError):
        return None
