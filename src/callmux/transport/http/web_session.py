"""One client's session over HTTP: the session and the streams its messages go out on.

Made by `callmux.transport.http.listener`, which gives it to `callmux.session.table`; used by `/mcp` and the
older transport.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Awaitable, Sequence

from callmux.protocol.jsonrpc import Id
from callmux.protocol.sse import REQUEST_STREAMS, request_stream
from callmux.session.handler import Handler
from callmux.session.session import Session
from callmux.session.table import shown
from callmux.transport.http.kept import KeptStreams
from callmux.transport.http.streams import Owed, Stream

OWN = "s"
"""Begins the key of the stream of what the session says by itself. The rest is made by chance: a restarted
listener numbers its events anew, and must not take the numbers of the one before it for its own."""
STREAMABLE = "streamable-http"
MOST_KEYS = 1000
"""Streams of a session that are kept, of which the session itself knows."""
MOST_ATTEMPTS = 64
"""Requests of which it is known what their load balancer calls them: those in flight, and the last ones."""
STATELESS = "stateless-http"
"""The kind of a session that serves requests which have none."""


class WebSession:
    """A session and its streams.

    Args:
        id: The session id.
        handler: What its requests lead to.
        kind: `streamable-http`, `stateless-http` or `sse`.
        owner: Who began it: the label of a principal, or empty.
        now: The monotonic clock's time.
        kept: Keeps streams that are finished.

    Attributes:
        owner: Who began it. Nobody else can use it, or learn that it is there.
        shown_id: What anybody may see of the id.
        session: The session.
        asked: The profile in the address at which it began; empty for none.
        own: What it says by itself.
        own_read: The last event of it that was sent to the client.
        answering: What takes the answers to requests in flight, by their ids: a stream, or a reply that may
            become one.
        attempts: The names of requests that a load balancer may send again, by their ids.
        active: Requests and streams in progress: while there are any, the session is not idle.
        seen_at: When it was last active, by the monotonic clock.
    """

    def __init__(
        self, id: str, handler: Handler[Session], kind: str, owner: str, now: float, kept: KeptStreams
    ) -> None:
        self.id = id
        self.owner = owner
        self.shown_id = shown(id)
        self.kind = kind
        self.session = Session(handler, self._say, self._route)
        if kind == STREAMABLE:
            self.session.offers = frozenset({REQUEST_STREAMS})
        self.asked = ""
        self.own = Stream(OWN + secrets.token_hex(4))
        self.active = 0
        self.seen_at = now
        self.closed = False
        self.own_read = 0
        self.answering: dict[Id, Stream | Owed] = {}
        self.attempts: dict[Id, str] = {}
        self._sent: dict[Id, bytes] = {}
        self._kept_keys: dict[str, None] = {}
        self._kept = kept

    def __repr__(self) -> str:
        return f"WebSession({self.shown_id!r}, {self.kind}, {self.active} active)"

    def hold(self) -> None:
        """A request begins that may outlast what carried it here: `Session.over` tells when it is over."""
        self.active += 1

    def open_stream(self, id: Id) -> Stream:
        """The stream for the answer to the client's request `id`, before that is handed over."""
        stream = self.answering[id] = Stream(request_stream(id))
        stream.owed = 1
        return stream

    def share_stream(self, id: Id, stream: Stream) -> None:
        """The answer to `id` goes out on a stream that another request of the same batch opened."""
        self.answering[id] = stream
        stream.owed += 1

    def taken(self, ids: Sequence[Id]) -> Id | None:
        """The first of these ids that another request in flight has, or another one of them; None where all
        may begin."""
        counted = Counter(ids)
        return next((id for id, n in counted.items() if n > 1 or id in self.answering), None)

    def attempted(self, id: Id, name: str) -> None:
        """A request begins that a load balancer may send again under this name."""
        self.attempts.pop(id, None)
        self.attempts[id] = name
        spent = len(self.attempts) - MOST_ATTEMPTS
        for old in [old for old in self.attempts if old not in self.answering][: max(0, spent)]:
            del self.attempts[old]

    def _unnamed(self, key: str) -> None:
        for id in [id for id in self.attempts if request_stream(id) == key]:
            del self.attempts[id]

    def sent(self, id: Id, line: bytes) -> bool:
        """The answer to a plain request is on its way, and perhaps does not arrive. Gives whether that is
        enough: where an older answer of that id is kept, this one must be kept in its place."""
        if self._kept_keys and request_stream(id) in self._kept_keys:
            return False
        self._sent[id] = line
        return True

    def arrived(self, id: Id, line: bytes) -> None:
        """The client has it."""
        if self._sent.get(id) is line:
            del self._sent[id]

    def lost(self, id: Id, line: bytes) -> None:
        """The connection has ended, and nobody knows whether the client has it: it is kept for a while."""
        self.arrived(id, line)
        self.keep(id, line)

    def keep(self, id: Id, line: bytes) -> Stream:
        """Keeps an answer for a client that may come back for it."""
        stream = _of(id, line)
        if self.kind == STREAMABLE and not self.closed:
            self._put(stream)
        return stream

    def keep_answer(self, id: Id, line: bytes) -> None:
        """The stream that was opened for `id` ends with this answer."""
        self._route(line, id, True)

    def _put(self, stream: Stream) -> None:
        self._kept.put(self.id, stream)
        self._kept_keys[stream.key] = None
        if len(self._kept_keys) > MOST_KEYS:
            del self._kept_keys[next(iter(self._kept_keys))]

    def received(self, stream: Stream) -> None:
        """The client has all of this stream, so that nobody will come back to it."""
        self._kept_keys.pop(stream.key, None)
        self._kept.received(self.id, stream)

    def find(self, last_event_id: str) -> tuple[Stream, int] | Awaitable[tuple[Stream, int] | None] | None:
        """The stream and the number of an event id; None where it is not (or no longer) known. What must be
        awaited first where answers are kept elsewhere.

        The session's own stream is known under the names that earlier listeners gave it, too: what they said
        is gone with them, what comes from now on is what the client misses.
        """
        key, _, digits = last_event_id.rpartition("_")
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 15:
            return None
        number = int(digits)
        if key.startswith(OWN) and key != self.own.key:
            return self.own, self.own_read
        stream = self.own if key == self.own.key else self._open(key) or self._kept.get(self.id, key)
        if stream is None or isinstance(stream, Stream):
            return _at(stream, number)
        return _once_found(stream, number)

    def _open(self, key: str) -> Stream | None:
        found = next((stream for stream in self.answering.values() if stream.key == key), None)
        if found is None:
            return next((_of(id, line) for id, line in self._sent.items() if request_stream(id) == key), None)
        return found if isinstance(found, Stream) else found.become_stream()

    def _say(self, line: bytes) -> None:
        self.own.push(line)

    def _route(self, line: bytes, about: Id | None, final: bool) -> None:
        stream = self.answering.get(about) if about is not None else None
        if stream is None:
            if line:
                self.own.push(line, is_answer=final)
            return
        if not isinstance(stream, Stream):
            if final and line and about is not None:
                del self.answering[about]
                stream.answered(line)
                return
            stream = stream.become_stream()
        if line:
            stream.push(line, is_answer=final)
        if final and about is not None:
            del self.answering[about]
            stream.owed -= 1
            if not stream.owed:
                stream.finish()
                if stream.is_empty:
                    # What is kept under its name is of an earlier request of this id.
                    self._unnamed(stream.key)
                elif self.kind == STREAMABLE:
                    self._put(stream)

    def end(self) -> None:
        """The session is over: every stream ends."""
        self.closed = True
        for stream in [self.own, *self.answering.values()]:
            (stream if isinstance(stream, Stream) else stream.become_stream()).finish()
        self.answering.clear()
        self._sent.clear()
        self._kept.forget(self.id)


def _of(id: Id, line: bytes) -> Stream:
    """The finished stream of an answer."""
    stream = Stream(request_stream(id))
    stream.push(line, is_answer=True)
    stream.finish()
    return stream


def _at(stream: Stream | None, number: int) -> tuple[Stream, int] | None:
    return (stream, number) if stream is not None and number <= stream.last else None


async def _once_found(waiting: Awaitable[Stream | None], number: int) -> tuple[Stream, int] | None:
    return _at(await waiting, number)
