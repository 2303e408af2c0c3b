"""What the result of a tool says, for those who put it into an answer of their own. Pure.

Called by the fan-out (`callmux.metatools.children`) and by pipeline mappings (`callmux.metatools.mapping`).
Values stay raw JSON, so digits survive.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.depth import sounding
from callmux.portions import PIECE, Portions
from callmux.protocol.shapes import LEVELS, Result, json_in, parsing, with_member
from callmux.rings.envelope import encode

LONGEST_ECHO = 1024 * 1024
"""Characters of a text that is compared with the structured content beside it."""


class _Item(msgspec.Struct):
    type: str | UnsetType = UNSET
    text: str | UnsetType = UNSET
    annotations: Raw | UnsetType = UNSET
    meta: Raw | UnsetType = msgspec.field(default=UNSET, name="_meta")


_ITEM = msgspec.json.Decoder(_Item)
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])


def _items(result: Result) -> list[_Item]:
    content = result.head.content
    found = []
    for raw in [] if content is UNSET else content:
        try:
            found.append(_ITEM.decode(raw))
        except (msgspec.MsgspecError, RecursionError):
            found.append(_Item())
    return found


def joined_text(result: Result) -> str | None:
    """The text items of a result, joined by newlines; None where it has none."""
    texts = [item.text for item in _items(result) if item.type == "text" and isinstance(item.text, str)]
    return "\n".join(texts) if texts else None


def structured(result: Result) -> Raw | None:
    """The structured content of a result, if any."""
    content = result.head.structured_content
    return None if content is UNSET or bytes(content) == b"null" else content


def _plain_text(result: Result) -> str | None:
    """The text of a result whose content is one plain text."""
    items = _items(result)
    if len(items) != 1:
        return None
    item = items[0]
    if item.type != "text" or item.annotations is not UNSET or item.meta is not UNSET:
        return None
    return item.text if isinstance(item.text, str) else None


def unwrapping(result: Result) -> Portions[Raw]:
    """The value a caller is shown for a result, in portions.

    A result that is one plain text becomes the JSON value of that text, else the text itself; a plain text
    of an error becomes `{"error": text, "isError": true}`; anything richer stays the whole result. Only a
    text that says what the structured content says is left out of it: servers send it for clients that know
    no structured content (MCP 2025-11-25, server/tools), and a model would read everything twice. A result
    that is nested too deeply to stand inside another becomes its own JSON as a text.
    """
    if len(result.raw) > PIECE:
        yield
    head = result.head
    if len(result.raw) > PIECE:
        yield
    text = None if head.meta is not UNSET else _plain_text(result)
    if text is None:
        return (yield from _whole(result.raw))
    if head.structured_content is not UNSET:
        echo = _repeats(text, bytes(head.structured_content))
        return (yield from _whole(with_member(result.raw, "content", []) if echo else result.raw))
    if result.is_error:
        return Raw(encode({"error": text, "isError": True}))
    value = yield from parsing(text)
    return Raw(encode(text)) if value is None else value


def _whole(raw: bytes) -> Portions[Raw]:
    if (yield from sounding(raw, LEVELS)):
        return Raw(encode(raw.decode()))
    return Raw(raw)


def _repeats(text: str, content: bytes) -> bool:
    """`text` is the structured content as JSON, or what its only member says."""
    if len(text) > LONGEST_ECHO or len(content) > 2 * LONGEST_ECHO:
        return False
    try:
        members = _MEMBERS.decode(content)
        only = bytes(next(iter(members.values()))) if len(members) == 1 else b""
        if only[:1] == b'"' and msgspec.json.decode(only) == text:
            return True
        value = json_in(text)
        if value is None:
            return False
        said = msgspec.json.decode(value)
        return any(msgspec.json.decode(raw) == said for raw in (content, only) if raw)
    except (msgspec.MsgspecError, RecursionError):
        return False
