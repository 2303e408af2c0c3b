"""Describes data that is not shown: its type, its keys, where its arrays are. Pure.

Called by `callmux.rings.shield.reply`; agents read it to know what to ask `callmux_get_result` for.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from callmux.rings.shield.paths import join

DEFAULT_LIMIT = 50
MAX_LIMIT = 100
CHARS_PER_ITEM = 200
"""A page of a text has this many characters for each of its `limit`."""
MOST_KEYS = 20
MOST_ARRAYS = 8
DEEPEST_ARRAY = 5

_ITEMS = msgspec.json.Decoder(list[Raw])
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_LIMITS = {"defaultLimit": DEFAULT_LIMIT, "maxLimit": MAX_LIMIT}


def type_of(raw: bytes) -> str:
    """The type of a JSON value as agents are told it; `null` is an `object` for them."""
    kinds = {b"[": "array", b'"': "string", b"{": "object", b"t": "boolean", b"f": "boolean", b"n": "object"}
    return kinds.get(raw[:1], "number")


def describe(data: bytes) -> dict[str, Any]:
    """The shape of the JSON value `data`."""
    kind = type_of(data)
    if kind == "array":
        return _array(data) | {"paging": {"offsetUnit": "items", **_LIMITS}}
    if kind == "string":
        paging = {"offsetUnit": "characters", "limitUnit": f"{CHARS_PER_ITEM} characters", **_LIMITS}
        return {"type": kind, "totalChars": len(msgspec.json.decode(data, type=str)), "paging": paging}
    if data[:1] == b"{":
        return _object(data)
    return {"type": kind}


def _array(raw: bytes) -> dict[str, Any]:
    items = _ITEMS.decode(raw)
    shape: dict[str, Any] = {"type": "array", "total": len(items)}
    if items and (first := bytes(items[0]))[:1] == b"{":
        shape["sampleKeys"] = list(_MEMBERS.decode(first))[:MOST_KEYS]
    return shape


def _object(raw: bytes) -> dict[str, Any]:
    members = _MEMBERS.decode(raw)
    shape: dict[str, Any] = {"type": "object", "keys": list(members)[:MOST_KEYS]}
    arrays: list[dict[str, Any]] = []
    _find_arrays(members, [], arrays)
    if arrays:
        shape["arrays"] = arrays
        shape["suggestedPath"] = arrays[0]["path"]
    unit = "items at the selected path" if arrays else "single value"
    return shape | {"paging": {"offsetUnit": unit, **_LIMITS}}


def _find_arrays(members: dict[str, Raw], path: list[str], found: list[dict[str, Any]]) -> None:
    for key, member in members.items():
        if len(found) >= MOST_ARRAYS:
            return
        raw = bytes(member)
        here = [*path, key]
        if raw[:1] == b"[":
            found.append({"path": join(here)} | _array(raw))
        elif raw[:1] == b"{" and len(here) < DEEPEST_ARRAY:
            _find_arrays(_MEMBERS.decode(raw), here, found)
