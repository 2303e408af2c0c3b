"""Shared shapes of the meta-tools' schemas."""

from __future__ import annotations

from callmux.metatools.definitions import CALL, ITEM, READ_ONLY, TEXT, closed, definition, listed, step


def test_objects_are_closed() -> None:
    assert closed({"a": TEXT}, "a") == {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    assert "required" not in closed({"a": TEXT})


def test_entries_have_the_known_keys() -> None:
    assert list(CALL["properties"]) == ["tool", "server", "arguments", "timeoutMs", "cwd"]
    assert list(ITEM["properties"]) == ["arguments", "timeoutMs", "cwd"]
    assert step("How")["properties"]["onMappingMissing"]["enum"] == ["continue", "fail"]
    assert step("how")["properties"]["inputMapping"]["description"] == "how"


def test_annotations_appear_only_where_given() -> None:
    assert "annotations" not in definition("n", "d", closed({}))
    assert definition("n", "d", closed({}), READ_ONLY)["annotations"]["readOnlyHint"] is True


def test_lists_may_be_described() -> None:
    assert listed(TEXT) == {"type": "array", "items": {"type": "string"}}
    assert listed(TEXT, "words")["description"] == "words"
