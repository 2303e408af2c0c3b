"""The beginning of JSON data: whole items, whole lines, and at which places the rest goes on. Pure.

Called by `callmux.rings.shield.excerpt`; `.query` ends the pages of a text with it, and `callmux.rings.plain`
finds in it what is shown of a text. Nothing stands in what is
shown that is not in the data, so the beginning and the pages after it are the data, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from callmux.rings.shield.compact import (
    DEEPEST,
    LEAST,
    MARKER_ROOM,
    TRUNCATED,
    Limits,
    fitting,
    is_over,
    media_note,
)
from callmux.rings.shield.paths import join

SURE = 24
"""Characters that two texts do not have in common by chance."""

_ITEMS = msgspec.json.Decoder(list[Raw])
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_STRING = msgspec.json.Decoder(str)
_encode = msgspec.json.Encoder().encode


class Cut(msgspec.Struct, frozen=True):
    """A text or an array of which only the beginning is shown.

    Attributes:
        keys: Where it stands in the data.
        shown: Characters or items that are shown.
        total: How many it has.
        unit: `characters` or `items`.
    """

    keys: tuple[str, ...]
    shown: int
    total: int
    unit: str

    @property
    def path(self) -> str:
        """The path to it, as `callmux_get_result` takes it."""
        return join(self.keys)


class Beginning(msgspec.Struct, frozen=True):
    """The beginning of a value.

    Attributes:
        shown: JSON.
        cuts: Where it goes on, in the order of the data.
        exact: Whether nothing is missing but what the cuts name: no base64, no member of a large object.
    """

    shown: bytes
    cuts: tuple[Cut, ...] = ()
    exact: bool = True


def begin(raw: bytes, limits: Limits, room: int, keys: tuple[str, ...] = ()) -> Beginning:
    """The beginning of the JSON value `raw`, in about `room` bytes.

    A text ends after a whole line where lines are short enough for that, an array after a whole item. Only
    an item that alone is larger than the room is cut itself. Members of an object share the room: what the
    small ones leave goes to the large.

    Args:
        keys: Where the value stands in the data.
    """
    if len(raw) <= room and not is_over(raw, limits):
        return Beginning(raw)
    kind = raw[:1]
    if kind not in (b'"', b"[", b"{"):
        return Beginning(raw)
    if len(keys) > DEEPEST:
        return Beginning(_encode(f"[...TRUNCATED: {len(raw)} bytes]"), exact=False)
    if kind == b'"':
        return _text(_STRING.decode(raw), limits, room, keys)
    if kind == b"[":
        return _array(_ITEMS.decode(raw), limits, room, keys)
    return _object(_MEMBERS.decode(raw), limits, room, keys)


def whole_lines(text: str, most: int) -> int:
    """How many of the first `most` characters to show, so that they end with a line; all of them where that
    would leave out more than half."""
    end = text.rfind("\n", 0, most) + 1
    return end if 2 * end >= most else most


def beginnings(texts: Sequence[str], shown: bytes) -> list[str] | None:
    """How much of each text stands in the beginning `shown` of what they were part of; None where one of them
    does not stand there as a text."""
    try:
        strings = sorted(_strings(msgspec.json.decode(shown)), key=len, reverse=True)
    except (msgspec.MsgspecError, RecursionError):
        return None
    found = []
    for text in texts:
        fitting_it = (part for part in strings if part == text or len(part) >= SURE)
        beginning = next((part for part in fitting_it if text.startswith(part)), None)
        if beginning is None:
            return None
        found.append(beginning)
    return found


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)


def _text(text: str, limits: Limits, room: int, keys: tuple[str, ...]) -> Beginning:
    most = min(len(text), limits.string_chars)
    most = min(most, fitting(text[:most], room))
    if most == len(text):
        return Beginning(_encode(text))
    shown = whole_lines(text, most)
    return Beginning(_encode(text[:shown]), (Cut(keys, shown, len(text), "characters"),))


def _array(items: list[Raw], limits: Limits, room: int, keys: tuple[str, ...]) -> Beginning:
    left = room - 2
    shown: list[bytes] = []
    for item in items[: limits.array_items]:
        raw = bytes(item)
        if len(raw) > left:
            break
        shown.append(raw)
        left -= len(raw) + 1
    cuts: tuple[Cut, ...] = ()
    exact = True
    if not shown and items:
        first = begin(bytes(items[0]), limits, max(left, LEAST), (*keys, "0"))
        shown, cuts, exact = [first.shown], first.cuts, first.exact
    rest = items[len(shown) :]
    if rest and keys[-1:] == ("content",) and all(map(_is_media, rest)):
        # Pictures are no text to go on with.
        exact = False
    elif rest:
        cuts += (Cut(keys, len(shown), len(items), "items"),)
    return Beginning(b"[" + b",".join(shown) + b"]", cuts, exact)


def _is_media(item: Raw) -> bool:
    raw = bytes(item)
    return raw[:1] == b"{" and b'"mimeType"' in raw and _MEMBERS.decode(raw).keys() >= {"data", "mimeType"}


def _object(members: dict[str, Raw], limits: Limits, room: int, keys: tuple[str, ...]) -> Beginning:
    left = room - 2 - MARKER_ROOM
    names = {key: _encode(key) + b":" for key in members}
    found: dict[str, Beginning] = {}
    sizes = {key: memoryview(member).nbytes for key, member in members.items()}
    for n, key in enumerate(sorted(members, key=sizes.__getitem__)):
        share = left // (len(members) - n) - len(names[key])
        raw = bytes(members[key])
        note = media_note(members, key, raw, limits)
        if note is None:
            member = begin(raw, limits, max(share, LEAST), (*keys, key))
        else:
            member = Beginning(note, exact=False)
        if found and len(member.shown) + len(names[key]) > left:
            break
        found[key] = member
        left -= len(member.shown) + len(names[key]) + 1
    parts = [names[key] + found[key].shown for key in members if key in found]
    cuts: tuple[Cut, ...] = ()
    for key in members:
        cuts += found[key].cuts if key in found else _left_out(bytes(members[key]), (*keys, key))
    exact = len(found) == len(members) and all(member.exact for member in found.values())
    if len(found) < len(members):
        counts = _encode({"totalKeys": len(members), "shownKeys": len(found)})
        parts.append(b'"' + TRUNCATED.encode() + b'":' + counts)
    return Beginning(b"{" + b",".join(parts) + b"}", cuts, exact)


def _left_out(raw: bytes, keys: tuple[str, ...]) -> tuple[Cut, ...]:
    """A member that is not shown at all."""
    if raw[:1] == b'"':
        return (Cut(keys, 0, len(_STRING.decode(raw)), "characters"),)
    return (Cut(keys, 0, len(_ITEMS.decode(raw)), "items"),) if raw[:1] == b"[" else ()
