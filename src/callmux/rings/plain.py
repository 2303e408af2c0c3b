"""An answer to several calls as plain content: a summary line, then what each call gave as it came. Pure.

Called by `callmux.rings.formatting`. Each result stands under a heading of one line, which begins with a mark
that no text in the answer has: what a tool says cannot be taken for a heading. Where the answer was
shortened, results that were not cut come whole all the same, and so do pictures.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.protocol.shapes import AGE, Result, Told
from callmux.rings.echo import say
from callmux.rings.envelope import encode, success
from callmux.rings.shield.beginning import beginnings
from callmux.rings.shield.compact import clip_text, fitting
from callmux.rings.shield.shortening import META_KEY, TOOL
from callmux.text import visible

MARK = "=== ["
"""How headings begin, where no text has this in it."""
OUTCOME = "callmux/outcome"
"""The `_meta` member that says to programs what the summary line says to models."""
LONGEST_NAME = 200
"""Characters of a name that are shown; callers may write what they like."""
LEAST = 400
"""Bytes that are shown of the texts of a result, however little room there was for it."""
LEFT_OUT = "left out"


class _Resource(msgspec.Struct):
    uri: str
    text: str | UnsetType = UNSET
    blob: str | UnsetType = UNSET
    mime: str | UnsetType | None = msgspec.field(default=UNSET, name="mimeType")
    meta: dict[str, Raw] | UnsetType | None = msgspec.field(default=UNSET, name="_meta")


class _Item(msgspec.Struct):
    """A content item that clients understand; any other is shown as the JSON that it is."""

    type: Literal["text", "image", "audio", "resource", "resource_link"]
    text: str | UnsetType = UNSET
    data: str | UnsetType = UNSET
    mime: str | UnsetType | None = msgspec.field(default=UNSET, name="mimeType")
    uri: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    resource: _Resource | UnsetType = UNSET
    annotations: dict[str, Raw] | UnsetType | None = UNSET
    meta: dict[str, Raw] | UnsetType | None = msgspec.field(default=UNSET, name="_meta")


class _Preview(msgspec.Struct, rename="camel"):
    """A shortened answer. What is missing was cut."""

    results: list[Raw] | UnsetType = UNSET
    steps: list[Raw] | UnsetType = UNSET


class _Shortened(msgspec.Struct):
    note: Raw = msgspec.field(name="_callmux")
    preview: _Preview


class _Note(msgspec.Struct):
    """What is read of the note. Only that of a preview that is no beginning describes the shape."""

    ref: str | UnsetType | None = UNSET
    message: str = ""
    shape: Raw | UnsetType = UNSET

    @property
    def is_beginning(self) -> bool:
        """Whether what is shown is the beginning, after which reading goes on."""
        return self.shape is UNSET


class _Entry(msgspec.Struct):
    result: Raw | UnsetType = UNSET


class _Failed(msgspec.Struct):
    error: str


class Block(msgspec.Struct, frozen=True):
    """A content item.

    Attributes:
        item: The item as JSON.
        kind: What a heading calls it.
        text: The text in it, for a model; None where it has none.
    """

    item: Raw
    kind: str
    text: str | None = None


class _Part(msgspec.Struct, frozen=True):
    """What one call gave.

    Attributes:
        name: The tool.
        blocks: Its content.
        notes: What a heading says of it beside its size.
    """

    name: str
    blocks: Sequence[Block]
    notes: Sequence[str]


_ITEM = msgspec.json.Decoder(_Item)
_ENTRY = msgspec.json.Decoder(_Entry)
_FAILED = msgspec.json.Decoder(_Failed)
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_NOTE = msgspec.json.Decoder(_Note)
_SHORTENED = msgspec.json.Decoder(_Shortened)
_MALFORMED = (msgspec.MsgspecError, RecursionError, ValueError)


def plainly(answer: Result, told: Told, names: Sequence[str]) -> Result | None:
    """The answer as plain content; None where its form is not known.

    Args:
        answer: It as JSON, shortened or not.
        told: What it tells, unshortened.
        names: The tool of each call.
    """
    entries: Sequence[Mapping[str, Any]] = told.payload.get("results", told.payload.get("steps", ()))
    shown: list[Raw | None] = [entry.get("result") for entry in entries]
    note = read = None
    if answer.raw is not told.whole:
        content = answer.head.content
        if content is UNSET or len(content) != 1:
            return None
        try:
            shortened = _SHORTENED.decode(_ITEM.decode(content[0]).text or "")
            note, read = shortened.note, _NOTE.decode(shortened.note)
        except _MALFORMED:
            return None
        given = shortened.preview.steps if shortened.preview.results is UNSET else shortened.preview.results
        shown = _results([] if given is UNSET else given, len(entries))
    parts = [
        _part(entry, own, result, name, read is not None and read.is_beginning)
        for entry, own, result, name in zip(entries, told.results, shown, names, strict=False)
    ]
    mark = _mark(parts)
    lines = [_summary(told.payload, mark), *_warnings(told.payload)]
    if read is not None:
        lines.append(_way_on(read, "results" if "results" in told.payload else "steps"))
    shown_as = [_text("\n".join(lines)), *_under_headings(parts, mark)]
    meta: dict[str, Any] = {OUTCOME: _outcome(told.payload)}
    if note is not None:
        meta[META_KEY] = note
    return Result(encode({"content": shown_as, "_meta": meta}), code=answer.code)


def paged(answer: Result) -> Result | None:
    """A page of a stored text as plain content: what else the page has, on a line, then the text as it is.
    None for any other answer."""
    try:
        members = _MEMBERS.decode(answer.head.structured_content or b"")
        page = msgspec.json.decode(members.pop("data"), type=str)
    except (KeyError, *_MALFORMED):
        return None
    about = _text(encode(members).decode() + "\n")
    return Result(encode({"content": [about, _text(page)]}), code=answer.code)


def texts(result: Result) -> list[str]:
    """The texts of a result that a model reads."""
    content = result.head.content
    blocks = [] if content is UNSET else [_block(item) for item in content]
    return [block.text for block in blocks if block.text is not None]


def _results(given: Iterable[Raw], count: int) -> list[Raw | None]:
    """What a preview shows of each result; None for one that it leaves out."""
    found: list[Raw | None] = []
    for raw in given:
        try:
            result = _ENTRY.decode(raw).result
        except _MALFORMED:
            result = UNSET
        found.append(None if result is UNSET else result)
    return [*found[:count], *[None] * (count - len(found))]


def _part(
    entry: Mapping[str, Any], own: Result | None, shown: Raw | None, name: str, is_beginning: bool
) -> _Part:
    notes = [] if entry.get("ok") else ["FAILED"]
    skipped = [f"{one['argument']} ({one['reason']})" for one in entry.get("skippedMappings", ())]
    if skipped:
        notes.append(f"skipped mapping of {', '.join(skipped)}")
    if (age := entry.get(AGE)) is not None:
        notes.append(f"kept by callmux for {bytes(age).decode()} s")
    value = entry.get("result")
    if own is None:
        # It was not made: a mapping led nowhere.
        return _Part(name, [_said(str(entry.get("error", "")))], notes)
    blocks = _blocks(own)
    media = [block for block in blocks if block.text is None]
    if len(media) == len(blocks) or (
        shown is not None and value is not None and bytes(shown) == bytes(value)
    ):
        return _Part(name, blocks, notes)
    if shown is None:
        return _Part(name, media, [*notes, "texts left out" if media else LEFT_OUT])
    begun = _begun(blocks, bytes(shown)) if is_beginning else None
    return _Part(name, begun or _cut(own, blocks, bytes(shown)), [*notes, "shortened"])


def _begun(blocks: Sequence[Block], shown: bytes) -> list[Block]:
    """The beginnings of the texts, exactly as far as `shown` goes, since pages go on after them. Where it
    shows data rather than texts, the data."""
    texts = beginnings([block.text for block in blocks if block.text is not None], shown)
    if texts is None:
        return [*(block for block in blocks if block.text is None), _said(_spoken(shown))]
    left = iter(texts)
    return [block if block.text is None else _said(next(left)) for block in blocks]


def _cut(own: Result, blocks: Sequence[Block], shown: bytes) -> list[Block]:
    """What a shortened answer shows of a result that came as `own`; pictures are those that came."""
    spoken = [block.text for block in blocks if block.text is not None]
    if len(blocks) > 1 or own.head.meta is not UNSET or own.head.structured_content is not UNSET:
        # Of each text the beginning, in the room that the preview took.
        room = max(len(shown), LEAST) // len(spoken)
        return [block if block.text is None else _said(_beginning(block.text, room)) for block in blocks]
    if own.is_error:
        with contextlib.suppress(*_MALFORMED):
            return [_said(_FAILED.decode(shown).error)]
    return [_said(_spoken(shown))]


def _beginning(text: str, room: int) -> str:
    shown = fitting(text, room)
    return text if shown == len(text) else clip_text(text, shown)


def _spoken(value: bytes) -> str:
    """A JSON string as the text that it is; anything else as JSON."""
    if value[:1] == b'"':
        with contextlib.suppress(*_MALFORMED):
            return msgspec.json.decode(value, type=str)
    return value.decode()


def without_media(told: Told) -> bytes | None:
    """The answer as JSON without pictures and sounds, which cost no text; None where there are none."""
    key = "results" if "results" in told.payload else "steps"
    entries = []
    found = False
    for entry, own in zip(told.payload[key], told.results, strict=True):
        blocks = [] if own is None or b'"mimeType"' not in own.raw else _blocks(own)
        if any(block.text is None for block in blocks):
            found = True
            texts_in = [block.item for block in blocks if block.text is not None]
            entries.append({**entry, "result": {"content": texts_in}})
        else:
            entries.append(entry)
    return success({**told.payload, key: entries}).raw if found else None


def _blocks(result: Result) -> list[Block]:
    """What a result says: its content, and structured content that no text says."""
    head = result.head
    if head.content is UNSET and head.structured_content is UNSET:
        return [_said(result.raw.decode())]
    blocks = [] if head.content is UNSET else [_block(item) for item in head.content]
    structured = head.structured_content
    if structured is UNSET or bytes(structured) == b"null":
        return blocks
    raw = bytes(structured)
    if not say([block.text for block in blocks if block.text is not None], raw):
        text = raw.decode()
        blocks.append(Block(_text(text), f"structuredContent {_size(text)}", text))
    return blocks


def _block(item: Raw) -> Block:
    try:
        read = _ITEM.decode(item)
    except _MALFORMED:
        return _said(bytes(item).decode())
    if read.type == "text" and read.text is not UNSET:
        return Block(item, _size(read.text), read.text)
    if read.type in ("image", "audio") and read.data is not UNSET and isinstance(read.mime, str):
        return Block(item, read.type)
    if read.type == "resource_link" and read.uri is not UNSET and read.name is not UNSET:
        return Block(item, "link")
    if read.type == "resource" and isinstance(inner := read.resource, _Resource):
        if inner.text is not UNSET:
            return Block(item, f"resource {_size(inner.text)}", inner.text)
        if inner.blob is not UNSET:
            return Block(item, "resource")
    return _said(bytes(item).decode())


def _said(text: str) -> Block:
    return Block(_text(text), _size(text), text)


def _size(text: str) -> str:
    size = len(text.encode("utf-8", "replace"))
    return "1 byte" if size == 1 else f"{size} bytes"


def _text(text: str) -> Raw:
    return Raw(encode({"type": "text", "text": text}))


def _mark(parts: Iterable[_Part]) -> str:
    """How the headings of this answer begin."""
    spoken = [block.text for part in parts for block in part.blocks if block.text is not None]
    if not any(MARK in text for text in spoken):
        return MARK
    # Nobody can write beforehand what all of it has for a digest.
    digest, mark = hashlib.sha256("\0".join(spoken).encode("utf-8", "replace")), MARK
    while any(mark in text for text in spoken):
        mark = f"=== {digest.hexdigest()[:8]} ["
        digest.update(b".")
    return mark


def _under_headings(parts: Iterable[_Part], mark: str) -> Iterable[Raw]:
    """Each part under its heading, which is a line of its own however a client joins texts."""
    ended = False
    for index, part in enumerate(parts):
        heading = f"{mark}{index}] {_named(part)}\n"
        yield _text(heading if ended else f"\n{heading}")
        ended = True
        for block in part.blocks:
            yield block.item
            ended = block.text is None or block.text.endswith("\n")


def _named(part: _Part) -> str:
    kinds = [block.kind for block in part.blocks]
    size = kinds[0] if len(kinds) == 1 else f"{len(kinds)} blocks: {', '.join(kinds)}"
    about = [*part.notes]
    if LEFT_OUT not in about:
        about.append(size if kinds else "empty")
    return visible(f"{part.name[:LONGEST_NAME]}: {', '.join(about)}")


def _outcome(payload: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("status", "succeeded", "failed", "failedIndexes", "failedStep", "totalDurationMs")
    found = {key: payload[key] for key in keys if key in payload}
    if found.get("status") == "failed" and payload["steps"] and "error" in payload["steps"][-1]:
        found["notMade"] = True
    return found


def _summary(payload: Mapping[str, Any], mark: str) -> str:
    where = f'; each result under a line "{mark}index] tool"'
    status = payload["status"]
    if (steps := payload.get("steps")) is not None:
        failed = payload.get("failedStep")
        worked = len(steps) - (failed is not None)
        ending = "" if failed is None else f", failedStep {failed}"
        return f"{status}: {_count(worked, 'step')} succeeded{ending}{where}"
    failed = encode(payload["failedIndexes"]).decode()
    ending = f", failedIndexes {failed}" if payload["failed"] else ""
    return f"{status}: {payload['succeeded']} succeeded, {payload['failed']} failed{ending}{where}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _warnings(payload: Mapping[str, Any]) -> list[str]:
    return [
        visible(f"warning: {one['message']}. {one['recommendation']}") for one in payload.get("warnings", ())
    ]


def _way_on(note: _Note, key: str) -> str:
    ref = note.ref
    if not isinstance(ref, str) or not ref:
        return "Shortened, and too large to keep: ask the tools for less."
    if note.is_beginning:
        shown, _, how = note.message.partition(f" {TOOL}")
        if how.startswith(" with a path"):
            return note.message
        return f"{shown} {TOOL} {encode({'ref': ref}).decode()} goes on after that."
    asked = encode({"ref": ref, "path": f"{key}[index].result"}).decode()
    return f"Shortened. The rest of one: {TOOL} {asked}"
