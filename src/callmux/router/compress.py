"""Shorter tool definitions for `tools/list`: fewer and shorter descriptions, the contract untouched. Pure.

Called by `callmux.router.listing` for what clients see and by `callmux.process.runtime` for what the status
says of it. Search, status and execution use the definitions as they came. Only descriptions at schema
positions are looked at: whatever stands in `default`, `enum`, `const` or `examples` is data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from callmux.config.results import SchemaCompression, ServerCompression
from callmux.patterns import late
from callmux.upstream.catalogue import Catalogue

AMBIGUOUS = frozenset(
    {"after", "anchor", "before", "cursor", "direction", "format", "market", "mode", "order"}
    | {"outputFormat", "ref", "sha", "sort", "state_reason", "status", "transport", "type"}
)
"""Names that say too little: their descriptions are never dropped."""
MOST_WORDS = 6
LONGEST_OBVIOUS = 60
"""Characters of a description that may be dropped because it only repeats the name."""
KEPT_PART = 0.4
"""A cut at the end of a sentence must keep this part of what is allowed."""
DEEPEST = 60

_WORD = late(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_a-zA-Z]+")
_SENTENCE_END = late(r"(?<=[.!?])(?=\s)|(?<=[。！？])")
_ALSO = {"repo": ("repo", "repository")}

_SCHEMAS = frozenset(
    {"items", "additionalItems", "additionalProperties", "unevaluatedItems", "unevaluatedProperties"}
    | {"contains", "propertyNames", "not", "if", "then", "else", "contentSchema"}
)
"""Keywords whose value is a schema, or a list of schemas."""
_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_MAPS = frozenset(
    {"properties", "patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions"}
)
"""Keywords whose value has schemas by name."""
_NAMED = frozenset({"properties"})
"""Those whose names say what their schemas are about."""

_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_ITEMS = msgspec.json.Decoder(list[Raw])
_encode = msgspec.json.Encoder().encode


class Settings(msgspec.Struct, frozen=True):
    """How the tools of one server are shortened.

    Attributes:
        mode: `off`, `balanced` or `aggressive`.
        most: Characters of a description.
    """

    mode: str
    most: int


_STEPS = (
    *(Settings("balanced", most) for most in (800, 400, 240, 160, 120, 80, 60, 40, 30, 20)),
    Settings("aggressive", 20),
)
"""How a schema is shortened that is too large, until it is not."""


def settings(general: SchemaCompression, own: ServerCompression | None) -> Settings:
    """What holds for a server with these keys."""
    server = own or ServerCompression()
    enabled = general.enabled if server.enabled is None else server.enabled
    mode = server.mode or general.mode
    return Settings(mode if enabled else "off", server.max_description_chars or general.max_description_chars)


def words(text: str) -> list[str]:
    """The words of a name or a sentence, in lower case: `perPage` is `per`, `page`."""
    return [word.lower() for word in _WORD().findall(text)]


def is_obvious(description: str, name: str) -> bool:
    """Whether `description` says no more than `name` does."""
    if len(description) > LONGEST_OBVIOUS:
        return False
    said = words(description)
    if not 1 <= len(said) <= MOST_WORDS:
        return False
    own = words(name)
    return bool(own) and all(any(w in said for w in _ALSO.get(word, (word,))) for word in own)


def shortened(description: str, most: int) -> str:
    """At most `most` characters: whole sentences where some fit, else whole words and three dots."""
    if len(description) <= most:
        return description
    if most <= 3:
        return description[:most]
    ends = [match.start() for match in _SENTENCE_END().finditer(description, 0, most + 1)]
    if ends and ends[-1] >= most * KEPT_PART:
        return description[: ends[-1]]
    cut = description[: most - 3]
    if not description[most - 3].isspace() and (space := cut.rfind(" ")) >= most * KEPT_PART:
        cut = cut[:space]
    return cut.rstrip() + "..."


def shown(description: str, name: str, how: Settings) -> str | None:
    """What is left of a description whose owner is called `name`; None for nothing."""
    text = " ".join(description.split())
    if not text:
        return None
    if name not in AMBIGUOUS and (how.mode == "aggressive" or is_obvious(text, name)):
        return None
    return shortened(text, how.most)


def compress_schema(raw: bytes, how: Settings, name: str = "", depth: int = 0) -> bytes:
    """The schema with its descriptions shortened; without any, byte for byte what it was.

    Args:
        raw: A JSON schema.
        how: How much.
        name: The property it belongs to.
    """
    if b'"description"' not in raw or raw[:1] != b"{" or depth > DEEPEST:
        return raw
    members: dict[str, Any] = dict(_MEMBERS.decode(raw))
    changed = False
    for key, value in list(members.items()):
        member = bytes(value)
        if key == "description":
            after = _description(member, name, how)
            if after is None:
                del members[key]
                changed = True
                continue
        elif key in _MAPS:
            after = _map(member, how, name, depth, named=key in _NAMED)
        elif key in _SCHEMAS or key in _LISTS:
            after = _schema_or_list(member, how, name, depth)
        else:
            continue
        if after != member:
            members[key] = Raw(after)
            changed = True
    return _encode(members) if changed else raw


def _description(raw: bytes, name: str, how: Settings) -> bytes | None:
    if raw[:1] != b'"':
        return raw
    before = msgspec.json.decode(raw, type=str)
    after = shown(before, name, how)
    return raw if after == before else None if after is None else _encode(after)


def _map(raw: bytes, how: Settings, name: str, depth: int, *, named: bool) -> bytes:
    if raw[:1] != b"{" or b'"description"' not in raw:
        return raw
    members = _MEMBERS.decode(raw)
    after = {
        key: compress_schema(bytes(member), how, key if named else name, depth + 1)
        for key, member in members.items()
    }
    same = all(after[key] == bytes(member) for key, member in members.items())
    return raw if same else _encode({key: Raw(member) for key, member in after.items()})


def _schema_or_list(raw: bytes, how: Settings, name: str, depth: int) -> bytes:
    if raw[:1] != b"[":
        return compress_schema(raw, how, name, depth + 1)
    items = [bytes(item) for item in _ITEMS.decode(raw)]
    after = [compress_schema(item, how, name, depth + 1) for item in items]
    return raw if after == items else b"[" + b",".join(after) + b"]"


def compress_tool(members: Mapping[str, Any], name: str, how: Settings) -> dict[str, Any]:
    """The members of a definition, its description and its input schema's shortened.

    Args:
        members: The definition, each member raw.
        name: The tool's own name, whatever it is listed as.
        how: How much.
    """
    after = dict(members)
    if how.mode == "off":
        return after
    description = after.get("description")
    if isinstance(description, Raw):
        short = _description(bytes(description), name, how)
        if short is None:
            del after["description"]
        elif short != bytes(description):
            after["description"] = Raw(short)
    schema = after.get("inputSchema")
    if isinstance(schema, Raw):
        before = bytes(schema)
        try:
            shorter = compress_schema(before, how)
        except (msgspec.MsgspecError, RecursionError):
            shorter = before
        if shorter != before:
            after["inputSchema"] = Raw(shorter)
    return after


def bounded(definition: bytes, most: int) -> bytes:
    """A definition with an input schema of at most so many bytes, for a client that drops all descriptions of
    a larger one: these are shortened, no more than is needed. What is too large without any stays as it is.

    Args:
        definition: A tool as it is listed.
        most: Bytes of its input schema.
    """
    if len(definition) <= most:
        return definition
    try:
        members = _MEMBERS.decode(definition)
        schema = bytes(members.get("inputSchema", b""))
        if len(schema) <= most:
            return definition
        for how in _STEPS:
            shorter = compress_schema(schema, how)
            if len(shorter) <= most:
                return _encode({**members, "inputSchema": Raw(shorter)})
    except (msgspec.MsgspecError, RecursionError):
        pass
    return definition


class Compression:
    """The settings of a configuration at work.

    Args:
        general: The global `schemaCompression`.
        servers: The servers' own, by server key; None where a server has none.
    """

    def __init__(self, general: SchemaCompression, servers: Mapping[str, ServerCompression | None]) -> None:
        self._general = settings(general, None)
        self._enabled = general.enabled
        self._mode = general.mode
        self._servers = {key: settings(general, own) for key, own in servers.items()}
        self._measured: tuple[Catalogue, dict[str, Any]] | None = None

    def tool(self, server: str, name: str, members: Mapping[str, Any]) -> dict[str, Any]:
        """The members of a server's tool as they are listed."""
        return compress_tool(members, name, self._servers.get(server, self._general))

    def own(self, definition: dict[str, Any]) -> bytes:
        """A meta-tool as it is listed. What it is for stays, word for word; only `aggressive` takes the
        descriptions of its properties."""
        if self._general.mode == "aggressive":
            schema = compress_schema(_encode(definition["inputSchema"]), self._general)
            definition = definition | {"inputSchema": Raw(schema)}
        return _encode(definition)

    def facts(self, catalogue: Catalogue, own: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The block `schemaCompression` of `callmux_status`, for all tools whether they are listed or not.

        Args:
            own: The meta-tools' definitions.
        """
        if self._measured is None or self._measured[0] is not catalogue:
            self._measured = catalogue, self._measure(catalogue, own)
        return self._measured[1]

    def _measure(self, catalogue: Catalogue, own: Sequence[dict[str, Any]]) -> dict[str, Any]:
        servers: dict[str, _Count] = {}
        total = _Count()
        for entry in catalogue.entries:
            before = len(_encode(entry.tool.members))
            after = len(_encode(self.tool(entry.server, entry.tool.name, entry.tool.members)))
            servers.setdefault(entry.server, _Count()).add(before, after)
            total.add(before, after)
        for definition in own:
            total.add(len(_encode(definition)), len(self.own(definition)))
        facts = _described(self._general, self._enabled and self._mode != "off", self._mode, total)
        if servers:
            facts["servers"] = {
                key: _described(how, how.mode != "off", how.mode, count)
                for key, count in servers.items()
                for how in [self._servers.get(key, self._general)]
            }
        return facts


class _Count:
    """Bytes before and after."""

    def __init__(self) -> None:
        self.tools = self.shorter = self.before = self.after = 0

    def add(self, before: int, after: int) -> None:
        self.tools += 1
        self.shorter += after < before
        self.before += before
        self.after += after


def _described(how: Settings, enabled: bool, mode: str, count: _Count) -> dict[str, Any]:
    saved = count.before - count.after
    return {
        "enabled": enabled,
        "mode": mode,
        "maxDescriptionChars": how.most,
        "tools": count.tools,
        "compressedTools": count.shorter,
        "originalBytes": count.before,
        "compressedBytes": count.after,
        "savedBytes": saved,
        "savedPercent": round(100 * saved / count.before, 1) if count.before else 0,
    }
