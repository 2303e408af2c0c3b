"""The last lines that each server wrote to stderr. Pure.

Filled by `callmux.process.host` with lines that have been redacted; read by `callmux.process.config_watch`
for `callmux server logs`. Bounded in lines, in their length and in servers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import msgspec

MOST_LINES = 500
"""Lines that are kept of a server."""
LONGEST_LINE = 4000
"""Characters that are kept of a line."""
MOST_SERVERS = 500
"""Servers whose lines are kept: those that were there before a reload go first."""


class Line(msgspec.Struct, frozen=True):
    """A line of a server.

    Attributes:
        number: Counts the lines of all servers, from 1.
        time: Seconds since 1970.
        text: Without its end.
    """

    number: int
    time: float
    text: str


class ServerOutput:
    """What servers wrote.

    Args:
        wall: Gives the time of day, in seconds since 1970.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._lines: dict[str, deque[Line]] = {}
        self.last = 0

    def add(self, server: str, text: str) -> None:
        """Takes a line."""
        self.last += 1
        lines = self._lines.get(server)
        if lines is None:
            if len(self._lines) >= MOST_SERVERS:
                del self._lines[next(iter(self._lines))]
            lines = self._lines[server] = deque(maxlen=MOST_LINES)
        lines.append(Line(self.last, self._wall(), text[:LONGEST_LINE]))

    def after(self, server: str, number: int, most: int | None = None) -> list[Line]:
        """The lines of a server that came after the line of that number; only the last `most` of them."""
        found = [line for line in self._lines.get(server, ()) if line.number > number]
        return found if most is None else found[len(found) - min(most, len(found)) :]
