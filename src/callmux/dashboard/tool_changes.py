"""What servers changed in the tools that they list: names that came and went, and definitions that differ.

Made by `callmux.dashboard.kept`; hears of changed lists on `callmux.observe.bus`. The first list of a server
is no change.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from callmux.observe.bus import Bus
from callmux.observe.facts import ListsChanged, ServerUp
from callmux.protocol.shapes import Tool
from callmux.timestamps import iso
from callmux.upstream.inventory.offer import Suite

MOST = 100
"""Changes that are kept."""
MOST_BYTES = 8_000_000
"""Bytes of definitions that are kept: a server may change long lists again and again. The latest change
stays."""
MOST_OF_ONE = 50
"""Tools of one change that are shown with their definitions."""
LONGEST = 100_000
"""Bytes of a definition that is shown."""


class ToolChange(msgspec.Struct, frozen=True):
    """One change of one server.

    Attributes:
        at: Seconds since 1970.
        generation: The server's count of lists with other names.
        before, after: The tools that differ, by name; each is absent on one side, or differs.
    """

    at: float
    server: str
    generation: int
    before: Mapping[str, bytes]
    after: Mapping[str, bytes]

    @property
    def size(self) -> int:
        """Bytes of its definitions."""
        return sum(len(raw) for side in (self.before, self.after) for raw in side.values())

    def shown(self) -> dict[str, Any]:
        """As the page gets it."""
        added = [name for name in self.after if name not in self.before]
        removed = [name for name in self.before if name not in self.after]
        changed = [name for name in self.after if name in self.before]
        return {
            "at": iso(self.at),
            "server": self.server,
            "generation": self.generation,
            "added": [_named(name, definition=self.after[name]) for name in added[:MOST_OF_ONE]],
            "removed": [_named(name, definition=self.before[name]) for name in removed[:MOST_OF_ONE]],
            "changed": [
                _named(name, before=self.before[name], after=self.after[name])
                for name in changed[:MOST_OF_ONE]
            ],
            "counts": {"added": len(added), "removed": len(removed), "changed": len(changed)},
        }


def _named(name: str, **definitions: bytes) -> dict[str, Any]:
    shown = {key: Raw(raw) if len(raw) <= LONGEST else None for key, raw in definitions.items()}
    return {"name": name, **shown}


class ToolChanges:
    """The changes of one process.

    Args:
        bus: Where it hears.
        suite: Gives what a server lists now; None where there is no such server.
        wall: The time of day.
    """

    def __init__(self, bus: Bus, suite: Callable[[str], Suite | None], wall: Callable[[], float]) -> None:
        self._suite = suite
        self._wall = wall
        self._known: dict[str, tuple[Tool, ...]] = {}
        self._changes: deque[ToolChange] = deque(maxlen=MOST)
        bus.subscribe(ListsChanged, lambda fact: self.look(fact.server))
        bus.subscribe(ServerUp, lambda fact: self.look(fact.server))

    def look(self, server: str) -> None:
        """Compares what a server lists with what it listed before."""
        suite = self._suite(server)
        if suite is None or not suite.listed:
            return
        known, self._known[server] = self._known.get(server), suite.tools
        if known is None or known is suite.tools:
            return
        old = {tool.name: tool.raw for tool in known}
        new = {tool.name: tool.raw for tool in suite.tools}
        before = {name: raw for name, raw in old.items() if new.get(name) != raw}
        after = {name: raw for name, raw in new.items() if old.get(name) != raw}
        if before or after:
            self._changes.append(ToolChange(self._wall(), server, suite.generation, before, after))
            while len(self._changes) > 1 and sum(change.size for change in self._changes) > MOST_BYTES:
                self._changes.popleft()

    def shown(self) -> dict[str, Any]:
        """The changes, the newest first."""
        return {"changes": [change.shown() for change in reversed(self._changes)]}
