"""The JSON Schema of configuration files, made from the model. Pure.

Printed by `callmux config schema`, for editors. It accepts everything the loader accepts; unknown keys are
allowed, because the loader only warns about them. Descriptions are those of the model's docstrings.
"""

from __future__ import annotations

import inspect
import re
import typing
from typing import Any

import msgspec

from callmux.config.check import keys, marks
from callmux.config.kinds import Kind
from callmux.config.model import Config
from callmux.config.section import Choice, Items, Section

_ATTRIBUTE = re.compile(r"^    (\w+): ((?:.|\n        )*)", re.MULTILINE)


def config_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12."""
    definitions: dict[str, Any] = {}
    root = _section(Config, definitions)
    # Null counts as absent here, and nowhere else.
    servers = {**root["properties"]["servers"], "type": ["object", "null"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "callmux configuration",
        **root,
        "properties": {
            "$schema": {"type": "string", "description": "Where this schema is; for editors."},
            "servers": servers,
            "mcpServers": {**servers, "description": "The same as `servers`, as MCP clients name it."},
            **{key: value for key, value in root["properties"].items() if key != "servers"},
        },
        "oneOf": [
            {"required": [key], "properties": {key: {"type": "object"}}} for key in ("servers", "mcpServers")
        ],
        "not": {
            "properties": {"metaOnly": {"const": True}, "exposeMetaTools": {"const": False}},
            "required": ["metaOnly", "exposeMetaTools"],
        },
        "$defs": definitions,
    }


def descriptions(section: type[Section]) -> dict[str, str]:
    """What the docstrings of a section and its bases say about each attribute."""
    found: dict[str, str] = {}
    for base in reversed(section.__mro__):
        text = inspect.cleandoc(base.__doc__ or "") if issubclass(base, Section) else ""
        _, _, attributes = text.partition("Attributes:\n")
        found |= {name: " ".join(body.split()) for name, body in _ATTRIBUTE.findall(attributes)}
    return found


def _section(section: type[Section], definitions: dict[str, Any]) -> dict[str, Any]:
    said = descriptions(section)
    fields = {field.encode_name: field for field in msgspec.structs.fields(section)}
    properties: dict[str, Any] = {}
    for name, key in keys(section).items():
        schema = dict(_type(key.type, definitions))
        default = fields[name].default
        if isinstance(default, bool | int | float | str):
            schema["default"] = default
        properties[name] = schema | {"description": said[key.attribute]}
    required = [name for name, key in keys(section).items() if key.required]
    summary = inspect.cleandoc(section.__doc__ or "").partition("\n\n")[0]
    return {
        "type": "object",
        "description": " ".join(summary.split()),
        "properties": properties,
        **({"required": required} if required else {}),
    }


def _reference(section: type[Section], definitions: dict[str, Any]) -> dict[str, Any]:
    if section.__name__ not in definitions:
        definitions[section.__name__] = {}
        definitions[section.__name__] = _section(section, definitions)
    return {"$ref": f"#/$defs/{section.__name__}"}


def _type(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    rules = Items()
    for mark in marks(hint):
        if isinstance(mark, Kind):
            return mark.schema
        if isinstance(mark, Choice):
            return {"anyOf": [_reference(option, definitions) for option in mark.options]}
        assert isinstance(mark, Items)
        rules, hint = mark, typing.get_args(hint)[0]
    origin = typing.get_origin(hint)
    if origin is tuple:
        least = {"minItems": 1} if rules.at_least_one else {}
        return {"type": "array", "items": _type(typing.get_args(hint)[0], definitions), **least}
    if origin is dict:
        return {"type": "object", "additionalProperties": _type(typing.get_args(hint)[1], definitions)}
    return _reference(hint, definitions)
