"""What the result of a tool says, for those who put it into an answer of their own. Pure.

Called by the fan-out (`callmux.metatools.children`) and by pipeline mappings (`callmux.metatools.mapping`).
Values stay raw JSON, so digits survive.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.depth import is_deeper, sounding
from callmux.portions import PIECE, Portions
from callmux.protocol.shapes import LEVELS, Result, json_in, parsing, with_member
from callmux.rings.echo import repeats
from callmux.rings.envelope import encode


class _Item(msgspec.Struct):
    type: str | UnsetType = UNSET
    text: str | UnsetType = UNSET
    annotations: Raw | UnsetType = UNSET
    meta: Raw | UnsetType = msgspec.field(default=UNSET, name="_meta")


class _Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    type: Literal["text"]
    text: str


class _Plain(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A result that is one plain text, which is read in one step."""

    content: tuple[_Text]
    is_error: bool = False


_PLAIN = msgspec.json.Decoder(_Plain)
_ITEM = msgspec.json.Decoder(_Item)


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
    content = result.head.content
    if content is UNSET or len(content) != 1:
        return None
    try:
        item = _ITEM.decode(content[0])
    except (msgspec.MsgspecError, RecursionError):
        return None
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
    value = unwrapped(result)
    if value is not None:
        return value
    yield
    # Read here, and kept by the result.
    _ = result.head
    yield
    said = _said(result)
    if isinstance(said, str):
        value = yield from parsing(said)
        return Raw(encode(said)) if value is None else value
    return _embedded(said, (yield from sounding(said, LEVELS)))


def unwrapped(result: Result) -> Raw | None:
    """The same of a small result, at once; None for a large one."""
    if len(result.raw) > PIECE:
        return None
    said = _said(result)
    if isinstance(said, str):
        value = json_in(said)
        return Raw(encode(said)) if value is None else value
    return _embedded(said, is_deeper(said, LEVELS))


def _said(result: Result) -> str | bytes:
    """The text that a result consists of; else what it is shown as."""
    try:
        plain = _PLAIN.decode(result.raw)
    except (msgspec.MsgspecError, RecursionError):
        return _said_at_length(result)
    return (
        encode({"error": plain.content[0].text, "isError": True}) if plain.is_error else plain.content[0].text
    )


def _said_at_length(result: Result) -> str | bytes:
    """The same of a result with more to it than one plain text."""
    head = result.head
    text = None if head.meta is not UNSET else _plain_text(result)
    if text is None:
        return result.raw
    if head.structured_content is not UNSET:
        echo = repeats(text, bytes(head.structured_content))
        return with_member(result.raw, "content", []) if echo else result.raw
    return encode({"error": text, "isError": True}) if result.is_error else text


def _embedded(raw: bytes, is_deep: bool) -> Raw:
    """What can stand inside another answer."""
    return Raw(encode(raw.decode()) if is_deep else raw)
