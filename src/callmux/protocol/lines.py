"""Newline framing for stdio (MCP 2025-11-25, basic/transports): bytes in, lines out. Pure.

Called by `callmux.transport.stdio` and `callmux.upstream.links.child`. A line of any length costs time in
proportion to its length; one beyond the limit is thrown away except for its head.
"""

from __future__ import annotations

import msgspec

MAX_LINE = 256 * 1024 * 1024
"""Bytes of the longest line that is kept."""

HEAD = 64 * 1024
"""Bytes kept of a longer one, enough to find its id."""


class Oversized(msgspec.Struct, frozen=True):
    """A line beyond the limit; `head` is how it began."""

    head: bytes


class LineBuffer:
    """Cuts a stream into lines.

    Args:
        limit: Bytes of the longest line.
    """

    def __init__(self, limit: int = MAX_LINE) -> None:
        self.limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes | Oversized]:
        """The lines that `data` completes, without their ends; blank ones are left out."""
        if not self._parts and len(data) <= self.limit and data.endswith(b"\n"):
            # Nearly always: whole lines, none begun before.
            return [line for line in data[:-1].split(b"\n") if line and (line[0] > 32 or line.strip())]
        if b"\n" not in data:
            self._keep(data)
            return []
        first, *rest = data.split(b"\n")
        tail = rest.pop()
        lines: list[bytes | Oversized] = []
        if self._parts:
            self._keep(first)
            head = b"".join(self._parts)
            lines.append(Oversized(head[:HEAD]) if self._size > self.limit else head)
            self._parts, self._size = [], 0
        else:
            rest.insert(0, first)
        lines.extend(rest)
        if tail:
            self._keep(tail)
        return [
            Oversized(line[:HEAD]) if isinstance(line, bytes) and len(line) > self.limit else line
            for line in lines
            if isinstance(line, Oversized) or (line and not line.isspace())
        ]

    def _keep(self, data: bytes) -> None:
        if not data:
            return
        self._size += len(data)
        if self._size <= self.limit:
            self._parts.append(data)
        elif len(self._parts) != 1 or len(self._parts[0]) != HEAD:
            self._parts = [b"".join([*self._parts, data])[:HEAD]]
