"""Lists of one connection that are out of date, and how soon they may be read again. Pure.

A server says that a list has changed, or, where it does not, for how long it holds (MCP 2026-07-28,
server/utilities/caching).

Kept by each `callmux.upstream.connection`, from the handshake on: what changes while the lists are read for
the first time is looked at afterwards. Asked by `callmux.upstream.reading.refreshing`.
"""

from __future__ import annotations

from callmux.protocol.caching import Freshness

DELAYS = (*[0.0] * 8, 0.1, 0.5, 1.0, 2.0, 5.0)
"""Seconds between readings, for the first, the second and so on. A server may change several things in a row,
and clients wait to hear of each; one that answers every reading with a change is read less and less often."""
QUIET = 10.0
"""After so many seconds without a reading, the delays begin anew."""
SHORTEST_HOLD = 5.0
"""Seconds that a list holds at least: a server may say 0 and mean nothing by it."""


class Staleness:
    """The lists that are out of date.

    Attributes:
        lists: The notifications that said so.
        reading: They are being read.
    """

    __slots__ = ("_holds", "_read_at", "_readings", "_said", "lists", "reading")

    def __init__(self) -> None:
        self.lists: set[str] = set()
        self.reading = False
        self._holds: dict[str, float] = {}
        self._said: dict[str, Freshness] = {}
        self._readings = 0
        self._read_at = float("-inf")

    def __repr__(self) -> str:
        return f"Staleness({sorted(self.lists)}{', reading' if self.reading else ''})"

    def holds(self, method: str, hold: Freshness, now: float) -> None:
        """A list, by how it is asked for, holds for so long."""
        self._holds[method] = now + max(hold.ms / 1000, SHORTEST_HOLD)
        self._said[method] = Freshness(now * 1000 + hold.ms, hold.private)

    def said(self, method: str, now: float) -> Freshness:
        """What the server says of a list, from now on: nothing in the way where it has said nothing."""
        until = self._said.get(method)
        return Freshness() if until is None else Freshness(max(until.ms - now * 1000, 0.0), until.private)

    def expired(self, now: float) -> set[str]:
        """The lists that hold no longer."""
        return {method for method, until in self._holds.items() if until <= now}

    def delay(self, now: float) -> float:
        """Seconds until they may be read."""
        since = now - self._read_at
        if since >= QUIET:
            self._readings = 0
        return max(DELAYS[min(self._readings, len(DELAYS) - 1)] - since, 0.0)

    def take(self, now: float) -> set[str]:
        """What is to be read now: it counts as read."""
        self._read_at = now
        self._readings += 1
        lists, self.lists = self.lists, set()
        return lists
