"""One client's session over HTTP: the session and the streams its messages go out on.

Made by `callmux.session.table` through the factory of `callmux.transport.http.app`; used by `/mcp` and the
older transport.
"""

from __future__ import annotations

from collections import OrderedDict

from callmux.protocol.jsonrpc import Id
from callmux.session.session import Handler, Session
from callmux.transport.http.streams import Stream

OWN = "0"
"""The key of the stream of what the session says by itself."""
KEPT_STREAMS = 64
"""Finished streams that are kept for clients that come back."""


class WebSession:
    """A session and its streams.

    Args:
        id: The session id.
        handler: What its requests lead to.
        kind: `streamable-http` or `sse`.

    Attributes:
        session: The session.
        own: What it says by itself.
        own_read: The last event of it that was sent to the client.
        active: Requests and streams in progress: while there are any, the session is not idle.
        seen_at: When it was last active, by the monotonic clock.
    """

    def __init__(self, id: str, handler: Handler, kind: str, now: float) -> None:
        self.id = id
        self.kind = kind
        self.session = Session(handler, self._say, self._route)
        self.own = Stream(OWN)
        self.active = 0
        self.seen_at = now
        self.closed = False
        self.own_read = 0
        self._streams: dict[Id, Stream] = {}
        self._kept: OrderedDict[str, Stream] = OrderedDict()
        self._count = 0

    def __repr__(self) -> str:
        return f"WebSession({self.id[:12]!r}, {self.kind}, {self.active} active)"

    def open_stream(self, id: Id) -> Stream:
        """The stream for the answer to the client's request `id`, before that is handed over."""
        self._count += 1
        stream = self._streams[id] = Stream(str(self._count))
        return stream

    def share_stream(self, id: Id, stream: Stream) -> None:
        """The answer to `id` goes out on a stream that another request of the same batch opened."""
        self._streams[id] = stream

    def keep(self, stream: Stream) -> None:
        """The client has seen an event of this stream, so it may come back to it."""
        self._kept[stream.key] = stream
        while len(self._kept) > KEPT_STREAMS:
            self._kept.popitem(last=False)

    def find(self, last_event_id: str) -> tuple[Stream, int] | None:
        """The stream and the number of an event id; None where it is not (or no longer) known."""
        key, _, number = last_event_id.rpartition("_")
        if not number.isdigit():
            return None
        stream = self.own if key == OWN else self._kept.get(key)
        return (stream, int(number)) if stream is not None else None

    def _say(self, line: bytes) -> None:
        self.own.push(line)

    def _route(self, line: bytes, about: Id | None, final: bool) -> None:
        stream = self._streams.get(about) if about is not None else None
        if stream is None:
            if line:
                self.own.push(line)
            return
        if line:
            stream.push(line)
        if final and about is not None:
            del self._streams[about]
            if stream not in self._streams.values():
                stream.finish()

    def end(self) -> None:
        """The session is over: every stream ends."""
        self.closed = True
        for stream in [self.own, *self._streams.values()]:
            stream.finish()
        self._streams.clear()
