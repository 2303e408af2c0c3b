"""What the result of a tool says, for those who put it into an answer of their own. Pure.

Called by the fan-out (`callmux.metatools.children`) and by pipeline mappings (`callmux.metatools.mapping`).
Values stay raw JSON, so digits survive.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.protocol.shapes import Result, json_in
from callmux.rings.envelope import encode


class _Item(msgspec.Struct):
    type: str | UnsetType = UNSET
    text: str | UnsetType = UNSET
    annotations: Raw | UnsetType = UNSET
    meta: Raw | UnsetType = msgspec.field(default=UNSET, name="_meta")


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


def _sole_text(result: Result) -> str | None:
    """The text of a result that says nothing but one plain text."""
    head = result.head
    if head.structured_content is not UNSET or head.meta is not UNSET:
        return None
    items = _items(result)
    if len(items) != 1:
        return None
    item = items[0]
    if item.type != "text" or item.annotations is not UNSET or item.meta is not UNSET:
        return None
    return item.text if isinstance(item.text, str) else None


def unwrap(result: Result) -> Raw:
    """The value a caller is shown for a result.

    A result that is one plain text becomes the JSON value of that text, else the text itself; a plain text
    of an error becomes `{"error": text, "isError": true}`; anything richer stays the whole result.
    """
    text = _sole_text(result)
    if text is None:
        return Raw(result.raw)
    if result.is_error:
        return Raw(encode({"error": text, "isError": True}))
    value = json_in(text)
    return Raw(encode(text)) if value is None else value
