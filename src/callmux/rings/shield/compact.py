"""Shortens JSON to limits and to a byte budget, and leaves JSON behind. Pure.

Called by `callmux.rings.shield.reply` for previews, by `.conforming` for single values and by `.query` for
pages; `.beginning` takes its bounds from here. Values stay raw as long as nothing in them is cut, so digits
and escapes survive.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

DEEPEST = 60
"""Levels that are looked into; what stands deeper is cut as a whole."""
LEAST = 160
"""Bytes that a cut array item or member may take, however small its share is."""
MARK_ROOM = 48
"""Bytes kept free for the mark at the end of a string."""
MARKER_ROOM = 100
"""Bytes kept free for the marker of an array or object."""
SHORTEST_STRING = 24

TRUNCATED = "_callmuxTruncated"
"""The member that tells a marker from data."""

_ITEMS = msgspec.json.Decoder(list[Raw])
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_STRING = msgspec.json.Decoder(str)
_encode = msgspec.json.Encoder().encode


class Limits(msgspec.Struct, frozen=True):
    """What may pass uncut.

    Attributes:
        result_bytes: A whole result.
        string_chars: Each string in it.
        array_items: Each array in it.
        reads_on: Whether a preview is the beginning, and the first page goes on where it ends.
    """

    result_bytes: int
    string_chars: int
    array_items: int
    reads_on: bool = False


def is_quiet(raw: bytes, limits: Limits) -> bool:
    """Whether nothing in `raw` can be over the limits. Cheap: no string is longer than the whole, and an
    array of n items has at least n - 1 commas. False means only that it must be looked at."""
    return (
        len(raw) <= limits.string_chars
        and len(raw) <= limits.result_bytes
        and raw.count(b",") < limits.array_items
    )


def is_over(raw: bytes, limits: Limits, depth: int = 0) -> bool:
    """Whether some string or array in the JSON `raw` is over its limit."""
    if len(raw) <= limits.string_chars and raw.count(b",") < limits.array_items:
        return False
    if depth > DEEPEST:
        return True
    kind = raw[:1]
    if kind == b'"':
        return len(raw) - 2 > limits.string_chars and len(_STRING.decode(raw)) > limits.string_chars
    if kind == b"[":
        items = _ITEMS.decode(raw)
        return len(items) > limits.array_items or any(
            is_over(bytes(item), limits, depth + 1) for item in items
        )
    if kind == b"{":
        members = _MEMBERS.decode(raw)
        return any(is_over(bytes(member), limits, depth + 1) for member in members.values())
    return False


def clip_text(text: str, chars: int, more: str = "more chars") -> str:
    """The first `chars` of `text` and how much is missing."""
    return f"{text[:chars]}\n[...TRUNCATED: {len(text) - chars} {more}]"


def cut(raw: bytes, limits: Limits, budget: int, depth: int = 0) -> bytes:
    """JSON like `raw` whose strings and arrays keep to the limits, in about `budget` bytes.

    What is missing is said where it is missing: at the end of a string, in a last item
    `{"_callmuxTruncated": true, totalItems, shownItems, remainingItems}` of an array, and in a last member
    `_callmuxTruncated: {totalKeys, shownKeys}` of an object. Members and items share the budget evenly; what
    the small ones leave goes to the large.
    """
    if len(raw) <= budget and len(raw) <= limits.string_chars and raw.count(b",") < limits.array_items:
        return raw
    kind = raw[:1]
    if kind not in (b'"', b"[", b"{"):
        return raw
    if depth > DEEPEST:
        return _encode(f"[...TRUNCATED: {len(raw)} bytes]")
    if kind == b'"':
        return _cut_string(_STRING.decode(raw), limits, budget)
    if kind == b"[":
        return _cut_array(_ITEMS.decode(raw), limits, budget, depth)
    return _cut_object(_MEMBERS.decode(raw), limits, budget, depth)


def fitting(text: str, budget: int) -> int:
    """How many characters of `text` fit into `budget` bytes of JSON."""
    shown = min(len(text), max(budget, 0))
    while shown and (size := len(_encode(text[:shown]))) > budget:
        shown = min(shown - 1, shown * budget // size)
    return shown


def _cut_string(text: str, limits: Limits, budget: int) -> bytes:
    shown = min(len(text), limits.string_chars, max(budget - MARK_ROOM, SHORTEST_STRING))
    if shown == len(text) and len(whole := _encode(text)) <= max(budget, SHORTEST_STRING):
        return whole
    shown = min(shown, max(fitting(text[:shown], budget - MARK_ROOM), min(SHORTEST_STRING, len(text))))
    return _encode(text if shown >= len(text) else clip_text(text, shown))


def _cut_array(items: list[Raw], limits: Limits, budget: int, depth: int) -> bytes:
    most = min(len(items), limits.array_items)
    left = budget - 2 - MARKER_ROOM
    shown: list[bytes] = []
    for n in range(most):
        item = cut(bytes(items[n]), limits, max(left // (most - n), LEAST), depth + 1)
        if shown and len(item) > left:
            break
        shown.append(item)
        left -= len(item) + 1
    if len(shown) < len(items):
        shown.append(
            _encode(
                {
                    TRUNCATED: True,
                    "totalItems": len(items),
                    "shownItems": len(shown),
                    "remainingItems": len(items) - len(shown),
                }
            )
        )
    return b"[" + b",".join(shown) + b"]"


def _cut_object(members: dict[str, Raw], limits: Limits, budget: int, depth: int) -> bytes:
    left = budget - 2 - MARKER_ROOM
    keys = {key: _encode(key) + b":" for key in members}
    shown: dict[str, bytes] = {}
    sizes = {key: memoryview(member).nbytes for key, member in members.items()}
    for n, key in enumerate(sorted(members, key=sizes.__getitem__)):
        share = left // (len(members) - n) - len(keys[key])
        raw = bytes(members[key])
        member = media_note(members, key, raw, limits) or cut(raw, limits, max(share, LEAST), depth + 1)
        if shown and len(member) + len(keys[key]) > left:
            break
        shown[key] = member
        left -= len(member) + len(keys[key]) + 1
    parts = [keys[key] + shown[key] for key in members if key in shown]
    if len(shown) < len(members):
        counts = _encode({"totalKeys": len(members), "shownKeys": len(shown)})
        parts.append(b'"' + TRUNCATED.encode() + b'":' + counts)
    return b"{" + b",".join(parts) + b"}"


def media_note(members: dict[str, Raw], key: str, raw: bytes, limits: Limits) -> bytes | None:
    """Half a picture is no picture: base64 is left out as a whole or not at all."""
    is_media = (key in ("data", "blob") and "mimeType" in members) or (key == "blob" and "uri" in members)
    if not is_media or raw[:1] != b'"' or len(raw) <= limits.string_chars:
        return None
    return _encode(f"[...TRUNCATED: {len(raw) - 2} chars of base64]")


def without_base64(raw: bytes, limits: Limits, depth: int = 0) -> bytes:
    """JSON like `raw` in which base64 that is longer than a string may be is left out; all else as it is."""
    if (b'"mimeType"' not in raw and b'"blob"' not in raw) or depth > DEEPEST:
        return raw
    if raw[:1] == b"[":
        return _encode([Raw(without_base64(bytes(item), limits, depth + 1)) for item in _ITEMS.decode(raw)])
    if raw[:1] != b"{":
        return raw
    members = _MEMBERS.decode(raw)
    shown = {}
    for key, member in members.items():
        inner = bytes(member)
        shown[key] = Raw(media_note(members, key, inner, limits) or without_base64(inner, limits, depth + 1))
    return _encode(shown)
