"""Makes the short reply to a result that is over a limit. Pure.

Called by `callmux.rings.shield.shelf`, or by the helper process for large results. The preview is sent once;
a reply that would not be clearly smaller than the result is not made. Where previews are beginnings,
`.excerpt` makes the reply.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.rings.shield.compact import Limits, clip_text, cut, fitting, is_over
from callmux.rings.shield.conforming import NOTE, conform
from callmux.rings.shield.reading import Reading, read
from callmux.rings.shield.shape import DEFAULT_LIMIT, describe
from callmux.rings.shield.shortening import LEAST_PREVIEW, TOOL, Shortening, ShortReply, in_place, text_item

ENOUGH = 0.75
"""A reply is worth it if it takes at most this part of the result."""
OVERHEAD = 900
"""About what a reply takes beside its preview."""

_SUPPORTS = {
    "path": "part of it, as a.b[0]",
    "offset": "items or characters to skip",
    "limit": "items, at most 100",
    "fields": "projection: keys of each item",
    "search": "filter: text in an item or line",
}


class _Entry(msgspec.Struct, gc=False):
    result: Raw | UnsetType = UNSET


class _Payload(msgspec.Struct, rename="camel"):
    """What is read of an answer to several calls."""

    results: list[_Entry] | UnsetType = UNSET
    steps: list[_Entry] | UnsetType = UNSET
    total_duration_ms: Raw | UnsetType = UNSET


class _Answer(msgspec.Struct, rename="camel"):
    structured_content: _Payload | UnsetType = UNSET


_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_PAYLOAD = msgspec.json.Decoder(_Payload)
_ANSWER = msgspec.json.Decoder(_Answer)
_encode = msgspec.json.Encoder().encode


def shorten(raw: bytes, order: Shortening) -> ShortReply | None:
    """The reply for the result `raw`; None where `raw` should go out as it is."""
    try:
        return _shorten(raw, order)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        # Not quite JSON somewhere in it: half a surrogate pair, or nesting without end.
        return None


def passes(raw: bytes, order: Shortening) -> bool:
    """Whether an answer of callmux to several calls certainly goes out as it is: a cheap look."""
    limits = order.limits
    if not order.several or len(raw) > limits.result_bytes:
        return False
    try:
        payload = _ANSWER.decode(raw).structured_content
        parts = None if payload is UNSET else _results(payload)
        return parts is not None and not _are_over(parts, limits)
    except (msgspec.MsgspecError, RecursionError):
        return False


def _shorten(raw: bytes, order: Shortening) -> ShortReply | None:
    result = read(raw)
    if result is None:
        return None
    if order.limits.reads_on:
        over = order.several or result.given > order.limits.result_bytes or _holds_long(result, order.limits)
        if not over:
            return None
        from callmux.rings.shield.excerpt import excerpt

        return excerpt(result, order)
    if not _is_over(result, order.limits, order.several):
        return None
    data = result.data()
    own = len(raw) - result.media_bytes
    budget = min(order.limits.result_bytes, max(order.limits.string_chars, 2 * LEAST_PREVIEW))
    for room in (budget, min(budget, own // 2 - OVERHEAD)):
        if room < LEAST_PREVIEW:
            break
        reply = _Reply(result, order, data, room).build()
        if len(reply) - result.media_bytes <= own * ENOUGH:
            return ShortReply(reply)
    return None


def _is_over(result: Reading, limits: Limits, several: bool) -> bool:
    if len(result.raw) - result.media_bytes > limits.result_bytes:
        return True
    if several and result.structured is not None and (parts := _parts(result.structured)) is not None:
        # Each of them would have passed alone: their sum is no long text, it is bounded as a whole above.
        return _are_over(parts, limits)
    return _holds_long(result, limits)


def _holds_long(result: Reading, limits: Limits) -> bool:
    """Whether a text or an array in it is over its limit."""
    if result.structured is not None and is_over(result.structured, limits):
        return True
    if any(len(text) > limits.string_chars for text in result.texts + result.long_texts):
        return True
    return any(_holds_too_much(text, limits) for text in result.texts)


def _parts(answer: bytes) -> list[bytes] | None:
    """The results in an answer to several calls; None where it is none."""
    return _results(_PAYLOAD.decode(answer))


def _results(payload: _Payload) -> list[bytes] | None:
    entries = payload.steps if payload.results is UNSET else payload.results
    if entries is UNSET or payload.total_duration_ms is UNSET:
        return None
    return [bytes(entry.result) for entry in entries if entry.result is not UNSET]


def _are_over(parts: list[bytes], limits: Limits) -> bool:
    return len(parts) > limits.array_items or any(_is_over_alone(part, limits) for part in parts)


def _is_over_alone(part: bytes, limits: Limits) -> bool:
    """Whether a result in an answer to several calls would not have passed alone."""
    return is_over(part, limits) or (part[:1] != b'"' and len(part) > limits.string_chars)


def _holds_too_much(text: str, limits: Limits) -> bool:
    """Whether a text holds too much. JSON in a text counts as JSON."""
    if text.count(",") < limits.array_items or text.lstrip()[:1] not in ("[", "{"):
        return False
    try:
        return is_over(text.strip().encode(), limits)
    except (msgspec.MsgspecError, ValueError):
        return False


class _Reply:
    """One reply in the making.

    Args:
        data: What can be queried.
        room: Bytes for the preview.
    """

    def __init__(self, result: Reading, order: Shortening, data: bytes, room: int) -> None:
        self._result = result
        self._order = order
        self._data = data
        self._room = room

    def build(self) -> bytes:
        """The reply in the form that suits the result."""
        result = self._result
        if result.is_error:
            return self._failure()
        preview = self._preview()
        note = self._note(len(preview))
        text = _encode({NOTE: note, "preview": Raw(preview)})
        order, structured = self._order, None
        if order.output_schema is not None and result.structured is not None:
            structured = conform(result.structured, order.output_schema, order.limits, order.brief)
            structured = structured or result.structured
        return self._result_of([text_item(text.decode())], structured, None)

    def _preview(self) -> bytes:
        limits = self._order.limits
        result = self._result
        if self._data is not result.raw:
            if self._data[:1] == b'"':
                return self._text_preview(msgspec.json.decode(self._data, type=str))
            return cut(self._data, limits, self._room)
        # Several texts, or none: what they say, one by one; other items are sent as they are.
        items = [{"type": "text", "text": text} for text in result.texts]
        return cut(_encode({"content": items}), limits, self._room)

    def _text_preview(self, text: str) -> bytes:
        return _encode(self._clipped(text, "more chars"))

    def _clipped(self, text: str, more: str) -> str:
        limits = self._order.limits
        shown = min(len(text), limits.string_chars)
        whole_room = self._room >= limits.string_chars
        shown = fitting(text[:shown], limits.result_bytes if whole_room else self._room)
        return text if shown == len(text) else clip_text(text, shown, more)

    def _failure(self) -> bytes:
        """A failure stays one, its own words first."""
        ref = self._order.ref
        more = f"more chars: {TOOL} ref {ref}" if ref else "more chars"
        result = self._result
        if self._data[:1] == b"{" and self._data is not result.raw:
            body = cut(self._data, self._order.limits, self._room)
            members: dict[str, Any] = dict(_MEMBERS.decode(body))
            text = _encode({**members, NOTE: self._note(len(body))})
            return self._result_of([text_item(text.decode())], None, None)
        each = max(self._room // max(len(result.texts), 1), LEAST_PREVIEW)
        items = []
        for text_in in result.texts:
            long = len(result.texts) == 1 or len(text_in) > each
            items.append(text_item(self._clipped(text_in, more) if long else text_in))
        return self._result_of(items, None, self._note(sum(map(len, items))))

    def _note(self, preview_bytes: int) -> dict[str, Any]:
        """`_callmux`: what was shortened, and how to get the rest."""
        order = self._order
        shape = describe(self._data)
        note: dict[str, Any] = {"truncated": True}
        if order.ref:
            note["ref"] = order.ref
        else:
            note["retained"] = False
        note["tool"] = order.tool
        if order.server is not None:
            note["server"] = order.server
        note |= {"originalBytes": len(self._result.raw), "previewBytes": preview_bytes, "shape": shape}
        if not order.ref:
            note["message"] = "Shortened, and too large to keep: ask the tool for less."
            return note
        arguments: dict[str, Any] = {"ref": order.ref, "offset": 0, "limit": DEFAULT_LIMIT}
        if "suggestedPath" in shape:
            arguments["path"] = shape["suggestedPath"]
        via = {"tool": TOOL, "arguments": arguments}
        note["retrieval"] = {
            "tool": TOOL,
            "arguments": arguments,
            "viaCallmuxCall": {"tool": "callmux_call", "arguments": via},
            "supports": _SUPPORTS,
        }
        note["message"] = f"Shortened. The rest: {TOOL} with {order.ref}, or viaCallmuxCall."
        return note

    def _result_of(self, items: list[bytes], structured: bytes | None, note: dict[str, Any] | None) -> bytes:
        """The result object; pictures, sounds, links and blobs in it are the tool's own."""
        result = self._result
        limits = self._order.limits
        for other in result.others:
            items.append(
                cut(other, limits, len(other)) if result.long_texts and b'"text"' in other else other
            )
        return in_place(result, items, structured, note)
