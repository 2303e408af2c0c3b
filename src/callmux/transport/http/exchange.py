"""One HTTP request and its answer, over raw ASGI: headers by name, answers in one piece, refusals in one
form.

Called by everything in `callmux.transport.http` and by the routes of `callmux.admin`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import lru_cache, partial
from typing import Any, Protocol, TypeAlias
from urllib.parse import parse_qs

import msgspec

from callmux.guard.gate import Gate
from callmux.guard.grant import Grant
from callmux.guard.principal import Principal

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Route: TypeAlias = Callable[["Exchange"], Awaitable[None]]


class Tree(Protocol):
    """Everything below a path: pages of their own, with any method.

    Attributes:
        methods: What they take, for `Allow`.
    """

    methods: str

    async def __call__(self, exchange: Exchange) -> None:
        """Answers a request; raises `Refusal`."""

    def template(self, path: str) -> str:
        """What a path means, from a fixed list, for counting; empty where it means nothing."""


LEARN = "callmux.learn"
"""In the scope: takes what a head means, for the next requests of the connection that have the same."""
PREVIOUS = "callmux.previous"
"""In the scope: a list that lives as long as the connection."""
LOST = "callmux.lost"
"""In the scope: a list that is empty for as long as the connection lives."""
LEAVING = "callmux.leaving"
"""In the scope: a list of what is to be called when the connection ends."""
_READABLE = [
    (b"access-control-expose-headers", b"mcp-session-id, www-authenticate, x-request-id"),
    (b"vary", b"Origin"),
]
EVENT_STREAM = "text/event-stream"
JSON = "application/json"


SINGLE = frozenset(
    {
        "authorization",
        "content-encoding",
        "content-type",
        "host",
        "last-event-id",
        "mcp-protocol-version",
        "mcp-session-id",
        "origin",
    }
)
"""Headers that are given once, if at all, and so are those of ours: what reads the first of two and what
reads the last must not see different ones."""
OWN = "x-callmux-"


def _joined(pairs: list[tuple[bytes, bytes]]) -> tuple[dict[str, str], str | None]:
    """Headers of which some are given several times, as one list each (RFC 9110, section 5.3), and the name
    of one that must not be."""
    headers: dict[str, str] = {}
    wrong = None
    for key, value in pairs:
        name, text = key.decode("latin-1"), value.decode("latin-1")
        if name not in headers:
            headers[name] = text
        elif name in SINGLE or name.startswith(OWN):
            # RFC 9112, section 3.2: a second Host is never right, not even the same.
            wrong = name if name == "host" or headers[name] != text else wrong
        else:
            headers[name] = f"{headers[name]}, {text}"
    return headers, wrong


@lru_cache(maxsize=256)
def _accepted(accept: str) -> frozenset[str]:
    """The media types of ours that an `Accept` header takes."""
    named = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    return frozenset(
        kind for kind in (EVENT_STREAM, JSON) if named & {kind, kind.partition("/")[0] + "/*", "*/*"}
    )


class Exchange:
    """One request.

    Args:
        scope, receive, send: As ASGI gives them.
        request_id: Goes into every answer as `x-request-id`.
        closing: Whether the connection ends with the answer.

    Attributes:
        scheme: `http` or `https`.
        method: The HTTP method.
        path: The path, percent-decoded.
        query_string: What stands behind `?`, as it came.
        headers: The request's headers by lower-case name, a character a byte; several of one name as a list.
        repeated: The name of a header that is given several times and must not be.
        origin: Whose page may read the answer, where a page of another origin asks that we take.
        peer: The address it comes from, where that is known.
        principal: Who it is from, where that is asked.
        grant: What its credential gives.
        profile: The profile that its address names; empty for none.
        seen_host: The host that its browser asked for, where a proxy that we trust says so.
        seen_https: Whether such a proxy says that its browser speaks https.
        began: When its head was whole, by the monotonic clock.
        inside: The gate that let it in, and is to be told when its answer is over.
        learn: Takes its session and what it says beside its message, where its connection wants to know.
        status: That of the answer; 0 before there is one.
        body: What it brought, once it was read.
        finished: The whole answer was sent while the client was there.
    """

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, request_id: str, closing: bool = False
    ) -> None:
        self.scheme: str = scope.get("scheme", "http")
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.request_id = request_id
        self.closing = closing
        self.headers: dict[str, str] = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        self.repeated: str | None = None
        if len(self.headers) != len(scope["headers"]):
            self.headers, self.repeated = _joined(scope["headers"])
        self.origin: str | None = None
        self.receive = receive
        self.began = 0.0
        self.inside: Gate | None = None
        self.learn: Callable[[Exchange, Any, Any], None] | None = scope.get(LEARN)
        self._previous: list[Callable[[], None]] = scope.get(PREVIOUS, [])
        self._lost: list[bool] = scope.get(LOST, [])
        self._leaving: list[Callable[[], None]] = scope.get(LEAVING, [])
        client = scope.get("client")
        self.peer: str | None = client[0] if client else None
        self.query_string: bytes = scope.get("query_string", b"")
        self._send = send
        self.principal: Principal | None = None
        self.grant: Grant | None = None
        self.profile = ""
        self.seen_host: str | None = None
        self.seen_https = False
        self.status = 0
        self.body: bytes | None = None
        self.started = False
        self.finished = False

    def again(self, request_id: str, began: float) -> Exchange:
        """Another request with the same head on the same connection, before anything is known of who it is
        from. `carried_by` must be called before it is answered."""
        # A copy; that of the standard library is ten times as long.
        other = Exchange.__new__(Exchange)
        other.__dict__.update(self.__dict__)
        other.request_id, other.began = request_id, began
        other.principal = other.grant = other.inside = other.body = None
        other.status, other.started, other.finished = 0, False, False
        return other

    def carried_by(self, receive: Receive, send: Send, closing: bool) -> None:
        """Goes on with these; `closing` as for a new one."""
        self.receive, self._send, self.closing = receive, send, closing

    def confirm(self) -> None:
        """The client has all of what went out on this connection before: it asks again."""
        while self._previous:
            self._previous.pop()()

    def when_received(self, tell: Callable[[], None]) -> None:
        """Has `tell` called once it is certain that this answer has arrived; that may be never."""
        self._previous.append(tell)

    def when_left(self, tell: Callable[[], None]) -> Callable[[], None]:
        """Has `tell` called when the client ends the connection; gives what takes that back."""
        self._leaving.append(tell)
        if self._lost:
            tell()
        return partial(self._leaving.remove, tell)

    async def departure(self) -> None:
        """Waits until the client has closed the connection."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    def query(self, name: str) -> str | None:
        """The first value of a query parameter."""
        values = parse_qs(self.query_string.decode("latin-1")).get(name)
        return values[0] if values else None

    def text(self, name: str) -> str | None:
        """A header as text: UTF-8 where its bytes are that, else ISO 8859-1 (RFC 9110, section 5.5)."""
        value = self.headers.get(name)
        if value is None or value.isascii():
            return value
        try:
            return value.encode("latin-1").decode("utf-8")
        except UnicodeDecodeError:
            return value

    def accepts(self, kind: str) -> bool:
        """Whether the `Accept` header takes answers of this media type, `EVENT_STREAM` or `JSON`."""
        return kind in _accepted(self.headers.get("accept", ""))

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Sends the head."""
        self.started = True
        self.status = status
        pairs = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()]
        pairs.append((b"x-request-id", self.request_id.encode("latin-1")))
        if self.origin is not None:
            pairs += [(b"access-control-allow-origin", self.origin.encode("latin-1")), *_READABLE]
        if self.closing:
            pairs.append((b"connection", b"close"))
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})

    async def write(self, body: bytes, *, more: bool) -> None:
        """Sends a part of the body."""
        self.finished = not (more or self._lost)
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def answer(
        self, status: int, body: bytes = b"", kind: str = JSON, headers: Mapping[str, str] | None = None
    ) -> None:
        """Sends a whole answer."""
        head = {"content-length": str(len(body)), **(headers or {})}
        if body:
            head["content-type"] = kind
        await self.start(status, head)
        await self.write(body, more=False)

    async def answer_json(self, status: int, value: object, headers: Mapping[str, str] | None = None) -> None:
        """Sends a JSON value."""
        await self.answer(status, msgspec.json.encode(value), headers=headers)

    async def refuse(self, refusal: Refusal) -> None:
        """Sends what a refusal says."""
        if refusal.rpc_code is None:
            body: dict[str, Any] = {"error": refusal.message, **refusal.more, "requestId": self.request_id}
        else:
            error = {
                "code": refusal.rpc_code,
                "message": refusal.message,
                "data": {"requestId": self.request_id},
            }
            body = {"jsonrpc": "2.0", "error": error, "id": refusal.rpc_id}
        await self.answer_json(refusal.status, body, refusal.headers)


class Refusal(Exception):
    """A request that is answered with an HTTP error.

    Args:
        status: The HTTP status.
        message: What is wrong and what to do.
        rpc_code: The JSON-RPC error code, where the body is a JSON-RPC error.
        rpc_id: The id of the message it answers.
        headers: Further headers.
        more: Further members of a body that is no JSON-RPC error.
        limit: The limit that it is over, as the configuration calls it; None where that is not the reason.
    """

    def __init__(
        self,
        status: int,
        message: str,
        rpc_code: int | None = None,
        rpc_id: int | str | None = None,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, str] | None = None,
        limit: str | None = None,
    ) -> None:
        super().__init__(message)
        self.limit = limit
        self.status = status
        self.message = message
        self.rpc_code = rpc_code
        self.rpc_id = rpc_id
        self.headers = headers
        self.more = more or {}
