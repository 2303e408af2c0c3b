"""What a result says: its texts, its media, and the data in it that can be queried. Pure.

Called by `callmux.rings.shield.reply`, which shortens it, and by `.query`, which pages it.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.protocol.shapes import Result, json_in

_encode = msgspec.json.Encoder().encode


class _Resource(msgspec.Struct):
    text: str | UnsetType = UNSET
    blob: Raw | UnsetType = UNSET


class _Item(msgspec.Struct):
    type: str | UnsetType = UNSET
    text: str | UnsetType = UNSET
    resource: _Resource | UnsetType = UNSET


_ITEM = msgspec.json.Decoder(_Item)


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A result, read.

    Attributes:
        raw: The result as it came.
        is_error: Whether the tool reported a failure.
        texts: The texts of its text items.
        others: Its other content items, as they came.
        long_texts: The texts of embedded resources among the others.
        media_bytes: What pictures, sounds and blobs take of it.
        structured: Its structured content.
        meta: Its `_meta`.
    """

    raw: bytes
    is_error: bool
    texts: list[str]
    others: list[bytes]
    long_texts: list[str]
    media_bytes: int
    structured: bytes | None
    meta: bytes | None

    def data(self) -> bytes:
        """What can be queried, as JSON: the structured content; else the JSON in the only text, or that text
        itself; else the whole result."""
        if self.structured is not None:
            return self.structured
        if len(self.texts) == 1:
            return text_data(self.texts[0])
        return self.raw


def text_data(text: str) -> bytes:
    """The JSON that `text` holds, else the text as a JSON string."""
    value = json_in(text)
    return _encode(text) if value is None else bytes(value)


def read(raw: bytes) -> Reading | None:
    """The parts of a tool's result; None for anything else."""
    head = Result(raw).head
    if head.content is UNSET and head.structured_content is UNSET:
        return None
    texts: list[str] = []
    others: list[bytes] = []
    long_texts: list[str] = []
    media = 0
    for item in [] if head.content is UNSET else head.content:
        shape = _shape(item)
        if shape.type == "text" and isinstance(shape.text, str):
            texts.append(shape.text)
            continue
        others.append(bytes(item))
        if isinstance(shape.resource, _Resource) and isinstance(shape.resource.text, str):
            long_texts.append(shape.resource.text)
        else:
            media += len(others[-1])
    content = head.structured_content
    structured = None if content is UNSET or bytes(content) == b"null" else bytes(content)
    return Reading(
        raw=raw,
        is_error=head.is_error is True,
        texts=texts,
        others=others,
        long_texts=long_texts,
        media_bytes=media,
        structured=structured,
        meta=None if head.meta is UNSET else bytes(head.meta),
    )


def _shape(item: Raw) -> _Item:
    try:
        return _ITEM.decode(item)
    except (msgspec.MsgspecError, RecursionError):
        return _Item()
