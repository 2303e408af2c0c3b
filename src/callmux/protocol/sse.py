"""Server-sent events: bytes in, events out, and the bytes of an event. Pure.

Called by the HTTP links and, later, by the HTTP transport. The format is that of the HTML standard, section
"Server-sent events": fields by line, a blank line ends an event; lines may end in CR, LF or both.
"""

from __future__ import annotations

import re

import msgspec

MAX_EVENT = 256 * 1024 * 1024
"""Bytes of the longest event that is kept."""

_LINE_END = re.compile(rb"\r\n|\n|\r")


class Event(msgspec.Struct, frozen=True):
    """One event.

    Attributes:
        name: Its type; `message` where none was given.
        data: Its lines of data, joined by newlines.
        id: The last event id that stood in the stream so far; empty for none.
        retry_ms: The reconnection time it sets, or None.
    """

    name: str
    data: bytes
    id: str
    retry_ms: int | None


class EventBuffer:
    """Cuts a stream into events.

    Attributes:
        last_id: The last event id seen.
        retry_ms: The last reconnection time seen, or None.
    """

    def __init__(self) -> None:
        self.last_id = ""
        self.retry_ms: int | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._started = False
        self._name = ""
        self._data: list[bytes] = []
        self._data_size = 0

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes.

        Raises:
            ValueError: A line or an event is longer than `MAX_EVENT`.
        """
        if not self._started and data:
            self._started = True
            data = data.removeprefix(b"\xef\xbb\xbf")
        if b"\n" not in data and b"\r" not in data:
            self._keep(data)
            return []
        whole = b"".join([*self._parts, data]) if self._parts else data
        self._parts, self._size = [], 0
        # A CR at the very end may be half of a CR LF: it waits for what follows.
        held = whole.endswith(b"\r")
        *lines, tail = _LINE_END.split(whole[:-1] if held else whole)
        self._keep(tail + b"\r" if held else tail)
        events = []
        for line in lines:
            event = self._line(line)
            if event is not None:
                events.append(event)
        return events

    def _keep(self, data: bytes) -> None:
        if data:
            self._parts.append(data)
            self._size += len(data)
            if self._size > MAX_EVENT:
                raise ValueError(f"an event is larger than {MAX_EVENT} bytes")

    def _line(self, line: bytes) -> Event | None:
        if not line:
            return self._dispatch()
        field, colon, value = line.partition(b":")
        if not field:
            return None
        if colon and value.startswith(b" "):
            value = value[1:]
        if field == b"data":
            self._data.append(value)
            self._data_size += len(value)
            if self._data_size > MAX_EVENT:
                raise ValueError(f"an event is larger than {MAX_EVENT} bytes")
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
        elif field == b"id" and b"\0" not in value:
            self.last_id = value.decode("utf-8", "replace")
        elif field == b"retry" and value.isdigit():
            self.retry_ms = int(value)
        return None

    def _dispatch(self) -> Event | None:
        name, data = self._name, self._data
        self._name, self._data, self._data_size = "", [], 0
        if not data:
            return None
        return Event(name or "message", b"\n".join(data), self.last_id, self.retry_ms)


def event(data: bytes, *, name: str = "message", id: str | None = None) -> bytes:
    """The bytes of one event. `data` must be free of line ends, as every message of ours is."""
    head = b"" if id is None else b"id: %b\n" % id.encode()
    return b"%bevent: %b\ndata: %b\n\n" % (head, name.encode(), data)
