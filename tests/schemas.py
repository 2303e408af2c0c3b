"""Schemas of arguments as nobody would write them, for tests by random input."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

KEYWORDS = st.sampled_from(
    [
        *(
            "$anchor",
            "$defs",
            "$dynamicRef",
            "$ref",
            "additionalProperties",
            "allOf",
            "anyOf",
            "const",
            "contains",
        ),
        *(
            "dependentRequired",
            "dependentSchemas",
            "description",
            "else",
            "enum",
            "if",
            "items",
            "not",
            "oneOf",
        ),
        *("patternProperties", "prefixItems", "properties", "propertyNames", "required", "then", "type"),
        *("unevaluatedItems", "unevaluatedProperties", "x-mcp-header"),
    ]
)
SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([True, False, None, 3, "object", "string", ["string", "null"], "#/$defs/a", {}]),
    lambda inner: (
        st.dictionaries(KEYWORDS, inner, max_size=4)
        | st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2)
    ),
)
"""Every keyword of JSON Schema 2020-12, also where it makes no sense."""
