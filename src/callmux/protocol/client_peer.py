"""The protocol towards a client: what arrives, what may be answered, without I/O. Pure.

Called by `callmux.session.session`, which feeds messages and sends what `outbox` holds. What is legal is the
table `TRANSITIONS`: for each state and kind of message the next state and the action; nothing else decides.
It is lenient towards clients that skip the handshake, as older servers are: requests are served in any
state but CLOSED. A request of a revision without a handshake is refused at once, so that its client can fall
back to one that we speak, without waiting for any server.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw

from callmux.protocol import jsonrpc
from callmux.protocol.jsonrpc import Failure, Id, Malformed, Notification, Request, Response, Single, own_id
from callmux.protocol.params import members, names_revision, optional_text, present


class State(Enum):
    __hash__ = object.__hash__  # looked up for every message; Enum's own hash runs in Python

    NEW = "new"
    OPENING = "opening"
    READY = "ready"
    CLOSED = "closed"


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
    DECLINE = "answer that there is no such method"
    CANCEL = "give the request up"
    TELL = "hand the notification over"
    DELIVER = "hand the reply to whoever asked"
    REFUSE = "answer with an error"
    DROP = "ignore"


_S, _K, _A = State, Kind, Action
_ALWAYS = {
    _K.PING: _A.PONG,
    _K.DISCOVER: _A.DECLINE,
    _K.REQUEST: _A.SERVE,
    _K.CANCELLED: _A.CANCEL,
    _K.NOTIFICATION: _A.TELL,
    _K.REPLY: _A.DELIVER,
    _K.MALFORMED: _A.REFUSE,
}
TRANSITIONS: dict[tuple[State, Kind], tuple[State, Action]] = {
    # A client may greet again on the same link: it restarted behind a wrapper that kept the pipe.
    **{(s, _K.INITIALIZE): (_S.OPENING, _A.OPEN) for s in (_S.NEW, _S.OPENING, _S.READY)},
    (_S.NEW, _K.INITIALIZED): (_S.NEW, _A.DROP),
    (_S.OPENING, _K.INITIALIZED): (_S.READY, _A.CONFIRM),
    (_S.READY, _K.INITIALIZED): (_S.READY, _A.DROP),
    **{(s, k): (s, a) for s in (_S.NEW, _S.OPENING, _S.READY) for k, a in _ALWAYS.items()},
    **{(_S.CLOSED, k): (_S.CLOSED, _A.DROP) for k in _K},
}


class Opened(msgspec.Struct, frozen=True):
    """The client greeted; the session owes an answer to `id`."""

    id: Id
    params: Raw | None


class Confirmed(msgspec.Struct, frozen=True):
    """The handshake is done."""


class Called(msgspec.Struct, frozen=True):
    """The client asks; the session owes an answer to `id` unless it is cancelled."""

    id: Id
    method: str
    params: Raw | None


class Cancelled(msgspec.Struct, frozen=True):
    """The client gave the request `id` up; it gets no answer. `reason` is its own, if it gave one; `who` is
    what the shell kept of the request."""

    id: Id
    reason: str | None = None
    who: Any = None


class Told(msgspec.Struct, frozen=True):
    """The client tells us something."""

    method: str
    params: Raw | None


class Replied(msgspec.Struct, frozen=True):
    """The client answered our request `id`."""

    id: int
    answer: Response | Failure


Event: TypeAlias = Opened | Confirmed | Called | Cancelled | Told | Replied

_KINDS = {k.value: k for k in (Kind.INITIALIZE, Kind.INITIALIZED, Kind.PING, Kind.DISCOVER, Kind.CANCELLED)}


class _CancelParams(msgspec.Struct, rename="camel"):
    request_id: int | str
    reason: Raw = Raw(b"null")


_CANCEL = msgspec.json.Decoder(_CancelParams)


def _given_up(params: Raw | None) -> _CancelParams | None:
    """The request that a cancellation is about; None where it names none."""
    try:
        return _CANCEL.decode(params if params is not None else b"{}")
    except msgspec.MsgspecError:
        return None


def declined(method: str) -> str:
    """What is answered to a request of a revision without a handshake."""
    return f"method not found: {method}: callmux speaks the revisions of MCP that begin with initialize"


class ClientPeer:
    """One client's end of the conversation.

    Attributes:
        greeted: It has begun, and not ended: a new request is served, whatever it is.
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

    def receive(self, message: Single) -> Event | None:
        """What `message` means for the session; None where nothing is left to do."""
        if type(message) is Request and message.method not in _KINDS:
            # Nearly always; `match` would cost as much as all the rest.
            return self._act(TRANSITIONS[self.state, Kind.REQUEST][1], message)
        match message:
            case Request():
                kind = _KINDS.get(message.method, Kind.REQUEST)
            case Notification():
                kind = _KINDS.get(message.method, Kind.NOTIFICATION)
            case Response() | Failure():
                kind = Kind.REPLY
            case Malformed():
                kind = Kind.MALFORMED
        if isinstance(message, Request) and kind in (Kind.INITIALIZED, Kind.CANCELLED):
            kind = Kind.REQUEST
        elif isinstance(message, Notification) and kind in (Kind.INITIALIZE, Kind.PING, Kind.DISCOVER):
            kind = Kind.NOTIFICATION
        self.state, action = TRANSITIONS[self.state, kind]
        return self._act(action, message)

    def _act(self, action: Action, message: Single) -> Event | None:
        if isinstance(message, Request):
            # Two requests, one id: the answer to the first is the only one that id may get.
            if message.id in self.in_flight:
                return None
            if action is Action.OPEN or (message.method == "tools/call" and self.state is not State.NEW):
                # Whoever reads the other params of a tool call sees it: they are not read twice.
                foreign = False
            else:
                foreign = names_revision(members(message.params).get("_meta"))
            if action is not Action.DROP and (foreign or action is Action.DECLINE):
                told = declined(message.method)
                self.outbox.append(jsonrpc.failure(message.id, jsonrpc.METHOD_NOT_FOUND, told))
                return None
            if action is Action.PONG:
                self.outbox.append(jsonrpc.response(message.id, b"{}"))
                return None
            if action in (Action.SERVE, Action.OPEN):
                self.in_flight[message.id] = None
                if action is Action.OPEN:
                    return Opened(message.id, present(message.params))
                params = message.params
                return Called(
                    message.id, message.method, params if message.method == "tools/call" else present(params)
                )
        elif isinstance(message, Notification):
            if action is Action.CONFIRM:
                return Confirmed()
            if action is Action.CANCEL:
                return self._cancel(message.params)
            if action is Action.TELL:
                return Told(message.method, present(message.params))
        elif isinstance(message, Malformed):
            if action is not Action.REFUSE:
                return None
            if message.id is None or not message.is_response:
                if message.id not in self.in_flight:
                    self.outbox.append(jsonrpc.failure(message.id, message.code, message.message))
            elif (own := own_id(message.id)) in self._asked and own is not None:
                self._asked.discard(own)
                raw = Raw(msgspec.json.encode({"code": message.code, "message": message.message}))
                return Replied(own, Failure(own, raw))
        elif action is Action.DELIVER and (own := own_id(message.id)) in self._asked and own is not None:
            self._asked.discard(own)
            if isinstance(message, Response) and present(message.result) is None:
                return Replied(own, Response(own, Raw(b"{}")))
            return Replied(own, message)
        return None

    def _cancel(self, params: Raw | None) -> Event | None:
        given = _given_up(params)
        if given is None or given.request_id not in self.in_flight:
            return None
        who = self.in_flight.pop(given.request_id)
        return Cancelled(given.request_id, optional_text(given.reason), who)

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
            given = _given_up(message.params)
            return given is not None and given.request_id in self.in_flight
        return True

    def ask(self, method: str, params: bytes | Raw | None) -> tuple[int, bytes]:
        """A request of ours: its id and its line. The answer comes as `Replied`."""
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
