"""Newline framing for stdio (MCP 2025-11-25, basic/transports): bytes in, lines out. Pure.

Called by `callmux.transport.stdio` and `callmux.upstream.links.child_output`. A line of any length costs time
in proportion to its length; one beyond the limit is thrown away except for its head, in which its id is
looked for. What a long line costs is spread over the chunks it comes in, so that its end holds nobody up.
"""

from __future__ import annotations

from io import BytesIO

import msgspec

from callmux.depth import DepthCheck
from callmux.protocol import jsonrpc
from callmux.protocol.encoding import Utf8Check
from callmux.protocol.jsonrpc import HEAD, Message

MAX_LINE = 256 * 1024 * 1024
"""Bytes of the longest line that is kept."""


BLANK = b"!"
"""No line before this one, in the order of bytes, begins with a character that can be seen."""
LONG = 1024 * 1024
"""Bytes of a line whose encoding and depth are checked while it comes; shorter ones are as they are read."""


class Oversized(msgspec.Struct, frozen=True):
    """A line beyond the limit; `head` is how it began."""

    head: bytes


class Long(msgspec.Struct, frozen=True):
    """A line that came in many chunks.

    Attributes:
        line: The line.
        is_text: Whether it is valid UTF-8.
        is_deep: Whether it is nested deeper than a message may be.
    """

    line: bytes
    is_text: bool
    is_deep: bool


class LineBuffer:
    """Cuts a stream into lines.

    Args:
        limit: Bytes of the longest line.
    """

    def __init__(self, limit: int = MAX_LINE) -> None:
        self.limit = limit
        self._begun = BytesIO()
        self._size = 0
        self._check, self._depth = Utf8Check(), DepthCheck()

    def message(self, line: bytes | Long | Oversized) -> Message:
        """The message on one line."""
        if isinstance(line, bytes):
            return jsonrpc.parse(line)
        if isinstance(line, Long):
            return jsonrpc.parse(line.line, is_text=line.is_text, is_deep=line.is_deep)
        return jsonrpc.oversized(line.head, self.limit)

    def feed(self, data: bytes) -> list[bytes | Long | Oversized]:
        """The lines that `data` completes, without their ends; blank ones are left out."""
        if not self._size and len(data) <= self.limit and data.endswith(b"\n"):
            # Nearly always: whole lines, none begun before.
            return [line for line in data[:-1].split(b"\n") if line > BLANK or line.strip()]
        if b"\n" not in data:
            self._keep(data)
            return []
        first, *rest = data.split(b"\n")
        tail = rest.pop()
        lines: list[bytes | Long | Oversized] = []
        if self._size:
            self._keep(first)
            lines.append(self._finished())
        else:
            rest.insert(0, first)
        lines.extend(rest)
        if tail:
            self._keep(tail)
        return [
            Oversized(line[:HEAD]) if isinstance(line, bytes) and len(line) > self.limit else line
            for line in lines
            if not isinstance(line, bytes) or (line and not line.isspace())
        ]

    def last(self) -> Message | None:
        """The message on a last line that has no end; None where there is none, or only a part of one."""
        line = self._finished() if self._size else b""
        if isinstance(line, Oversized):
            return None
        text = line if isinstance(line, bytes) else line.line
        message = jsonrpc.parse(text) if text.strip() else None
        return None if isinstance(message, jsonrpc.Malformed) else message

    def _finished(self) -> bytes | Long | Oversized:
        line, size = self._begun.getvalue(), self._size
        check, depth = self._check, self._depth
        self._begun, self._size, self._check, self._depth = BytesIO(), 0, Utf8Check(), DepthCheck()
        if size > self.limit:
            return Oversized(line[:HEAD])
        return Long(line, check.passed(), depth.failed) if size >= LONG else line

    def _keep(self, data: bytes) -> None:
        if not data:
            return
        self._size += len(data)
        # It grows as data comes and gives its bytes without another copy: a join of many parts takes long.
        if self._size <= self.limit:
            self._begun.write(data)
            self._check.feed(data)
            self._depth.feed(data)
        elif self._begun.tell() != HEAD:
            self._begun = BytesIO((self._begun.getvalue() + data)[:HEAD])
            self._begun.seek(0, 2)
