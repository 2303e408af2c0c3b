"""YAML to JSON, by the core schema of YAML 1.2. Pure.

Called by `callmux.rings.references.files` for `$yamlFile` and by `callmux.config`. `ruamel.yaml`, imported
when the first YAML file is read, takes the text apart; which scalars are numbers, and everything else that it
would decide by older rules, is decided here. Digits survive, aliases are written out, and `<<` is an ordinary
key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from callmux.depth import DEEPEST, ROOM, too_deep
from callmux.numerals import number_in

LEVELS = DEEPEST - ROOM
"""Levels of a document: an answer needs room for levels of its own around them."""

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": b"true", "True": b"true", "TRUE": b"true"}
_BOOLEANS |= {"false": b"false", "False": b"false", "FALSE": b"false"}
_SURROGATE = re.compile("[\ud800-\udfff]")
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_CORE = "tag:yaml.org,2002:"


class YamlProblem(ValueError):
    """The text is no YAML that can be sent as JSON."""


class Stopped(Exception):
    """Nobody waits for the result any more."""


class _Frame:
    """A collection that is being written.

    Attributes:
        keys: The keys so far; None for a sequence.
        start: Where it begins in the output.
        key_at: Where the key that is being read begins; None while a value is.
    """

    __slots__ = ("anchor", "count", "key_at", "keys", "start")

    def __init__(self, mapping: bool, start: int, anchor: str | None) -> None:
        self.keys: set[str] | None = set() if mapping else None
        self.start = start
        self.anchor = anchor
        self.count = 0
        self.key_at: int | None = None


def to_json(text: str, limit: int, stopped: Callable[[], bool] = lambda: False) -> bytes:
    """The one document in `text` as compact JSON; `null` where there is none.

    Args:
        text: The YAML.
        limit: Bytes of JSON, aliases written out.
        stopped: Says that the work is in vain.

    Raises:
        YamlProblem: It is malformed, holds more than one document, names a key twice, refers to an anchor
            that is not complete, or becomes too large.
        Stopped: It was stopped.
    """
    writer = _Writer(limit)
    for event in _events(text.removeprefix("\ufeff")):
        if stopped():
            raise Stopped
        writer.take(event)
    return b"".join(writer.out) or b"null"


def _events(text: str) -> Iterator[Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1}"
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise YamlProblem(f"{problem}{where}") from None
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, AssertionError):
        raise YamlProblem("it is malformed") from None


class _Writer:
    """Writes JSON as the events come."""

    def __init__(self, limit: int) -> None:
        self.out: list[bytes] = []
        self._left = limit
        self._stack: list[_Frame] = []
        self._anchors: dict[str, bytes] = {}
        self._documents = 0

    def take(self, event: Any) -> None:
        kind = type(event).__name__
        if kind == "ScalarEvent":
            value = scalar(_paired(event.value), event.tag, plain=not event.style)
            self._begin()
            self._add(value)
            self._end(event.anchor, value)
        elif kind == "AliasEvent":
            expanded = self._anchors.get(event.anchor)
            if expanded is None:
                raise YamlProblem(f'the alias "{event.anchor}" stands inside its own anchor, or has none')
            self._begin()
            self._add(expanded)
            self._end(None, expanded)
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            self._begin()
            if len(self._stack) >= LEVELS:
                raise YamlProblem(f"it {too_deep(LEVELS)}")
            mapping = kind == "MappingStartEvent"
            if event.anchor is not None:
                self._anchors.pop(event.anchor, None)
            self._stack.append(_Frame(mapping, len(self.out), event.anchor))
            self._add(b"{" if mapping else b"[")
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            frame = self._stack.pop()
            self._add(b"}" if frame.keys is not None else b"]")
            self._end(frame.anchor, None, frame.start)
        elif kind == "DocumentStartEvent":
            self._documents += 1
            if self._documents > 1:
                raise YamlProblem("it holds more than one document")

    def _add(self, piece: bytes) -> None:
        self._left -= len(piece)
        if self._left < 0:
            raise YamlProblem("it becomes too large, aliases written out")
        self.out.append(piece)

    def _begin(self) -> None:
        """Before a node: the comma, and whether it is a key."""
        if not self._stack:
            return
        frame = self._stack[-1]
        if frame.count and (frame.keys is None or frame.count % 2 == 0):
            self._add(b",")
        if frame.keys is not None and frame.count % 2 == 0:
            frame.key_at = len(self.out)

    def _end(self, anchor: str | None, value: bytes | None, start: int = 0) -> None:
        """After a node: its anchor is complete, and a key becomes a string."""
        if anchor is not None:
            self._anchors[anchor] = b"".join(self.out[start:]) if value is None else value
        if not self._stack:
            return
        frame = self._stack[-1]
        frame.count += 1
        if frame.keys is not None and frame.key_at is not None:
            key = _as_key(b"".join(self.out[frame.key_at :]))
            del self.out[frame.key_at :]
            frame.key_at = None
            if key in frame.keys:
                raise YamlProblem(f'the key "{key}" stands twice in one mapping')
            frame.keys.add(key)
            self._add(_text(key) + b":")


def _as_key(value: bytes) -> str:
    if value[:1] == b'"':
        return msgspec.json.decode(value, type=str)
    return "" if value == b"null" else value.decode()


def _paired(text: str) -> str:
    """Escapes such as `\\ud83d\\ude00`, which JSON in YAML may hold, are one character together."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def scalar(value: str, tag: str | None, *, plain: bool) -> bytes:
    """The JSON of one scalar.

    Args:
        value: Its text, quotes and escapes resolved.
        tag: Its tag, written out; None where it has none.
        plain: Whether it stands without quotes.
    """
    if tag is None:
        return _untagged(value) if plain else _text(value)
    name = tag.removeprefix(_CORE)
    resolved = _untagged(value)
    if name == tag:
        return _text(value)
    if name == "null":
        return b"null" if resolved == b"null" and value in _NULLS else _text(value)
    if name == "bool":
        return _BOOLEANS.get(value) or _text(value)
    if name == "int" and _INTEGER.fullmatch(value):
        return resolved
    if name == "float" and (_FLOAT.fullmatch(value) or _NO_NUMBER.fullmatch(value)):
        return resolved
    return _text(value)


def _untagged(value: str) -> bytes:
    if value in _NULLS or _NO_NUMBER.fullmatch(value):
        return b"null"
    if value in _BOOLEANS:
        return _BOOLEANS[value]
    if _INTEGER.fullmatch(value) or _FLOAT.fullmatch(value):
        # What no double can hold is infinite, as it is in JavaScript.
        return (number_in(value) or "null").encode()
    return _text(value)


def _text(value: str) -> bytes:
    """A string as JSON; half surrogate pairs, which JSON cannot carry, become `?`."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(value.encode("utf-8", "replace").decode())
