"""The protocol towards a client: what arrives, what may be answered, without I/O. Pure.

Called by `callmux.session.session`, which feeds messages and sends what `outbox` holds. What is legal is the
table `TRANSITIONS`: for each era, state and kind of message the next state and the action; nothing else
decides. It is lenient towards clients that skip the handshake, as older servers are: requests are served in
any state but CLOSED. A request of a revision without a handshake names that revision, and is handed over as
what it is, in every state: a client may speak both.

How it works. A message gives an era and a kind; the table gives the next state and an action; the action
gives an event for the session, lines in `outbox`, or nothing. `in_flight` is the promise: an id in it gets
one answer, by `answer` or `refuse`, and none once it was cancelled. A second request with an id in flight
is dropped, because its answer could not be told from the first one's. Our own questions have ids of their
own count; a reply to none of them is dropped.

What is ugly: `greeted` repeats the state for speed, and the session serves the usual request by it without
`receive`, so two places know that a tool call in a greeted session is served. The era of such a call is not
looked up here, for the same reason: whoever reads its other params does it.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw

from callmux.protocol import jsonrpc
from callmux.protocol.jsonrpc import Failure, Id, Malformed, Notification, Request, Response, Single, own_id
from callmux.protocol.params import members, names_revision, optional_text, present
from callmux.protocol.peer import (
    CancellationReceived,
    Kinds,
    NotificationReceived,
    RequestReceived,
    State,
    cancellation,
)
from callmux.protocol.versions import Era


class Kind(Enum):
    __hash__ = object.__hash__

    INITIALIZE = "initialize"
    INITIALIZED = "notifications/initialized"
    PING = "ping"
    DISCOVER = "server/discover"
    REQUEST = "request"
    CANCELLED = "notifications/cancelled"
    NOTIFICATION = "notification"
    REPLY = "reply"
    MALFORMED = "malformed"


class Action(Enum):
    OPEN = "tell the session to open"
    CONFIRM = "tell the session it is confirmed"
    PONG = "answer at once"
    SERVE = "hand the request over"
    STATELESS = "hand the request of a revision without a handshake over"
    CANCEL = "give the request up"
    TELL = "hand the notification over"
    DELIVER = "hand the reply to whoever asked"
    REFUSE = "answer with an error"
    DROP = "ignore"


_S, _K, _A = State, Kind, Action
_ALWAYS = {
    _K.PING: _A.PONG,
    _K.DISCOVER: _A.STATELESS,
    _K.REQUEST: _A.SERVE,
    _K.CANCELLED: _A.CANCEL,
    _K.NOTIFICATION: _A.TELL,
    _K.REPLY: _A.DELIVER,
    _K.MALFORMED: _A.REFUSE,
}
_LIVING = (_S.NEW, _S.OPENING, _S.READY)
_LEGACY = {
    # A client may greet again on the same link: it restarted behind a wrapper that kept the pipe.
    **{(s, _K.INITIALIZE): (_S.OPENING, _A.OPEN) for s in _LIVING},
    (_S.NEW, _K.INITIALIZED): (_S.NEW, _A.DROP),
    (_S.OPENING, _K.INITIALIZED): (_S.READY, _A.CONFIRM),
    (_S.READY, _K.INITIALIZED): (_S.READY, _A.DROP),
    **{(s, k): (s, a) for s in _LIVING for k, a in _ALWAYS.items()},
    **{(_S.CLOSED, k): (_S.CLOSED, _A.DROP) for k in _K},
}
# The era of a message is that of its request; what names no revision belongs to the era with a handshake.
_MODERN = _LEGACY | {(s, k): (s, _A.STATELESS) for s in _LIVING for k in (_K.PING, _K.DISCOVER, _K.REQUEST)}
TRANSITIONS: dict[Era, dict[tuple[State, Kind], tuple[State, Action]]] = {
    Era.LEGACY: _LEGACY,
    Era.MODERN: _MODERN,
}


class Opened(msgspec.Struct, frozen=True):
    """The client greeted; the session owes an answer to `id`."""

    id: Id
    params: Raw | None


class Confirmed(msgspec.Struct, frozen=True):
    """The handshake is done."""


class StatelessReceived(msgspec.Struct, frozen=True):
    """The client sent a request of a revision without a handshake. It counts as in flight once the shell has
    entered it."""

    request: Request


class ReplyReceived(msgspec.Struct, frozen=True):
    """The client answered our request `id`."""

    id: int
    answer: Response | Failure


Event: TypeAlias = (
    Opened
    | Confirmed
    | RequestReceived
    | StatelessReceived
    | CancellationReceived
    | NotificationReceived
    | ReplyReceived
)

KINDS = Kinds(
    requests={k.value: k for k in (Kind.INITIALIZE, Kind.PING, Kind.DISCOVER)},
    notifications={k.value: k for k in (Kind.INITIALIZED, Kind.CANCELLED)},
    request=Kind.REQUEST,
    notification=Kind.NOTIFICATION,
    reply=Kind.REPLY,
    malformed=Kind.MALFORMED,
)
_REQUESTS = KINDS.requests


class ClientPeer:
    """One client's end of the conversation.

    Attributes:
        greeted: It has begun, and not ended: a new request is served, whatever it is.
        closed: It has ended.
        outbox: Lines to send at once; the shell empties it after each `receive`.
        in_flight: The client's requests that still wait for their answer, by id: whatever the shell keeps of
            each.
    """

    def __init__(self) -> None:
        self.state = State.NEW
        self.outbox: list[bytes] = []
        self.in_flight: dict[Id, Any] = {}
        self._asked: set[int] = set()
        self._next = 0

    def __repr__(self) -> str:
        return f"ClientPeer({self.state.value}, {len(self.in_flight)} in flight, {len(self._asked)} asked)"

    @property
    def state(self) -> State:
        """Where the conversation stands."""
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        self._state = state
        self.greeted = state is State.READY or state is State.OPENING
        self.closed = state is State.CLOSED

    def receive(self, message: Single) -> Event | None:
        """What `message` means for the session; None where nothing is left to do."""
        if type(message) is Request:
            era = self._era(message)
            # Nearly always none of these.
            kind = _REQUESTS.get(message.method, Kind.REQUEST)
        else:
            era, kind = Era.LEGACY, KINDS.of(message)
        after, action = TRANSITIONS[era][self.state, kind]
        if after is not self.state:
            self.state = after
        return self._act(action, message)

    def _era(self, request: Request) -> Era:
        if request.method == "initialize" or (request.method == "tools/call" and self.state is not State.NEW):
            # Whoever reads the other params of a tool call sees it: they are not read twice.
            return Era.LEGACY
        return Era.MODERN if names_revision(members(request.params).get("_meta")) else Era.LEGACY

    def _act(self, action: Action, message: Single) -> Event | None:
        if isinstance(message, Request):
            # Two requests, one id: the answer to the first is the only one that id may get.
            if message.id in self.in_flight:
                return None
            if action is Action.STATELESS:
                return StatelessReceived(message)
            if action is Action.PONG:
                self.outbox.append(jsonrpc.response(message.id, b"{}"))
                return None
            if action in (Action.SERVE, Action.OPEN):
                self.in_flight[message.id] = None
                if action is Action.OPEN:
                    return Opened(message.id, present(message.params))
                params = message.params
                return RequestReceived(
                    message.id, message.method, params if message.method == "tools/call" else present(params)
                )
        elif isinstance(message, Notification):
            if action is Action.CONFIRM:
                return Confirmed()
            if action is Action.CANCEL:
                return self._cancel(message.params)
            if action is Action.TELL:
                return NotificationReceived(message.method, present(message.params))
        elif isinstance(message, Malformed):
            if action is not Action.REFUSE:
                return None
            if message.id is None or not message.is_response:
                if message.id not in self.in_flight:
                    self.outbox.append(jsonrpc.failure(message.id, message.code, message.message))
            elif (own := own_id(message.id)) in self._asked and own is not None:
                self._asked.discard(own)
                raw = Raw(msgspec.json.encode({"code": message.code, "message": message.message}))
                return ReplyReceived(own, Failure(own, raw))
        elif action is Action.DELIVER and (own := own_id(message.id)) in self._asked and own is not None:
            self._asked.discard(own)
            if isinstance(message, Response) and present(message.result) is None:
                return ReplyReceived(own, Response(own, Raw(b"{}")))
            return ReplyReceived(own, message)
        return None

    def _cancel(self, params: Raw | None) -> Event | None:
        given = cancellation(params)
        if given is None or given.request_id not in self.in_flight:
            return None
        who = self.in_flight.pop(given.request_id)
        return CancellationReceived(given.request_id, optional_text(given.reason), who)

    def answer(self, id: Id, result: bytes | Raw) -> bytes | None:
        """The line that answers request `id`; None if it was cancelled meanwhile."""
        if id not in self.in_flight:
            return None
        # First the line: where it cannot be built, the request is still owed an answer.
        line = jsonrpc.response(id, result)
        del self.in_flight[id]
        return line

    def refuse(self, id: Id, error: bytes | Raw) -> bytes | None:
        """The line that refuses request `id` with this `error` member; None if it was cancelled meanwhile."""
        if id not in self.in_flight:
            return None
        line = jsonrpc.failure_raw(id, error)
        del self.in_flight[id]
        return line

    def next_id(self) -> int:
        """The id our next request will have: also its progress token, which stands in its params."""
        return self._next + 1

    def begin_ids_at(self, id: int) -> None:
        """Our requests have higher ids than this from here on: another process may have used the lower ones,
        and what answers those must not be taken for an answer to ours."""
        self._next = id

    def knows(self, message: Single) -> bool:
        """Whether an answer, or the cancellation of a request, is about something in flight here; what is
        neither is about nothing in particular, and known."""
        if isinstance(message, Response | Failure):
            return own_id(message.id) in self._asked
        if isinstance(message, Notification) and message.method == Kind.CANCELLED.value:
            given = cancellation(message.params)
            return given is not None and given.request_id in self.in_flight
        return True

    def ask(self, method: str, params: bytes | Raw | None) -> tuple[int, bytes]:
        """A request of ours: its id and its line. The answer comes as `ReplyReceived`."""
        self._next += 1
        self._asked.add(self._next)
        return self._next, jsonrpc.request(self._next, method, params)

    def forget(self, id: int) -> None:
        """Nobody waits for the answer to our request `id` any more."""
        self._asked.discard(id)

    def close(self) -> None:
        """The link is gone: nothing is answered from here on."""
        self.state = State.CLOSED
        self.in_flight.clear()
        self._asked.clear()
