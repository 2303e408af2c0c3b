"""Members that are null where MCP wants them absent: taken from servers, never passed on. Pure.

Serializers of many languages write null for what is not there. The official Python SDK takes most of that,
the TypeScript one refuses the whole message. Called with what servers list
(`callmux.upstream.reading.paging`) and answer (`callmux.rings.retrying`). Members that MCP does not name
stay, as do values it does not look into: schemas, `_meta`, arguments, structured content.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

LARGEST = 1024 * 1024
"""Bytes of the largest result that is looked through: others would wait for it."""

METHODS = frozenset({"tools/call", "tasks/result", "prompts/get", "resources/read", "completion/complete"})
"""Whose results are looked through."""

_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_LIST = msgspec.json.Decoder(list[Raw])
_ENCODER = msgspec.json.Encoder()
_NULL = b"null"
_DEEPEST = 8

_OPTIONAL = frozenset(
    {
        *("_meta", "annotations", "arguments", "blob", "description", "execution", "hasMore", "icons"),
        *("isError", "mimeType", "outputSchema", "required", "size", "structuredContent", "title", "total"),
        # Of annotations and execution.
        *("audience", "destructiveHint", "idempotentHint", "lastModified", "openWorldHint", "priority"),
        *("readOnlyHint", "taskSupport"),
        # Of icons.
        *("sizes", "theme"),
    }
)
"""What MCP lets be absent, and not be null."""
_EMPTY: dict[str, bytes] = {
    **dict.fromkeys(("content", "contents", "messages", "values"), b"[]"),
    "inputSchema": b'{"type":"object"}',
    "text": b'""',
}
"""What must be there, and its value where a server has nothing to say."""
_INSIDE = frozenset(
    {
        "annotations",
        "arguments",
        "completion",
        "content",
        "contents",
        "execution",
        "icons",
        "messages",
        "resource",
    }
)
"""What is looked into."""


def definition(member: str, raw: bytes) -> bytes | None:
    """A definition on a list, fit for strict clients; None for null.

    Args:
        member: The list it stands on: a tool always has an `inputSchema`.
    """
    if raw == _NULL:
        return None
    shown = without_nulls(raw)
    if member == "tools" and raw.startswith(b"{") and b'"inputSchema"' not in shown:
        return _ENCODER.encode({**_MEMBERS.decode(shown), "inputSchema": Raw(_EMPTY["inputSchema"])})
    return shown


def page(member: str, raw: bytes) -> bytes:
    """One page of a listing, fit for strict clients: the list is one, and a cursor leads on."""
    if _NULL not in raw and b'"nextCursor"' not in raw:
        return raw
    try:
        given = _MEMBERS.decode(raw)
        items = _LIST.decode(given.get(member, b"null")) if bytes(given.get(member, b"null")) != _NULL else []
    except msgspec.MsgspecError:
        return raw
    shown = {name: value for name, value in given.items() if bytes(value) != _NULL}
    if bytes(given.get("nextCursor", b"")) == b'""':
        del shown["nextCursor"]
    fit = [definition(member, bytes(item)) for item in items]
    shown[member] = Raw(
        b"[%b]" % b",".join(item for item in fit if item is not None and item.startswith(b"{"))
    )
    return _ENCODER.encode(shown)


def without_nulls(raw: bytes) -> bytes:
    """A definition or a result without null where it must not be; the same object where there is none."""
    if _NULL not in raw or len(raw) > LARGEST:
        return raw
    try:
        return _object(raw, 0) or raw
    except (msgspec.MsgspecError, RecursionError):
        return raw


def _object(raw: bytes | Raw, depth: int) -> bytes | None:
    """The object without them; None where nothing is changed."""
    given = _MEMBERS.decode(raw)
    shown: dict[str, Raw] = {}
    changed = False
    for name, value in given.items():
        text = bytes(value) if memoryview(value).nbytes == len(_NULL) else b""
        if text == _NULL and name in _OPTIONAL:
            changed = True
        elif text == _NULL and name in _EMPTY:
            changed = True
            if name != "text" or not _has(given, "blob"):
                shown[name] = Raw(_EMPTY[name])
        elif name in _INSIDE and depth < _DEEPEST and (inner := _inside(value, depth + 1)) is not None:
            changed = True
            shown[name] = Raw(inner)
        else:
            shown[name] = value
    return _ENCODER.encode(shown) if changed else None


def _has(given: dict[str, Raw], name: str) -> bool:
    return name in given and bytes(given[name]) != _NULL


def _inside(value: Raw, depth: int) -> bytes | None:
    data = bytes(value)
    if _NULL not in data:
        return None
    if data.startswith(b"{"):
        return _object(data, depth)
    if not data.startswith(b"["):
        return None
    parts = _LIST.decode(data)
    changed = False
    kept: list[Raw] = []
    for part in parts:
        inner = _inside(part, depth + 1)
        changed = changed or inner is not None
        kept.append(part if inner is None else Raw(inner))
    return _ENCODER.encode(kept) if changed else None
