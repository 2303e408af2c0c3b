"""Shortens structured content so that it still fits the output schema its tool declares. Pure.

Called by `callmux.rings.shield.reply` and, about what is cut already, by `.excerpt`. It only cuts where the
schema plainly allows every shorter value; where it cannot tell, the value stays whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from callmux.rings.shield.compact import DEEPEST, Limits, clip_text, cut, is_over

NOTE = "_callmux"
"""The member that tells a reader that content was shortened."""

_ANNOTATIONS = frozenset({"$schema", "$defs", "definitions", "title", "description", "default", "examples"})
_FREE = {
    "string": _ANNOTATIONS | {"type", "maxLength"},
    "array": _ANNOTATIONS | {"type", "items", "minItems", "maxItems", "uniqueItems"},
    "object": _ANNOTATIONS | {"type", "properties", "required", "additionalProperties"},
}
"""Keywords under which a shorter value of that type stays valid, or that are looked at here."""
_COUNTS = ("maxLength", "minItems")
_KINDS = {'"': "string", "[": "array", "{": "object"}

_ITEMS = msgspec.json.Decoder(list[Raw])
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_STRING = msgspec.json.Decoder(str)
_encode = msgspec.json.Encoder().encode


def conform(raw: bytes, schema_raw: bytes, limits: Limits, note: dict[str, Any]) -> bytes | None:
    """`raw` shortened, with `note` as its member `_callmux`.

    Args:
        raw: A JSON object.
        schema_raw: The tool's output schema.
        limits: What each string and array may have.
        note: Says that the content is shortened, and where the rest is.

    Returns:
        None where the schema leaves no room for the note: content cut in silence would be taken for whole.
    """
    try:
        schema = msgspec.json.decode(schema_raw)
        members = _MEMBERS.decode(raw)
    except (msgspec.MsgspecError, RecursionError):
        return None
    walk = _Walk(schema, limits)
    top = walk.schema_for(schema, "object")
    if top is None or not walk.has_room(members):
        return None
    return _encode({**walk.members(members, top, 0), NOTE: note})


def allows(schema_raw: bytes, raw: bytes, cuts: Sequence[tuple[Sequence[str], int]]) -> bool:
    """Whether the JSON object `raw` still fits its schema with a note, and with texts and arrays cut.

    Args:
        cuts: The keys of each, and how many characters or items are left of it.
    """
    try:
        schema = msgspec.json.decode(schema_raw)
        members = _MEMBERS.decode(raw)
    except (msgspec.MsgspecError, RecursionError):
        return False
    walk = _Walk(schema, Limits(0, 0, 0))
    return walk.has_room(members) and all(walk.may_end(raw, schema, keys, shown) for keys, shown in cuts)


class _Walk:
    """One pass over a value beside its schema."""

    def __init__(self, root: Any, limits: Limits) -> None:
        self._root = root
        self._limits = limits

    def has_room(self, members: dict[str, Raw]) -> bool:
        """Whether the schema leaves room for the note among an object's members."""
        top = self.schema_for(self._root, "object")
        if top is None or NOTE in members or NOTE in top.get("properties", {}):
            return False
        return top.get("additionalProperties", True) in (True, {})

    def may_end(self, raw: bytes, schema: Any, keys: Sequence[str], shown: int) -> bool:
        """Whether the text or array at `keys` may have only its first `shown` characters or items."""
        for key in keys:
            if schema is True or schema == {}:
                return True
            fits = self.schema_for(schema, _KINDS[raw[:1].decode()])
            if fits is None or fits.get("uniqueItems", False):
                return False
            if raw[:1] == b"[":
                raw, schema = bytes(_ITEMS.decode(raw)[int(key)]), fits.get("items", True)
            else:
                others = fits.get("additionalProperties", True)
                raw, schema = bytes(_MEMBERS.decode(raw)[key]), fits.get("properties", {}).get(key, others)
        if schema is True or schema == {}:
            return True
        fits = self.schema_for(schema, _KINDS[raw[:1].decode()])
        return fits is not None and shown >= int(fits.get("minItems", 0))

    def value(self, raw: bytes, schema: Any, depth: int) -> bytes:
        """`raw`, shortened as far as `schema` allows."""
        if not is_over(raw, self._limits) or depth > DEEPEST:
            return raw
        if schema is True or schema == {}:
            return cut(raw, self._limits, self._limits.result_bytes)
        kind = _KINDS.get(raw[:1].decode())
        fits = None if kind is None else self.schema_for(schema, kind)
        if fits is None:
            return raw
        if kind == "string":
            return self._string(raw, fits)
        if kind == "array":
            return self._array(raw, fits, depth)
        return _encode(self.members(_MEMBERS.decode(raw), fits, depth))

    def schema_for(self, schema: Any, kind: str) -> dict[str, Any] | None:
        """The one plain schema that a value of `kind` is under; None where that is not certain."""
        for _ in range(DEEPEST):
            if not isinstance(schema, dict):
                return None
            keys = schema.keys() - _ANNOTATIONS
            if keys == {"$ref"}:
                schema = self._resolve(schema["$ref"])
            elif keys == {"anyOf"} and isinstance(schema["anyOf"], list):
                # Of "this or null" only one can be meant; of two objects either.
                options = [option for option in schema["anyOf"] if not _excludes(option, kind)]
                if len(options) != 1:
                    return None
                schema = options[0]
            else:
                declared = schema.get("type")
                named = declared == kind or (isinstance(declared, list) and kind in declared)
                return schema if named and schema.keys() <= _FREE[kind] and _makes_sense(schema) else None
        return None

    def _resolve(self, ref: Any) -> Any:
        if not isinstance(ref, str) or not ref.startswith("#/"):
            return None
        place = self._root
        for key in ref[2:].split("/"):
            place = place.get(key.replace("~1", "/").replace("~0", "~")) if isinstance(place, dict) else None
        return place

    def _string(self, raw: bytes, schema: dict[str, Any]) -> bytes:
        text = _STRING.decode(raw)
        cut_text = clip_text(text, self._limits.string_chars)
        return raw if len(cut_text) > schema.get("maxLength", len(text)) else _encode(cut_text)

    def _array(self, raw: bytes, schema: dict[str, Any], depth: int) -> bytes:
        items = _ITEMS.decode(raw)
        shown = max(self._limits.array_items, int(schema.get("minItems", 0)))
        inner = schema.get("items", True)
        unique = schema.get("uniqueItems", False)
        kept = [
            bytes(item) if unique else self.value(bytes(item), inner, depth + 1) for item in items[:shown]
        ]
        return b"[" + b",".join(kept) + b"]"

    def members(self, members: dict[str, Raw], schema: dict[str, Any], depth: int) -> dict[str, Raw]:
        """An object's members, each shortened as far as its own schema allows."""
        properties = schema.get("properties", {})
        others = schema.get("additionalProperties", True)
        return {
            key: Raw(self.value(bytes(member), properties.get(key, others), depth + 1))
            for key, member in members.items()
        }


def _makes_sense(schema: dict[str, Any]) -> bool:
    """Whether the keywords that are looked at here have values that they may have. 4.0 is a whole number."""
    counts = [schema[name] for name in _COUNTS if name in schema]
    whole = all(type(count) in (int, float) and count >= 0 and count % 1 == 0 for count in counts)
    return whole and isinstance(schema.get("properties", {}), dict)


def _excludes(schema: Any, kind: str) -> bool:
    declared = schema.get("type") if isinstance(schema, dict) else None
    if isinstance(declared, str):
        return declared != kind
    return isinstance(declared, list) and kind not in declared
