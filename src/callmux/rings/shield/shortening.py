"""How a result is to be shortened, and what comes of that. Pure.

Made by `callmux.rings.shield.stage`; `.reply` and `.excerpt` do it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Raw

from callmux.rings.shield.compact import Limits
from callmux.rings.shield.reading import Reading
from callmux.stores.results import Remainder

META_KEY = "callmux/shield"
"""The `_meta` member that carries `_callmux` where the content has no room for it."""
TOOL = "callmux_get_result"
LEAST_PREVIEW = 200

_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.Encoder().encode


class Shortening(msgspec.Struct, frozen=True, kw_only=True):
    """How a result is to be shortened.

    Attributes:
        limits: What may pass.
        tool: The tool it is from.
        server: The tool's server; None for an answer of callmux itself.
        ref: Under which the result is kept; empty where it is too large to keep.
        output_schema: The output schema that the client holds the tool to.
        several: Whether it is the answer of callmux to several calls.
        again: Bytes that one more turn of the client's model reads again, definitions and conversation; None
            where that is not known.
    """

    limits: Limits
    tool: str
    server: str | None
    ref: str
    output_schema: bytes | None = None
    several: bool = False
    again: int | None = None

    @property
    def room(self) -> int:
        """Bytes for a preview, or for the beginning of a part."""
        limits = self.limits
        return min(limits.result_bytes, max(limits.string_chars, 2 * LEAST_PREVIEW))

    @property
    def worth(self) -> int:
        """Bytes of a rest that are sent rather than left for a page: as many as the turn that asks for it
        would read again, the beginning that is sent now among them. Half of a page where that is unknown."""
        most = self.limits.result_bytes
        return most // 2 if self.again is None else min(most, self.again + self.room)

    @property
    def brief(self) -> dict[str, Any]:
        """`_callmux` inside of shortened structured content: that there is more, and what gives it."""
        return {"truncated": True} | ({"ref": self.ref} if self.ref else {}) | {"tool": TOOL}


class ShortReply(msgspec.Struct, frozen=True):
    """What goes out in place of a result.

    Attributes:
        raw: The result to send.
        remainders: Where the rest goes on, where the preview is the beginning.
    """

    raw: bytes
    remainders: tuple[Remainder, ...] = ()


def in_place(
    result: Reading, items: Sequence[bytes], structured: bytes | None, note: dict[str, Any] | None
) -> bytes:
    """The result object that goes out in place of `result`: an error stays one, and its `_meta` stays.

    Args:
        items: The content items, as JSON.
        structured: The structured content; None for none.
        note: `_callmux`, where the content has no room for it; else None.
    """
    shown: dict[str, Any] = {"content": [Raw(item) for item in items]}
    if structured is not None:
        shown["structuredContent"] = Raw(structured)
    if result.is_error:
        shown["isError"] = True
    meta: dict[str, Any] = {}
    if result.meta is not None and result.meta[:1] == b"{":
        meta = dict(_MEMBERS.decode(result.meta))
    if note is not None:
        meta[META_KEY] = note
    if meta:
        shown["_meta"] = meta
    return _encode(shown)


def text_item(text: str) -> bytes:
    """A text as a content item."""
    return _encode({"type": "text", "text": text})
