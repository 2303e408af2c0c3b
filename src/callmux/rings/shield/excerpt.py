"""The reply to a result over a limit where its preview is its beginning, and reading goes on after it. Pure.

Called by `callmux.rings.shield.reply`. What is larger than all that a further turn would read again,
definitions and conversation, is left out; the rest goes out whole, since a page costs such a turn. The rule,
and the figures behind it: docs/response-shield.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Raw

from callmux.protocol.shapes import Result
from callmux.rings.shield.beginning import Beginning, Cut, begin, whole_lines
from callmux.rings.shield.compact import clip_text
from callmux.rings.shield.conforming import NOTE, allows
from callmux.rings.shield.reading import Reading, embeds_text, text_in
from callmux.rings.shield.shortening import LEAST_PREVIEW, TOOL, Shortening, ShortReply, in_place, text_item
from callmux.stores.results import Remainder

MOST_NAMED = 20
"""Cuts that a reply names; those behind them are named by the pages."""

_ITEMS = msgspec.json.Decoder(list[Raw])
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.Encoder().encode


def excerpt(result: Reading, order: Shortening) -> ShortReply | None:
    """The reply for `result`; None where it should go out whole."""
    made = _Excerpt(result, order)
    reply = made.several() if order.several else None
    if reply is None and not made.is_whole:
        reply = made.failure() if result.is_error else made.texts() if made.has_texts else made.data()
    return reply


class _Excerpt:
    """One reply in the making.

    Attributes:
        has_texts: Whether the result is several texts, or none, rather than one value.
        is_whole: Whether it is known by now that the result goes out whole.
    """

    def __init__(self, result: Reading, order: Shortening) -> None:
        self._result = result
        self._order = order
        self._limits = order.limits
        self._data = result.data()
        self.has_texts = self._data is result.raw
        self.is_whole = False
        self._room = order.room
        self._worth = order.worth

    def several(self) -> ShortReply | None:
        """For an answer to several calls: its results whole as far as they fit, each alone too large cut.

        None where the result is none, or goes out whole, which `is_whole` tells.
        """
        result = self._result
        if result.structured is None or result.structured[:1] != b"{":
            return None
        members = _MEMBERS.decode(result.structured)
        key = "steps" if "results" not in members else "results"
        if key not in members or "totalDurationMs" not in members or bytes(members[key])[:1] != b"[":
            return None
        found = self._answer(members, key)
        if _is_whole(found):
            self.is_whole = True
            return None
        left_out = ""
        if key == "steps" and _repeats_last(members):
            # The last step says the same.
            left_out = "finalResult is what the last step gave."
            found = self._answer({name: raw for name, raw in members.items() if name != "finalResult"}, key)
        cuts = tuple(cut for name in members if name in found for cut in found[name].cuts)
        note = self._note(cuts, left_out)
        preview = {name: Raw(found[name].shown) for name in members if name in found}
        return self._reply([text_item(_encode({NOTE: note, "preview": preview}).decode())], None, cuts)

    def _answer(self, members: Mapping[str, Raw], key: str) -> dict[str, Beginning]:
        """The members of an answer to several calls, whose results stand under `key`."""
        found = {name: self._value(bytes(raw), (name,)) for name, raw in members.items() if name != key}
        taken = sum(len(part.shown) + len(name) + 4 for name, part in found.items())
        found[key] = self._entries(_ITEMS.decode(members[key]), self._limits.result_bytes - taken, (key,))
        return found

    def _entries(self, items: Sequence[Raw], room: int, keys: tuple[str, ...]) -> Beginning:
        """Whole items as far as they fit; one that alone is too large is cut, and does not end it."""
        left = room - 2
        shown: list[bytes] = []
        cuts: tuple[Cut, ...] = ()
        exact = True
        rest = sum(memoryview(item).nbytes for item in items)
        for n, item in enumerate(items):
            raw = bytes(item)
            if n >= self._limits.array_items and rest > self._worth:
                break
            part = self._value(raw, (*keys, str(n)))
            if len(part.shown) > left:
                break
            shown.append(part.shown)
            cuts += part.cuts
            exact = exact and part.exact
            left -= len(part.shown) + 1
            rest -= len(raw)
        if not shown and items:
            # Room for the beginning of one.
            part = begin(bytes(items[0]), self._limits, max(left, LEAST_PREVIEW), (*keys, "0"))
            shown, cuts, exact = [part.shown], part.cuts, part.exact
        if len(shown) < len(items):
            cuts += (Cut(keys, len(shown), len(items), "items"),)
        return Beginning(b"[" + b",".join(shown) + b"]", cuts, exact)

    def _value(self, raw: bytes, keys: tuple[str, ...]) -> Beginning:
        """A part of an answer: whole where its rest is not worth a page."""
        if len(raw) <= self._room + self._worth:
            return Beginning(raw)
        return begin(raw, self._limits, self._room, keys)

    def data(self) -> ShortReply | None:
        """For a result that is one value: a text, or JSON."""
        room = self._limits.result_bytes if self._data[:1] == b'"' else self._room
        found = begin(self._data, self._limits, room)
        others, cuts = self._others()
        cuts = found.cuts + cuts + self._texts_beside()
        beside = sum(cut.total - cut.shown for cut in cuts[len(found.cuts) :])
        if (not cuts and found.exact) or self._fits(len(self._data) - len(found.shown) + beside):
            return None
        text = _encode({NOTE: self._note(cuts), "preview": Raw(found.shown)})
        return self._reply([text_item(text.decode()), *others], self._structured(found), cuts)

    def _fits(self, rest: int) -> bool:
        """Whether it is cheaper to send the whole than to leave `rest` bytes for a page."""
        return self._result.given <= self._limits.result_bytes and rest <= self._worth

    def _texts_beside(self) -> tuple[Cut, ...]:
        """Texts beside structured content that say far more than it does."""
        if self._result.structured is None:
            return ()
        long = max(self._limits.string_chars, 2 * len(self._data))
        return tuple(
            Cut(("content", str(n), "text"), 0, len(text), "characters")
            for n, text in zip(self._result.places, self._result.texts, strict=True)
            if len(text) > long
        )

    def _structured(self, found: Beginning) -> bytes | None:
        """Structured content that fits the schema that the client holds the tool to."""
        order, structured = self._order, self._result.structured
        if order.output_schema is None or structured is None:
            return None
        where = [(cut.keys, cut.shown) for cut in found.cuts]
        if not found.exact or not allows(order.output_schema, structured, where):
            return structured
        return _encode({**_MEMBERS.decode(found.shown), NOTE: order.brief})

    def texts(self) -> ShortReply | None:
        """For a result of several texts, or of none: each by itself, in its place."""
        content = Result(self._result.raw).head.content
        items = [] if content is UNSET else content
        shown: list[bytes] = []
        cuts: tuple[Cut, ...] = ()
        left = self._limits.result_bytes
        ended = False
        for n, item in enumerate(items):
            raw = bytes(item)
            text = text_in(item)
            if text is None and not embeds_text(item):
                shown.append(raw)
            elif not ended:
                part = self._value(raw, ("content", str(n)))
                if len(part.shown) > left and shown:
                    ended = True
                    cuts += (Cut(("content",), n, len(items), "items"),)
                    continue
                shown.append(part.shown)
                cuts += part.cuts
                left -= len(part.shown)
        if not cuts:
            return None
        return self._reply([text_item(_encode({NOTE: self._note(cuts)}).decode()), *shown], None, cuts)

    def _others(self) -> tuple[list[bytes], tuple[Cut, ...]]:
        """The items beside the only text: pictures, sounds, links and blobs are the tool's own."""
        shown: list[bytes] = []
        cuts: tuple[Cut, ...] = ()
        for n, other in zip(self._result.other_places, self._result.others, strict=True):
            is_text = embeds_text(Raw(other))
            part = self._value(other, ("content", str(n))) if is_text else Beginning(other)
            shown.append(part.shown)
            cuts += part.cuts
        return shown, cuts

    def failure(self) -> ShortReply | None:
        """A failure stays one, its own words first."""
        result, order = self._result, self._order
        others, cuts = self._others()
        if self._data[:1] == b"{" and not self.has_texts:
            found = begin(self._data, self._limits, self._room)
            cuts = found.cuts + cuts
            if (not cuts and found.exact) or self._fits(len(self._data) - len(found.shown)):
                return None
            text = _encode({**_MEMBERS.decode(found.shown), NOTE: self._note(cuts)}).decode()
            return self._reply([text_item(text), *others], None, cuts)
        more = f"more chars: {TOOL} ref {order.ref}" if order.ref else "more chars"
        items: list[bytes] = []
        most = max(self._room // max(len(result.texts), 1), LEAST_PREVIEW)
        for n, text in zip(result.places, result.texts, strict=True):
            if len(text) <= most:
                items.append(text_item(text))
                continue
            shown = whole_lines(text, most)
            keys = ("content", str(n), "text") if self.has_texts else ()
            cuts += (Cut(keys, shown, len(text), "characters"),)
            items.append(text_item(clip_text(text, shown, more)))
        if self._fits(sum(cut.total - cut.shown for cut in cuts)):
            return None
        return self._reply([*items, *others], None, cuts, note=self._note(cuts))

    def _note(self, cuts: Sequence[Cut], left_out: str = "") -> dict[str, Any]:
        """`_callmux`: what is shown, and in one line how to go on.

        Args:
            left_out: What is said of a part that is not shown, and not missing.
        """
        order = self._order
        note: dict[str, Any] = {"truncated": True}
        if len(cuts) > 1:
            note["more"] = [
                {"path": cut.path, "shown": cut.shown, "total": cut.total} for cut in cuts[:MOST_NAMED]
            ]
            shown = f"Cut at {len(cuts)} places."
        elif cuts:
            where = f' of "{cuts[0].path}"' if cuts[0].path else ""
            shown = f"The first {cuts[0].shown:,} of {cuts[0].total:,} {cuts[0].unit}{where}."
        else:
            shown = left_out or "Base64, or members of a very large object, are left out."
        if not order.ref:
            return note | {"retained": False, "message": f"{shown} Too large to keep: ask the tool for less."}
        asked = {"tool": TOOL, "arguments": {"ref": order.ref}}
        how = f"{TOOL} (or callmux_call of it) with the ref alone goes on after this"
        how += ", with path and offset elsewhere." if len(cuts) > 1 else "."
        if not cuts:
            how = f"{TOOL} with a path has all of it."
        return note | {"ref": order.ref, "retrieval": asked, "message": f"{shown} {how}"}

    def _reply(
        self,
        items: list[bytes],
        structured: bytes | None,
        cuts: Sequence[Cut],
        note: dict[str, Any] | None = None,
    ) -> ShortReply | None:
        raw = in_place(self._result, items, structured, note)
        return ShortReply(raw, _remainders(cuts)) if len(raw) < len(self._result.raw) else None


def _is_whole(parts: Mapping[str, Beginning]) -> bool:
    return all(part.exact and not part.cuts for part in parts.values())


def _repeats_last(members: Mapping[str, Raw]) -> bool:
    """Whether the final result of a pipeline stands in its last step, too."""
    steps = _ITEMS.decode(members["steps"])
    if "finalResult" not in members or not steps or bytes(steps[-1])[:1] != b"{":
        return False
    result = _MEMBERS.decode(steps[-1]).get("result")
    return result is not None and bytes(result) == bytes(members["finalResult"])


def _remainders(cuts: Sequence[Cut]) -> tuple[Remainder, ...]:
    """Where reading goes on. All of the data has no path, which only the first remainder can do without."""
    return tuple(Remainder(cut.path if cut.path or n == 0 else ".", cut.shown) for n, cut in enumerate(cuts))
