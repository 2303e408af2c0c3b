"""The protocol towards a server: requests out, answers and questions in, without I/O. Pure.

Called by `callmux.upstream.connection`, which feeds messages and sends what `outbox` holds. Ids are ours, one
count a link; a client's id never reaches a server. The request id also serves as the progress token, so
that progress finds its call. `TRANSITIONS` is the whole of what is legal.

How it works. `waiting` maps each request of ours to who waits for it, a value that only the shell
understands; an answer takes its entry out, so a second answer finds none. `questions` are the server's own
requests that we owe an answer. Giving a request up removes its entry and tells `unanswered`, because the
server may still be at work on it, and a late answer ends that doubt. `close` hands out everybody who still
waits: nobody is forgotten with the link.

What is ugly: the connection writes the line of a plain call itself, counts `last` on and enters who waits,
and takes a plain answer by `take`; both save a frame with every call, and make the rule "one id, one entry"
one of two modules. Ids that come back as text are understood here and not where messages are read.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.protocol import jsonrpc, versions
from callmux.protocol.jsonrpc import Failure, Id, Malformed, Notification, Request, Response, Single, own_id
from callmux.protocol.params import DISCOVER, members, optional_text, present
from callmux.protocol.peer import (
    CancellationReceived,
    Kinds,
    NotificationReceived,
    RequestReceived,
    State,
    cancellation,
)
from callmux.protocol.unanswered import Unanswered
from callmux.protocol.versions import Era


class Kind(Enum):
    __hash__ = object.__hash__

    PING = "ping"
    REQUEST = "request"
    PROGRESS = "notifications/progress"
    CANCELLED = "notifications/cancelled"
    NOTIFICATION = "notification"
    REPLY = "reply"
    MALFORMED = "malformed"


class Action(Enum):
    PONG = "answer at once"
    ASK = "hand the question over"
    PROGRESS = "hand the progress to its call"
    WITHDRAW = "take the question back"
    TELL = "hand the notification over"
    SETTLE = "hand the answer to its call"
    COUNT = "count the noise"
    DROP = "ignore"


_S, _K, _A = State, Kind, Action
_ALWAYS = {
    _K.PING: _A.PONG,
    _K.REQUEST: _A.ASK,
    _K.PROGRESS: _A.PROGRESS,
    _K.CANCELLED: _A.WITHDRAW,
    _K.NOTIFICATION: _A.TELL,
    _K.REPLY: _A.SETTLE,
    _K.MALFORMED: _A.COUNT,
}
_LEGACY = {
    # Before we greeted, a server may only talk to itself: banners on stdout, early log messages.
    **{(_S.NEW, k): _A.DROP for k in _K},
    (_S.NEW, _K.MALFORMED): _A.COUNT,
    **{(s, k): a for s in (_S.OPENING, _S.READY) for k, a in _ALWAYS.items()},
    **{(_S.CLOSED, k): _A.DROP for k in _K},
}
# What a server must not ask is dropped; what it cancels is a stream of ours (MCP 2026-07-28, basic/patterns).
_MODERN_ALWAYS = {**_ALWAYS, _K.PING: _A.DROP, _K.REQUEST: _A.DROP, _K.CANCELLED: _A.TELL}
_MODERN = {**_LEGACY, **{(_S.READY, k): a for k, a in _MODERN_ALWAYS.items()}}
TRANSITIONS: dict[Era, dict[tuple[State, Kind], Action]] = {Era.LEGACY: _LEGACY, Era.MODERN: _MODERN}
"""By the era of the connection: those that callmux speaks to servers."""


class ReplyReceived(msgspec.Struct, frozen=True):
    """The server answered our request `id`."""

    id: int
    result: Raw
    who: Any = None


class ErrorReceived(msgspec.Struct, frozen=True):
    """The server refused our request `id`; `error` is the raw member."""

    id: int
    error: Raw
    who: Any = None


class UnreadableReplyReceived(msgspec.Struct, frozen=True):
    """The server's answer to our request `id` cannot be read."""

    id: int
    message: str
    who: Any = None


class ProgressReceived(msgspec.Struct, frozen=True):
    """Progress of our request `id`; `params` as the server sent them."""

    id: int
    params: Raw
    who: Any = None


class NoiseReceived(msgspec.Struct, frozen=True):
    """Bytes that are no message and answer nothing, such as a log line on stdout."""

    message: str


Event: TypeAlias = (
    ReplyReceived
    | ErrorReceived
    | UnreadableReplyReceived
    | RequestReceived
    | CancellationReceived
    | ProgressReceived
    | NotificationReceived
    | NoiseReceived
)

KINDS = Kinds(
    requests={Kind.PING.value: Kind.PING},
    notifications={k.value: k for k in (Kind.PROGRESS, Kind.CANCELLED)},
    request=Kind.REQUEST,
    notification=Kind.NOTIFICATION,
    reply=Kind.REPLY,
    malformed=Kind.MALFORMED,
)


class _ProgressParams(msgspec.Struct, rename="camel"):
    progress_token: int | str | float


class Greeting(msgspec.Struct, rename="camel"):
    """The members of the answer to `initialize` that we read (MCP 2025-11-25, basic/lifecycle)."""

    protocol_version: str
    capabilities: dict[str, Raw] = {}
    server_info: Raw | UnsetType = UNSET
    instructions: str | None = None


class InitializeResult(msgspec.Struct):
    """What a server says of itself (MCP 2025-11-25, basic/lifecycle); `others` is what we do not read."""

    protocol_version: str
    capabilities: dict[str, Raw] = {}
    server_info: Raw | UnsetType = UNSET
    instructions: str | None = None
    others: dict[str, bytes] = {}


_PROGRESS = msgspec.json.Decoder(_ProgressParams)
_INITIALIZE = msgspec.json.Decoder(Greeting)
_READ = frozenset(Greeting.__struct_encode_fields__)


def read_greeting(result: bytes | Raw) -> Greeting:
    """The answer to `initialize`. What is null in it is not there.

    Raises:
        ValueError: It is none.
    """
    given = {name: raw for name, raw in members(result).items() if present(raw) is not None}
    declared = members(given.get("capabilities"))
    if any(present(raw) is None for raw in declared.values()):
        kept = {name: raw for name, raw in declared.items() if present(raw) is not None}
        given["capabilities"] = Raw(msgspec.json.encode(kept))
    try:
        return _INITIALIZE.decode(msgspec.json.encode(given))
    except msgspec.MsgspecError as error:
        raise ValueError(f"the answer to initialize cannot be read: {error}") from None


class UpstreamPeer:
    """Our end of the conversation with one server.

    Args:
        unanswered: Notes the requests that are given up, and answers that still come.
        era: That of the connection.

    Attributes:
        state: Where the conversation stands.
        outbox: Lines to send at once; the shell empties it after each `receive`.
        protocol_version: The revision agreed on; None before.
        questions: Ids of the server's questions that still wait for our answer.
        waiting: Who waits for the answer to which of our requests.
        last: The id of our latest request; who writes a line by itself counts on and enters who waits.
    """

    def __init__(self, unanswered: Unanswered | None = None, era: Era = Era.LEGACY) -> None:
        self.state = State.NEW
        self._rows = TRANSITIONS[era]
        self.outbox: list[bytes] = []
        self.protocol_version: str | None = None
        self.questions: set[Id] = set()
        self.waiting: dict[int, Any] = {}
        self.last = 0
        self._unanswered = Unanswered() if unanswered is None else unanswered

    def __repr__(self) -> str:
        return f"UpstreamPeer({self.state.value}, {len(self.waiting)} waiting)"

    def open(self, client_info: bytes, capabilities: bytes = b"{}", who: Any = None) -> tuple[int, bytes]:
        """Our `initialize` request: its id and its line. The answer goes to `opened`."""
        self.state = State.OPENING
        return self.request(
            "initialize",
            b'{"protocolVersion":"%b","capabilities":%b,"clientInfo":%b}'
            % (versions.LATEST_LEGACY.encode(), capabilities, client_info),
            who,
        )

    def probe(self, params: bytes, who: Any = None) -> tuple[int, bytes]:
        """Our `server/discover` request, which may be the first of all: its id and its line. What answers it
        goes to `discovered`, unless there is a handshake."""
        self.state = State.OPENING
        return self.request(DISCOVER, params, who)

    def discovered(self, revision: str) -> None:
        """There is no handshake: from here on each request names this revision."""
        self.protocol_version = revision
        self._rows = TRANSITIONS[Era.MODERN]
        self.state = State.READY

    def opened(self, result: bytes | Raw) -> tuple[InitializeResult, bytes]:
        """Reads the answer to `initialize`; gives it with the line that ends the handshake.

        Raises:
            ValueError: The answer is no such result, or offers a revision we do not speak.
        """
        read = read_greeting(result)
        if not versions.is_supported(read.protocol_version):
            raise ValueError(
                f"it uses the MCP revision {read.protocol_version!r}, which callmux does not support"
            )
        self.protocol_version = read.protocol_version
        self.state = State.READY
        others = {
            name: bytes(raw)
            for name, raw in members(result).items()
            if name not in _READ and present(raw) is not None
        }
        told = InitializeResult(
            read.protocol_version, read.capabilities, read.server_info, read.instructions, others
        )
        return told, jsonrpc.notification("notifications/initialized", None)

    def next_id(self) -> int:
        """The id the next request will have: also its progress token, which stands in its params."""
        return self.last + 1

    def request(self, method: str, params: bytes | Raw | None, who: Any = None) -> tuple[int, bytes]:
        """A request of ours: its id and its line.

        Args:
            who: Waits for the answer.
        """
        self.last = id = self.last + 1
        self.waiting[id] = who
        return id, jsonrpc.request(id, method, params)

    def take(self, id: Id) -> Any:
        """Who waits for the answer to our request `id`, which has come; None for an answer to nothing, a
        second answer, or a late one to a cancelled request."""
        return self.waiting.pop(id, None)  # type: ignore[arg-type]

    def cancel(self, id: int, reason: str | None, *, doubtful: bool = True) -> bytes | None:
        """The line that gives request `id` up (MCP 2025-11-25, basic/utilities/cancellation); None if it is
        answered already. A late answer is dropped. `initialize` must not be cancelled and is only forgotten.

        Args:
            reason: In words; None for none.
            doubtful: Whether the server may still be at work on it.
        """
        if id not in self.waiting:
            return None
        del self.waiting[id]
        if self.state is State.OPENING:
            return None
        if doubtful:
            self._unanswered.given_up(self, id)
        told = {"requestId": id} if reason is None else {"requestId": id, "reason": reason}
        params = msgspec.json.encode(told)
        return jsonrpc.notification("notifications/cancelled", params)

    def answer(self, id: Id, result: bytes | Raw) -> bytes | None:
        """The line that answers the server's question `id`; None if it was withdrawn."""
        if id not in self.questions:
            return None
        self.questions.discard(id)
        return jsonrpc.response(id, result)

    def refuse(self, id: Id, error: bytes | Raw) -> bytes | None:
        """The line that refuses the server's question `id`; None if it was withdrawn."""
        if id not in self.questions:
            return None
        self.questions.discard(id)
        return jsonrpc.failure_raw(id, error)

    def close(self) -> list[Any]:
        """The link is gone. Gives who waits for answers that will never come, the first request first."""
        self.state = State.CLOSED
        lost = list(self.waiting.values())
        self.waiting.clear()
        self.questions.clear()
        self._unanswered.gone(self)
        return lost

    def receive(self, message: Single) -> Event | None:
        """What `message` means; None where nothing is left to do."""
        # Nearly always an answer.
        kind = Kind.REPLY if type(message) is Response else KINDS.of(message)
        return self._act(self._rows[self.state, kind], message)

    def _act(self, action: Action, message: Single) -> Event | None:
        if isinstance(message, Response | Failure):
            # An answer to nothing, a second answer, or a late one to a cancelled request: nobody wants it.
            id = message.id
            if action is not Action.SETTLE or id not in self.waiting:
                # Some servers give a number back as text.
                id = own_id(id)
                if action is not Action.SETTLE or id not in self.waiting:
                    self._unanswered.answered(self, id)
                    return None
            assert isinstance(id, int)
            who = self.waiting.pop(id)
            if isinstance(message, Response):
                return ReplyReceived(id, message.result, who)
            return ErrorReceived(id, message.error, who)
        if isinstance(message, Malformed):
            if action is not Action.COUNT:
                return None
            if message.is_response and (own := own_id(message.id)) in self.waiting and own is not None:
                return UnreadableReplyReceived(own, message.message, self.waiting.pop(own))
            if not message.is_response and message.id is not None and message.id not in self.questions:
                self.outbox.append(jsonrpc.failure(message.id, message.code, message.message))
            return NoiseReceived(message.message)
        if isinstance(message, Request):
            # Two questions, one id: the answer to the first is the only one that id may get.
            if message.id in self.questions:
                return None
            if action is Action.PONG:
                self.outbox.append(jsonrpc.response(message.id, b"{}"))
            elif action is Action.ASK:
                self.questions.add(message.id)
                return RequestReceived(message.id, message.method, present(message.params))
            return None
        if action is Action.PROGRESS:
            return self._progress(message)
        if action is Action.WITHDRAW:
            return self._withdraw(message)
        return (
            NotificationReceived(message.method, present(message.params)) if action is Action.TELL else None
        )

    def _progress(self, message: Notification) -> Event | None:
        if message.params is None:
            return None
        try:
            token = _PROGRESS.decode(message.params).progress_token
        except msgspec.MsgspecError:
            return None
        if isinstance(token, float):
            token = int(token) if token.is_integer() else ""
        own = own_id(token)
        known = own is not None and own in self.waiting
        return ProgressReceived(own, message.params, self.waiting[own]) if known and own is not None else None

    def _withdraw(self, message: Notification) -> Event | None:
        given = cancellation(message.params)
        if given is None or given.request_id not in self.questions:
            return None
        self.questions.discard(given.request_id)
        return CancellationReceived(given.request_id, optional_text(given.reason))
