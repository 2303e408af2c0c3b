"""What a result says: its texts, its media, and the data in it that can be queried. Pure.

Called by `callmux.rings.shield.reply` and `.excerpt`, which shorten it, and by `.query`, which pages it.
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
        places: Where each of these stands in the content.
        others: Its other content items, as they came.
        other_places: Where each of these stands in the content.
        long_texts: The texts of embedded resources among the others.
        media_bytes: What pictures, sounds and blobs take of it.
        structured: Its structured content.
        meta: Its `_meta`.
    """

    raw: bytes
    is_error: bool
    texts: list[str]
    places: list[int]
    others: list[bytes]
    other_places: list[int]
    long_texts: list[str]
    media_bytes: int
    structured: bytes | None
    meta: bytes | None

    @property
    def given(self) -> int:
        """Bytes that a model is given of it: what stands in it as text and as structured content counts
        once."""
        if self.structured is None:
            return len(self.raw) - self.media_bytes
        texts = sum(len(text.encode("utf-8", "replace")) for text in self.texts)
        return max(len(self.structured), texts) + sum(map(len, self.long_texts))

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
    places: list[int] = []
    others: list[bytes] = []
    other_places: list[int] = []
    long_texts: list[str] = []
    media = 0
    for place, item in enumerate([] if head.content is UNSET else head.content):
        shape = _shape(item)
        if shape.type == "text" and isinstance(shape.text, str):
            texts.append(shape.text)
            places.append(place)
            continue
        others.append(bytes(item))
        other_places.append(place)
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
        places=places,
        others=others,
        other_places=other_places,
        long_texts=long_texts,
        media_bytes=media,
        structured=structured,
        meta=None if head.meta is UNSET else bytes(head.meta),
    )


def text_in(item: Raw) -> str | None:
    """The text of a text item."""
    shape = _shape(item)
    return shape.text if shape.type == "text" and isinstance(shape.text, str) else None


def embeds_text(item: Raw) -> bool:
    """Whether an item is an embedded resource that is a text."""
    resource = _shape(item).resource
    return isinstance(resource, _Resource) and isinstance(resource.text, str)


def _shape(item: Raw) -> _Item:
    try:
        return _ITEM.decode(item)
    except (msgspec.MsgspecError, RecursionError):
        return _Item()
