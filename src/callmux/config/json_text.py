"""Changes single keys of a JSON text and keeps every other byte: order, indentation, comments. Pure.

Called by whatever edits a file that people write by hand: the commands that edit the configuration, and those
that enter callmux into the files of agents. Comments and trailing commas, as in JSON with comments, are read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from callmux.depth import is_deeper, too_deep
from callmux.errors import CallmuxError

_COMMENT = re.compile(r'("(?:[^"\\\n]|\\.)*")|//[^\r\n]*|/\*.*?\*/', re.DOTALL)
_COMMA = re.compile(r'("(?:[^"\\\n]|\\.)*")|,(?=\s*[}\]])', re.DOTALL)
_SPACE = re.compile(r"[ \t\r\n]*")
_NOT_BREAK = re.compile(r"[^\r\n]")
_REST_OF_LINE = re.compile(r"(?:[ \t]|/\*[^\r\n]*?\*/|//[^\r\n]*)*")
_DECODER = json.JSONDecoder()


class TextError(CallmuxError):
    """A text that cannot be read, or in which the place to change cannot be."""

    code = "invalid_text"


class JsonTextError(TextError):
    """A text that is not JSON, or in which the place to change cannot be."""

    code = "invalid_json"


class _Member(NamedTuple):
    """A key and its value in an object: where they begin and end."""

    key: str
    key_start: int
    start: int
    end: int


class _Object(NamedTuple):
    """An object in the text: where its braces are, and what stands between."""

    opening: int
    closing: int
    members: list[_Member]


def parse_json(text: str) -> Any:
    """The value of a JSON text, which may hold comments and trailing commas.

    Raises:
        JsonTextError: It is malformed; names line and column.
    """
    plain = _plain(text)
    try:
        value = _DECODER.decode(plain[1])
    except json.JSONDecodeError as error:
        raise _malformed(plain[1], error.pos, error.msg) from None
    except RecursionError:
        raise JsonTextError(f"the JSON {too_deep()}") from None
    if is_deeper(plain[1].encode("utf-8", "surrogatepass")):
        raise JsonTextError(f"the JSON {too_deep()}")
    return value


def set_value(text: str, path: Sequence[str], value: Any) -> str:
    """The text with `value` at `path`. What already has that value stays as it is written.

    Objects are compared key by key, so that inside of one, too, only what differs changes. Objects on the way
    that are missing are made.

    Args:
        text: The document; one without content counts as `{}`.
        path: Keys from the root, at least one.
        value: Any JSON value.

    Raises:
        JsonTextError: The text is malformed, or something on the way is no object.
    """
    if not _plain(text)[1].strip():
        text = text.rstrip() + ("\n" if text.strip() else "") + "{}\n"
    parse_json(text)
    return _set(text, path, value)


def delete_value(text: str, path: Sequence[str]) -> str:
    """The text without the key at `path`; the same text where there is none.

    Raises:
        JsonTextError: The text is malformed, or something on the way is no object.
    """
    parse_json(text)
    return _delete(text, path)


def rename_key(text: str, path: Sequence[str], name: str) -> str:
    """The text with the key at `path` called `name`; its value and its place stay.

    Raises:
        JsonTextError: The text is malformed, or there is no such key.
    """
    parse_json(text)
    *parents, key = path
    member = _last(_find(text, parents), key)
    if member is None:
        raise JsonTextError(f"there is no {_shown(path)}")
    _, end = _DECODER.raw_decode(text, member.key_start)
    return text[: member.key_start] + json.dumps(name, ensure_ascii=False) + text[end:]


def _set(text: str, path: Sequence[str], value: Any) -> str:
    for depth, key in enumerate(path):
        found = _find(text, path[:depth])
        if _last(found, key) is None:
            for missing in reversed(path[depth + 1 :]):
                value = {missing: value}
            return _insert(text, found, key, value)
    return _replace(text, path, value)


def _delete(text: str, path: Sequence[str]) -> str:
    *parents, key = path
    for depth in range(len(parents)):
        if _last(_find(text, parents[:depth]), parents[depth]) is None:
            return text
    while (member := _last(found := _find(text, parents), key)) is not None:
        text = _without(text, found, member)
    return text


def strict(text: str) -> str:
    """The text with blanks in place of comments and trailing commas: as long as before, line by line."""
    return _plain(text)[1]


@lru_cache(maxsize=2)
def _plain(text: str) -> tuple[str, str]:
    """The text without comments, and also without trailing commas: blanks in their place, so offsets hold.

    Clients keep files of many megabytes, and each step of a change asks for this again.
    """
    start = " " if text.startswith("\ufeff") else ""
    plain = start + text[len(start) :]
    try:
        _DECODER.decode(plain)
    except (ValueError, RecursionError):
        # It has comments or trailing commas, or is malformed.
        pass
    else:
        return plain, plain
    if "//" in plain or "/*" in plain:
        plain = _COMMENT.sub(lambda match: match[1] or _NOT_BREAK.sub(" ", match[0]), plain)
    return plain, _COMMA.sub(lambda match: match[1] or " ", plain)


def _malformed(plain: str, at: int, reason: str) -> JsonTextError:
    line, column = plain.count("\n", 0, at) + 1, at - plain.rfind("\n", 0, at)
    return JsonTextError(f"invalid JSON at line {line}, column {column}: {reason}", line=line, column=column)


def _find(text: str, path: Sequence[str]) -> _Object:
    """The object at `path`, every part of which is there, in a text that is not malformed."""
    _, plain = _plain(text)
    found = _object(plain, _skip(plain, 0), ())
    for depth, key in enumerate(path):
        member = _last(found, key)
        if member is None:
            raise JsonTextError(f"there is no {_shown(path[: depth + 1])}")
        found = _object(plain, member.start, path[: depth + 1])
    return found


def _object(plain: str, at: int, path: Sequence[str]) -> _Object:
    if plain[at] != "{":
        raise JsonTextError(f"{_shown(path)} must be an object")
    opening, members = at, []
    at = _skip(plain, at + 1)
    while plain[at] != "}":
        key_start = at
        key, at = _DECODER.raw_decode(plain, at)
        at = _skip(plain, _skip(plain, at) + 1)
        _, end = _DECODER.raw_decode(plain, at)
        members.append(_Member(key, key_start, at, end))
        at = _skip(plain, end)
        if plain[at] == ",":
            at = _skip(plain, at + 1)
    return _Object(opening, at, members)


def _shown(path: Sequence[str]) -> str:
    return f'"{".".join(path)}"' if path else "the document"


def _skip(plain: str, at: int) -> int:
    match = _SPACE.match(plain, at)
    return at if match is None else match.end()


def _last(found: _Object, key: str) -> _Member | None:
    """The member of that key; of several the last, which is the one that counts."""
    return next((member for member in reversed(found.members) if member.key == key), None)


def _replace(text: str, path: Sequence[str], value: Any) -> str:
    """The text with another value at `path`, which is there."""
    *parents, key = path
    member = _last(_find(text, parents), key)
    assert member is not None
    old = parse_json(text[member.start : member.end])
    if _same(old, value):
        return text
    if isinstance(old, dict) and isinstance(value, Mapping):
        for name in old:
            if name not in value:
                text = _delete(text, [*path, name])
        for name, item in value.items():
            text = _set(text, [*path, name], item)
        return text
    style = _Style(text)
    inline = isinstance(old, list) and bool(old) and "\n" not in text[member.start : member.end]
    written = style.inline(value) if inline else style.write(value, style.indent_at(member.key_start))
    return text[: member.start] + written + text[member.end :]


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: `1` is not `true`, and not `1.0` either."""
    if isinstance(one, dict) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(item, other[name]) for name, item in one.items())
    if isinstance(one, list) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and bool(one == other)


def _insert(text: str, found: _Object, key: str, value: Any) -> str:
    style = _Style(text)
    if not found.members:
        at = style.indent_at(found.opening)
        inner = at + style.unit
        own = style.member(key, value, inner)
        between = text[found.opening + 1 : found.closing]
        if style.one_line:
            return text[: found.opening + 1] + between.rstrip() + own + text[found.closing :]
        # Comments in an otherwise empty object stay above what comes in.
        kept = between.rstrip() if between.strip() else ""
        body = f"{kept}{style.newline}{inner}{own}{style.newline}{at}"
        return text[: found.opening + 1] + body + text[found.closing :]
    last = found.members[-1]
    plain, _ = _plain(text)
    comma = plain.find(",", last.end, found.closing)
    after = last.end if comma < 0 else comma + 1
    head = text[: last.end] + ("," if comma < 0 else "") + text[last.end : after]
    if "\n" not in text[found.opening : found.closing]:
        gap = "" if style.compact else " "
        tail = text[after : found.closing].strip()
        own = f"{gap}{tail}{gap if tail else ''}{style.member(key, value, None)}"
        rest = text[after + len(text[after : found.closing].rstrip()) :]
        return head + own + ("," if comma >= 0 else "") + rest
    line = _REST_OF_LINE.match(text, after)
    end = after if line is None or text[line.end() : line.end() + 1] not in ("\r", "\n") else line.end()
    inner = style.indent_at(last.key_start)
    own = f"{style.newline}{inner}{style.member(key, value, inner)}" + ("," if comma >= 0 else "")
    return head + text[after:end] + own + text[end:]


def _without(text: str, found: _Object, member: _Member) -> str:
    plain, _ = _plain(text)
    number = found.members.index(member)
    is_last = number == len(found.members) - 1
    comma = plain.find(",", member.end, found.closing if is_last else found.members[number + 1].key_start)
    end = member.end if comma < 0 else comma + 1
    if len(found.members) == 1:
        left = text[found.opening + 1 : member.key_start] + text[end : found.closing]
        if not left.strip():
            return text[: found.opening + 1] + text[found.closing :]
    start = text.rfind("\n", 0, member.key_start) + 1
    own_line = not text[start : member.key_start].strip()
    rest = _REST_OF_LINE.match(text, end)
    stop = end if rest is None else rest.end()
    if own_line and text[stop : stop + 1] in ("\r", "\n"):
        # The line, or lines, from the break before it to the end.
        start -= 1 + (text[start - 2 : start - 1] == "\r")
        left, right = text[:start], text[stop:]
    elif not is_last:
        return text[: member.key_start] + text[found.members[number + 1].key_start :]
    else:
        left, right = text[: member.key_start], text[end:]
        # The end of the line that a comment is on must stay.
        if len(left.rstrip()) == len(plain[: member.key_start].rstrip()):
            left = left.rstrip()
    if is_last and number and comma < 0:
        before = found.members[number - 1].end
        at = plain.find(",", before, member.key_start)
        left = left[:at] + left[at + 1 :]
    return left + right


class _Style:
    """How a document is written: line breaks, indentation, blanks."""

    def __init__(self, text: str) -> None:
        plain, _ = _plain(text)
        self._text = text
        self.newline = "\r\n" if "\r\n" in text else "\n"
        indented = re.search(r"[{\[][ \t]*\r?\n([ \t]+)(?=[^ \t\r\n])", plain)
        unit = indented[1] if indented else "  "
        if indented:
            outer = self.indent_at(indented.start())
            unit = unit.removeprefix(outer) or unit
        self.unit = unit
        # A document on one line that holds something is kept on one line.
        body = plain.strip()
        self.compact = "\n" not in body and body not in ("", "{}") and re.search(r"[,:]\s", body) is None
        self.one_line = "\n" not in body and bool(body.strip("{} \t"))
        self._separators = (",", ":") if self.compact else (", ", ": ")

    def indent_at(self, at: int) -> str:
        """The blanks that the line of `at` begins with."""
        start = self._text.rfind("\n", 0, at) + 1
        match = re.compile(r"[ \t]*").match(self._text, start)
        return "" if match is None else match[0]

    def inline(self, value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, separators=self._separators)

    def write(self, value: Any, indent: str) -> str:
        """`value` over several lines, the first of which is indented by `indent` already."""
        if self.one_line:
            return self.inline(value)
        written = json.dumps(value, ensure_ascii=False, indent=self.unit)
        return written.replace("\n", self.newline + indent)

    def member(self, key: str, value: Any, indent: str | None) -> str:
        """A key and its value; on one line where `indent` is None."""
        written = self.inline(value) if indent is None else self.write(value, indent)
        return json.dumps(key, ensure_ascii=False) + self._separators[1] + written
