"""The shape tells an agent what to ask for."""

from __future__ import annotations

import json
from typing import Any

from callmux.rings.shield.shape import describe, type_of


def shape(value: Any) -> dict[str, Any]:
    return describe(json.dumps(value).encode())


def test_an_array() -> None:
    assert shape([{"id": 1, "name": "x"}, 2]) == {
        "type": "array",
        "total": 2,
        "sampleKeys": ["id", "name"],
        "paging": {"offsetUnit": "items", "defaultLimit": 50, "maxLimit": 100},
    }
    assert "sampleKeys" not in shape([1])


def test_a_string() -> None:
    found = shape("é" * 300)
    assert (found["type"], found["totalChars"]) == ("string", 300)
    assert found["paging"]["offsetUnit"] == "characters"


def test_an_object_names_its_arrays_depth_first() -> None:
    found = shape({"meta": {"k": 1, "deep": {"rows": [{"a": 1}]}}, "items": [1]})
    assert found["keys"] == ["meta", "items"]
    assert [a["path"] for a in found["arrays"]] == ["meta.deep.rows", "items"]
    assert found["arrays"][0] == {"path": "meta.deep.rows", "type": "array", "total": 1, "sampleKeys": ["a"]}
    assert found["suggestedPath"] == "meta.deep.rows"
    assert "items" in found["paging"]["offsetUnit"]


def test_an_object_without_arrays_is_one_value() -> None:
    found = shape({"a.b": 1})
    assert "arrays" not in found
    assert found["paging"]["offsetUnit"] == "single value"


def test_it_is_bounded() -> None:
    found = shape({f"k{n}": [n] for n in range(100)})
    assert (len(found["keys"]), len(found["arrays"])) == (20, 8)
    deep: Any = [1]
    for _ in range(8):
        deep = {"a": deep}
    assert "arrays" not in shape(deep)


def test_a_path_with_a_dot_can_be_used() -> None:
    assert shape({"a.b": [1]})["suggestedPath"] == "a\\.b"


def test_other_types() -> None:
    assert shape(7) == {"type": "number"}
    assert [type_of(raw) for raw in (b"true", b"false", b"null", b"-1")] == [
        "boolean",
        "boolean",
        "object",
        "number",
    ]
