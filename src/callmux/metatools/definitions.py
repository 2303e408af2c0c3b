"""The shapes that several meta-tool definitions share. Pure.

Called by the meta-tools' own modules when they are imported. Every agent pays for these words in every
session: names and types say most, descriptions only what they cannot. Least values that go without saying
are left to the error that names the field.
"""

from __future__ import annotations

from typing import Any

READ_ONLY = {"readOnlyHint": True}

TEXT: dict[str, Any] = {"type": "string"}
OBJECT: dict[str, Any] = {"type": "object"}
TIMEOUT: dict[str, Any] = {"type": "integer"}
OUTPUT_FORMAT: dict[str, Any] = {"type": "string", "enum": ["json", "toon", "auto"]}
"""Each tool takes every format; offered are those that make a difference: definitions cost tokens."""
TEXT_FORMAT: dict[str, Any] = {"type": "string", "enum": ["json", "toon", "auto", "plain", "shortest"]}
"""The same where texts of tools are in an answer of ours."""
DESCRIPTION_LENGTH: dict[str, Any] = {
    "type": "integer",
    "description": "Characters per description; 0 means all",
}


def closed(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    """The schema of an object with these properties and no others."""
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        schema["required"] = list(required)
    return schema | {"additionalProperties": False}


def listed(item: dict[str, Any], description: str | None = None) -> dict[str, Any]:
    """The schema of a list of `item`."""
    schema: dict[str, Any] = {"type": "array", "items": item}
    return schema if description is None else schema | {"description": description}


def definition(
    name: str,
    description: str,
    schema: dict[str, Any],
    annotations: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A tool as `tools/list` shows it."""
    shown = {"name": name, "description": description, "inputSchema": schema}
    return shown if annotations is None else shown | {"annotations": annotations}


CALL = closed({"tool": TEXT, "server": TEXT, "arguments": OBJECT, "timeoutMs": TIMEOUT, "cwd": TEXT}, "tool")
ITEM = closed({"arguments": OBJECT, "timeoutMs": TIMEOUT, "cwd": TEXT}, "arguments")
MAPPING = {"type": "object", "additionalProperties": TEXT}
ON_MISSING = {"type": "string", "enum": ["continue", "fail"]}


def step(mapping_description: str) -> dict[str, Any]:
    """The schema of a pipeline step."""
    mapping = MAPPING | {"description": mapping_description}
    extra = {"inputMapping": mapping, "onMappingMissing": ON_MISSING}
    return closed(CALL["properties"] | extra, "tool")
