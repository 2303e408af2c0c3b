"""The audit log: a line for each request and each call, on stderr or in a file.

Made by `callmux.process.observers` where the configuration asks for it; hears facts on `callmux.observe.bus`.
What is heard is kept as it is; the words are made, and written, in the thread of a `callmux.observe.scribe`.
"""

from __future__ import annotations

from collections.abc import Callable

from callmux.config.observing import AuditLog
from callmux.observe.audit_lines import dropped_line, line_of
from callmux.observe.bus import Bus
from callmux.observe.facts import (
    ApprovalAnswered,
    ApprovalAsked,
    CallEnded,
    Denied,
    HttpEnded,
    LimitReached,
    RequestEnded,
    ServersManaged,
)
from callmux.observe.feed import Heard
from callmux.observe.scribe import Scribe


class Audit:
    """The log of one configuration.

    Args:
        settings: What it says.
        bus: Where it hears.
        wall: The time of day.
        append: Writes whole lines; called in a thread.
        listens: Whether clients come over HTTP, whose requests have a line each; else each MCP request has
            one.

    Attributes:
        dropped: How many lines came faster than they could be written.
    """

    def __init__(
        self,
        settings: AuditLog,
        bus: Bus,
        wall: Callable[[], float],
        append: Callable[[bytes], object],
        *,
        listens: bool = False,
    ) -> None:
        self._most = settings.max_payload_chars
        self._hidden_keys = tuple(key.lower() for key in settings.redact_keys if key)
        self._append = append
        self._wall = wall
        self.dropped = 0
        self._scribe = Scribe(wall, self._write)
        put = self._scribe.put
        kinds = (CallEnded, HttpEnded, Denied, ApprovalAsked, ApprovalAnswered, LimitReached, ServersManaged)
        self._leave = [bus.subscribe(kind, put) for kind in kinds]
        if not listens:
            self._leave.append(bus.subscribe(RequestEnded, put))

    def close(self, seconds: float) -> bool:
        """Hears no more, and writes what it has heard; waits for that at most so long. Whether all was
        written."""
        for leave in self._leave:
            leave()
        return self._scribe.close(seconds)

    def _write(self, heard: Heard) -> None:
        lines = [line_of(at, fact, self._most, self._hidden_keys) for at, fact in heard.facts]
        self.dropped += heard.dropped
        if heard.dropped:
            lines.append(dropped_line(self._wall(), heard.dropped))
        self._append(b"".join(lines))
