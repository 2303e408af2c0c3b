"""Newline framing for stdio (MCP 2025-11-25, basic/transports): bytes in, lines out. Pure.

Called by `callmux.transport.stdio` and `callmux.upstream.links.child_output`. A line of any length costs time
in proportion to its length; one beyond the limit is thrown away except for its head, in which its id is
looked for. What a long line costs is spread over the chunks it comes in, so that its end holds nobody up.
A chunk of whole lines that are all of the usual kind is read in one step: at 16 calls in flight, to cut and
read each line by itself was a twentieth of a call.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import TypeVar

import msgspec

from callmux.depth import DEEPEST, DepthCheck, opening
from callmux.protocol import jsonrpc
from callmux.protocol.encoding import Utf8Check, is_utf8
from callmux.protocol.jsonrpc import HEAD, Message, Request, Response

T = TypeVar("T")

MAX_LINE = 256 * 1024 * 1024
"""Bytes of the longest line that is kept."""
TOGETHER = 16 * 1024
"""Bytes of a chunk that is read in one step: what is kept of one message keeps all of it."""
requests_in = msgspec.json.Decoder(list[Request]).decode
"""Reads an array of requests; for `LineBuffer.together`."""
responses_in = msgspec.json.Decoder(list[Response]).decode
"""The same of answers."""
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
        self._most_together = min(limit, TOGETHER)
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

    def together(self, data: bytes, decode: Callable[[bytes], list[T]]) -> list[T] | None:
        """The messages in `data`, where that is one of the usual kind on each line and nothing else; None for
        everything else, which is for `feed`.

        A line end becomes the comma of an array: one inside of a message would leave no JSON, so no message
        that is given holds a line end.

        Args:
            decode: Reads an array of messages of the usual kind.
        """
        if self._size or len(data) > self._most_together or not data.endswith(b"\n"):
            return None
        if not (data.isascii() or is_utf8(data)):
            return None
        # So few brackets that none of them can be nested too deeply.
        if len(data) > DEEPEST and opening(data) > DEEPEST:
            return None
        try:
            found = decode(b"[%b]" % data[:-1].replace(b"\n", b","))
        except (msgspec.MsgspecError, RecursionError):
            return None
        # By what is left without them: `count` looks at each byte.
        return found if len(found) == len(data) - len(data.replace(b"\n", b"")) else None

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
