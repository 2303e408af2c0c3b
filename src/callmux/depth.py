"""How deep JSON may nest: one bound for everything that is read, and how deep a text is. Pure.

Called by whatever reads JSON from outside: messages, texts of results, files, configurations. Python's own
bound is another one in each version and place (1,000 less what is on the stack in 3.11, some 10,000 in 3.13),
so that a message could be read in one step and break the next. Ours is far below: the arguments of a call,
with a file of the same depth inside of them, pass through three frames a level.
"""

from __future__ import annotations

import re
from itertools import accumulate

from callmux.portions import PIECE, Portions, finished

DEEPEST = 128
"""Levels of objects and arrays that a message, a file or a configuration may have."""

ROOM = 16
"""Levels of those that a value must leave free which is to travel inside of an answer of ours."""

_REST = bytes(code for code in range(256) if code not in b'[]{}"')
_STRING = re.compile(rb'"[^"]*"')
_SIGNS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")


class DepthCheck:
    """Whether JSON that comes in pieces, cut anywhere, is deeper than a bound.

    Args:
        limit: Levels that it may have.

    Attributes:
        failed: It is deeper.
    """

    __slots__ = ("_escapes", "_in_string", "_level", "_limit", "failed")

    def __init__(self, limit: int = DEEPEST) -> None:
        self.failed = False
        self._limit = limit
        self._level = 0
        self._in_string = False
        self._escapes = False

    def feed(self, data: bytes) -> None:
        """Takes the next piece: in the same few steps, however long it is."""
        if self.failed:
            return
        if self._escapes:
            data = b"\\" + data
        # A backslash at the end belongs to what comes next, unless it is the second of a pair.
        self._escapes = data.endswith(b"\\") and (len(data) - len(data.rstrip(b"\\"))) % 2 == 1
        if self._escapes:
            data = data[:-1]
        # Most of a long text: it has no quotes, or all are escaped, so it is still the same string.
        if self._in_string and (
            b'"' not in data or (b"\\\\" not in data and data.count(b'"') == data.count(b'\\"'))
        ):
            return
        if b"\\" in data:
            # From the left, so that what is left of a run of backslashes escapes what follows.
            data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
        kept = data.translate(None, _REST)
        if self._in_string:
            kept = b'"' + kept
        self._in_string = kept.count(b'"') % 2 == 1
        if self._in_string:
            kept += b'"'
        kept = kept.replace(b'""', b"")
        if b'"' in kept:
            kept = _STRING.sub(b"", kept)
        if kept:
            self._walk(kept)

    def _walk(self, brackets: bytes) -> None:
        """Goes through brackets alone: first without those that close at once, round by round."""
        left, below = brackets, 0
        while self._level + below + _opening(left) > self._limit:
            rest = left.replace(b"[]", b"").replace(b"{}", b"")
            if not left or 2 * len(rest) > len(left):
                levels = accumulate(memoryview(brackets.translate(_SIGNS)).cast("b"), initial=self._level)
                self.failed = max(levels) > self._limit
                break
            left, below = rest, below + 2
        self._level += 2 * _opening(left) - len(left)


def opening(text: bytes) -> int:
    """How many brackets open in a text, those in its strings among them."""
    # `count` looks at each byte by itself: where few are brackets, a copy without them takes a fraction.
    return 2 * len(text) - len(text.replace(b"[", b"")) - len(text.replace(b"{", b""))


def _opening(brackets: bytes) -> int:
    return brackets.count(b"[") + brackets.count(b"{")


def is_deeper(data: bytes, limit: int = DEEPEST) -> bool:
    """Whether the JSON `data` has more than `limit` levels. What it says of other texts means nothing."""
    # Nearly always: too short, or with too few brackets.
    if len(data) <= 2 * limit or opening(data) <= limit:
        return False
    return finished(sounding(data, limit))


def sounding(data: bytes, limit: int = DEEPEST) -> Portions[bool]:
    """`is_deeper` in portions."""
    if len(data) <= PIECE and (len(data) <= 2 * limit or opening(data) <= limit):
        return False
    check = DepthCheck(limit)
    for start in range(0, len(data), PIECE):
        if start:
            yield
        check.feed(data[start : start + PIECE])
        if check.failed:
            # Ten megabytes of brackets need no further look.
            return True
    return False


def is_value_deeper(value: object, limit: int = DEEPEST) -> bool:
    """Whether a value is nested deeper that was read from another notation."""
    level, below = 0, [value]
    while containers := [each for each in below if isinstance(each, dict | list)]:
        level += 1
        if level > limit:
            return True
        below = [
            inner for each in containers for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return False


def too_deep(limit: int = DEEPEST) -> str:
    """The end of a sentence about something that is deeper."""
    return f"is nested deeper than {limit} levels"
