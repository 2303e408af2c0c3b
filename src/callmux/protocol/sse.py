"""Server-sent events: bytes in, events out, and the bytes of an event. Pure.

Called by the HTTP links, the bridge and the HTTP transport. The format is that of the HTML standard, section
"Server-sent events": fields by line, a blank line ends an event; lines may end in CR, LF or both.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from io import BytesIO

import msgspec

from callmux.protocol.jsonrpc import Id

MAX_EVENT = 256 * 1024 * 1024
"""Bytes of the longest event that is kept."""

REQUEST_STREAMS = "callmux/requestStreams"
"""An experimental capability of our listener: `request_stream` names the stream of an answer, so that it can
be fetched from its beginning even if its connection broke before a byte of it came."""

LONGEST_RETRY_MS = 24 * 3600 * 1000
MOST_DIGITS = 12
"""Digits of a reconnection time that are read: more of them mean a very long time all the same."""

_MARK = b"\xef\xbb\xbf"
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


class TooLarge(ValueError):
    """An answer, or one event of a stream, beyond the limit; the message says which."""


class EventBuffer:
    """Cuts a stream into events.

    Args:
        limit: Bytes of the longest event that is kept.

    Attributes:
        last_id: The id of the last event that came whole: where a broken stream is to go on.
        retry_ms: The last reconnection time seen, or None.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = MAX_EVENT if limit is None else limit
        self.last_id = ""
        self.retry_ms: int | None = None
        self.restart()

    def restart(self) -> None:
        """A new stream begins: what the one before left unfinished is void, what it taught is kept."""
        self._begun = BytesIO()
        self._size = 0
        self._is_data = False
        self._start: bytes | None = b""
        self._after_cr = False
        self._name = ""
        self._id = self.last_id
        self._data: list[bytes] = []
        self._data_size = 0

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes.

        Raises:
            TooLarge: A line or an event is longer than the limit.
        """
        if self._start is not None:
            data = self._start + data
            if len(data) < len(_MARK) and _MARK.startswith(data):
                self._start = data
                return []
            self._start = None
            data = data.removeprefix(_MARK)
        if self._after_cr and data:
            # The line has ended with its CR already: an LF right after it is the other half.
            self._after_cr = False
            data = data.removeprefix(b"\n")
        if b"\n" not in data and b"\r" not in data:
            self._keep(data)
            return []
        self._after_cr = data.endswith(b"\r")
        *lines, tail = _LINE_END.split(data)
        events = []
        if self._size:
            self._keep(lines.pop(0))
            events.append(self._finished())
        events.extend(self._line(line) for line in lines)
        self._keep(tail)
        return [event for event in events if event is not None]

    def _finished(self) -> Event | None:
        """Takes the line that came in several chunks."""
        begun, is_data = self._begun.getvalue(), self._is_data
        self._begun, self._size, self._is_data = BytesIO(), 0, False
        if not is_data:
            return self._line(begun)
        self._value(begun)
        return None

    def _keep(self, data: bytes) -> None:
        if not data:
            return
        if not self._size and data.startswith(b"data: "):
            # Nearly every long line: its value needs no further copy.
            self._is_data = True
            self._begun.write(memoryview(data)[6:])
        else:
            self._begun.write(data)
        self._size += len(data)
        if self._size > self._limit:
            raise TooLarge(f"an event is larger than {self._limit} bytes")

    def _value(self, value: bytes) -> None:
        """Takes a line of data."""
        self._data.append(value)
        self._data_size += len(value)
        if self._data_size > self._limit:
            raise TooLarge(f"an event is larger than {self._limit} bytes")

    def _line(self, line: bytes) -> Event | None:
        if not line:
            return self._dispatch()
        field, colon, value = line.partition(b":")
        if not field:
            return None
        if colon and value.startswith(b" "):
            value = value[1:]
        if field == b"data":
            self._value(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
        elif field == b"id" and b"\0" not in value:
            self._id = value.decode("utf-8", "replace")
        elif field == b"retry" and value.isdigit():
            self.retry_ms = min(int(value[:MOST_DIGITS]), LONGEST_RETRY_MS)
        return None

    def _dispatch(self) -> Event | None:
        # Only now: an event that breaks off half-way is to be sent again.
        self.last_id = self._id
        name, data = self._name, self._data
        self._name, self._data, self._data_size = "", [], 0
        if not data:
            return None
        return Event(name or "message", b"\n".join(data), self.last_id, self.retry_ms)


def event(data: bytes, *, name: str = "message", id: str | None = None) -> bytes:
    """The bytes of one event. `data` must be free of line ends, as every message of ours is."""
    head = b"" if id is None else b"id: %b\n" % id.encode()
    return b"%bevent: %b\ndata: %b\n\n" % (head, name.encode(), data)


def request_stream(id: Id) -> str:
    """The name of the stream that answers the client's request `id`. The id of its event number 3 is this,
    `_3`; number 0 stands before the first. Fit for a header, whatever the id is made of."""
    return f"r{id}" if isinstance(id, int) else "t" + blake2b(id.encode(), digest_size=12).hexdigest()
