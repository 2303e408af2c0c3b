"""What a request says in HTTP headers beside its body: its method, its name, and arguments of its tool. Pure.

Called by `callmux.upstream.stateless` for servers without a handshake. The rules are those of MCP 2026-07-28,
basic/transports/streamable-http, "Request Metadata": a server refuses a request whose headers do not say what
its body says.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Raw

from callmux.protocol.params import members

ANNOTATION = "x-mcp-header"
"""The member of a property's schema that names the header of its value."""
PREFIX = "Mcp-Param-"
NAMED = frozenset({"prompts/get", "resources/read", "tools/call"})
"""The requests whose name or URI stands in a header, too."""
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_MARKED = re.compile(r"=\?base64\?.*\?=", re.DOTALL)
_PLAIN = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?|")
_SCALAR = re.compile(rb"-?[0-9.eE+-]+|true|false")
_VALUES = frozenset({"const", "default", "enum", "examples"})
_MAPS = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties"})

Path = tuple[str, ...]


def head(revision: str, method: str, target: str | None) -> dict[str, str]:
    """The headers that every request has.

    Args:
        target: The tool, prompt, URI or task that it names.
    """
    named = {"MCP-Protocol-Version": revision, "Mcp-Method": method}
    if target is not None and (method in NAMED or method.startswith("tasks/")):
        named["Mcp-Name"] = encoded(target)
    return named


def encoded(value: str) -> str:
    """A text as the value of a header."""
    if _PLAIN.fullmatch(value) and not _MARKED.fullmatch(value):
        return value
    return f"=?base64?{base64.b64encode(value.encode('utf-8', 'surrogatepass')).decode()}?="


def of_arguments(arguments: bytes | Raw | None, headers: Mapping[Path, str]) -> dict[str, str]:
    """The headers of a call's arguments; none for what is absent, null, or no plain value.

    Args:
        headers: What `mirrored` gives for the tool.
    """
    found = {}
    for path, name in headers.items():
        value: bytes | Raw | None = arguments
        for step in path:
            value = members(value).get(step)
        if value is not None and (text := _text(bytes(value))) is not None:
            found[PREFIX + name] = text
    return found


def _text(raw: bytes) -> str | None:
    if raw[:1] == b'"':
        return encoded(msgspec.json.decode(raw, type=str))
    # A number, true or false; digits stay as they are.
    return raw.decode() if _SCALAR.fullmatch(raw) else None


@lru_cache(maxsize=4096)
def mirrored(definition: bytes) -> Mapping[Path, str]:
    """Which arguments of a tool stand in headers: the end of the header's name by the way to the argument.

    Args:
        definition: The tool as its server lists it.

    Raises:
        ValueError: An annotation is none that may be followed; the tool must not be used.
    """
    if definition.find(ANNOTATION.encode()) < 0 and definition.find(b"\\") < 0:
        return {}
    schema = members(definition).get("inputSchema")
    found: dict[Path, str] = {}
    for path, name, kind in _annotations(msgspec.json.decode(schema or b"{}"), ()):
        where = ".".join(path or ("the schema itself",))
        if path is None or not path:
            raise ValueError(f'"{ANNOTATION}" stands where no argument can be found by its name alone')
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise ValueError(f'"{ANNOTATION}" of {where} is no name of a header')
        if kind not in ("boolean", "integer", "string"):
            raise ValueError(
                f'"{ANNOTATION}" of {where} is for a {kind}; only a string, integer or boolean may'
            )
        if name.lower() in {known.lower() for known in found.values()}:
            raise ValueError(f'"{ANNOTATION}" names {name} twice')
        found[path] = name
    return found


def _annotations(schema: Any, path: Path | None) -> Iterator[tuple[Path | None, Any, Any]]:
    """Each annotation in a schema: the way to it, or None where it is not reached by `properties` alone; its
    value; and the type of what it is for."""
    if isinstance(schema, list):
        for part in schema:
            yield from _annotations(part, None)
    if not isinstance(schema, dict):
        return
    if ANNOTATION in schema:
        yield path, schema[ANNOTATION], schema.get("type")
    for key, value in schema.items():
        if key == "properties" and isinstance(value, dict):
            for name, part in value.items():
                yield from _annotations(part, None if path is None else (*path, name))
        elif key in _MAPS and isinstance(value, dict):
            for part in value.values():
                yield from _annotations(part, None)
        elif key not in _VALUES and key != ANNOTATION:
            yield from _annotations(value, None)
