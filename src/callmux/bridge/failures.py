"""What can go wrong between bridge and listener, and what a client is told about it. Pure.

Raised by `client` and `link`; `relay` decides what is sent again. The line that matters is whether the
listener can have begun with the request: `started`, as `callmux.protocol.http_client` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import msgspec
from msgspec import Raw

from callmux.errors import CallmuxError
from callmux.protocol import jsonrpc
from callmux.protocol.failure_points import PROOFS, TABLE, Carrier, Known, Point, Session
from callmux.protocol.http_answer import is_error_of
from callmux.protocol.http_client import refusal_point, session_refused
from callmux.protocol.jsonrpc import Failure, Response, RpcError
from callmux.protocol.shapes import Result
from callmux.rings.envelope import failed, failure

UNAVAILABLE = -32000
"""The JSON-RPC code for a request that is no tool call and could not be carried."""


class Reason(Enum):
    """Kinds of failure: what the bridge does about each differs."""

    UNREACHABLE = "there was no connection"
    SESSION = "the listener does not know the session"
    BUSY = "it asks to come back later"
    BROKEN = "the connection broke"
    LATE = "there was no answer in time"
    REFUSED = "it said no"


_POINTS = {
    Reason.UNREACHABLE: Point.NO_CONNECTION,
    Reason.SESSION: Point.NO_SESSION,
    Reason.BUSY: Point.BUSY,
    Reason.BROKEN: Point.CUT,
    Reason.LATE: Point.LATE,
    Reason.REFUSED: Point.REFUSED,
}
"""What is known where nothing more is said."""


class LinkFailure(Exception):
    """A request that was not answered.

    Args:
        reason: What happened.
        message: The same in words. Never a secret.
        status: The HTTP status, where there was one.
        wait: Seconds the listener asks to wait, where it does.
        known: What is known of the request and the session.
        location: Where the answer sends the request on.
        point: Where the request stands, where that is known more closely.

    Attributes:
        stood: Seconds of the request that do not count: a person was asked meanwhile.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        status: int | None = None,
        wait: float | None = None,
        known: Known | None = None,
        location: str | None = None,
        point: Point | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.status = status
        self.wait = wait
        self.known = TABLE[Carrier.BRIDGE, _POINTS[reason]] if known is None else known
        self.location = location
        self.stood = 0.0
        self.point = _POINTS[reason] if point is None else point

    @property
    def started(self) -> bool:
        """Whether the listener may have begun with it."""
        return self.known.begun

    @property
    def untaken(self) -> bool:
        """Whether it is proved that nobody took it, so that it may be sent again whatever it does."""
        return self.known.again

    @property
    def over(self) -> bool:
        """Whether the session is forgotten."""
        return self.known.session is Session.OVER

    @property
    def doubted(self) -> bool:
        """Whether the session may be forgotten."""
        return self.known.session is Session.DOUBTED

    def forgotten(self, ping: Point) -> LinkFailure:
        """The same failure, of a session that the listener was found to have forgotten.

        Args:
            ping: Where the ping stands that was refused.
        """
        message = f"the listener no longer knows the session; it said: {self.message}"
        is_proved = PROOFS.get(self.point, ping) is ping
        about = self.known if is_proved else TABLE[Carrier.BRIDGE, Point.REFUSED]
        about = about._replace(session=Session.OVER)
        return LinkFailure(Reason.SESSION, message, status=self.status, known=about)

    def of_ping(self) -> Point | None:
        """Where a ping stands that failed so; None where that says nothing of the session."""
        status, later = self.status, self.wait is not None
        if status is None or not session_refused(status, retry_after=later):
            return None
        return Point.NO_SESSION if status == 404 else self.point

    def remembered(self) -> LinkFailure:
        """The same failure, of a session that the listener was found to know still."""
        if not self.untaken:
            return self
        # Its words were about something else: they prove nothing.
        about = TABLE[Carrier.BRIDGE, Point.REFUSED]
        return LinkFailure(self.reason, self.message, status=self.status, wait=self.wait, known=about)

    def pause(self, attempts: int) -> float:
        """Seconds before the next attempt to reach a listener that asks to come back later.

        One that is being replaced (503) may be back at any moment: what it asks for is the most we wait, not
        the least. One that limits us (429) is obeyed.
        """
        own = min(0.05 * 2.0**attempts, 2.0)
        if self.wait is None:
            return own
        return min(own, self.wait) if self.status == 503 else self.wait

    @property
    def passes(self) -> bool:
        """Whether it is about the way to the listener, so that another attempt may fare better."""
        return self.reason is not Reason.REFUSED


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is no success.

    Attributes:
        status: The HTTP status.
        body: The beginning of the body.
        headers: By lower-case name.
    """

    status: int
    body: bytes = b""
    headers: Mapping[bytes, bytes] = {}


def of_refusal(refusal: Refusal, *, named: bool, ours: bool = False, about: int | None = None) -> LinkFailure:
    """What an HTTP status that is no success means.

    Args:
        named: Whether the request named a session.
        ours: Whether the listener is a callmux, which refuses before it looks at a request.
        about: The request's own id, where it has one.
    """
    status, headers, said = refusal.status, refusal.headers, _said(refusal.body)
    challenged, answered = b"www-authenticate" in headers, is_error_of(refusal.body, about)
    point = refusal_point(status, refusal.body, named=named, challenged=challenged, answered=answered)
    retry_after = headers.get(b"retry-after")
    if point is Point.BUSY and ours and retry_after is not None:
        point = Point.DECLINED
    # What a tool may say of its own proves nothing yet.
    known = TABLE[Carrier.BRIDGE, point]
    if point is Point.NO_SESSION:
        message = "the listener no longer knows the session"
        return LinkFailure(Reason.SESSION, message, status=status, known=known, point=point)
    if status in (429, 503):
        wait = float(retry_after) if retry_after is not None and retry_after.isdigit() else None
        message = f"the listener is busy (HTTP {status}){said}"
        return LinkFailure(Reason.BUSY, message, status=status, wait=wait, known=known, point=point)
    if status in (500, 502, 504):
        # A listener that is being stopped, or something before it, gave up half-way.
        message = f"the listener lost the request (HTTP {status}){said}"
        return LinkFailure(Reason.BROKEN, message, status=status, known=known, point=point)
    advice = ""
    if status in (401, 403):
        advice = ". Give a token: CALLMUX_TOKEN, --token-file, or --header Authorization"
    elif 300 <= status < 400:
        advice = ". It redirects to where callmux does not follow: put the new address into --url"
    elif point is Point.NOT_FOUND:
        advice = ". Is the path of --url right? It is usually /mcp"
    message = f"the listener refused the request (HTTP {status}){said}{advice}"
    location = headers.get(b"location", b"").decode("latin-1") or None
    return LinkFailure(Reason.REFUSED, message, status=status, known=known, point=point, location=location)


def _said(body: bytes) -> str:
    text = body[:300].decode("utf-8", "replace").strip()
    message = jsonrpc.parse(body) if text.startswith("{") else None
    if isinstance(message, Failure):
        text = _plain(message.error) or jsonrpc.read_error(message.error).message
    if text.startswith("<"):
        return ". What answers there is not MCP: it sent a web page"
    return f": {text}" if text else ""


def _plain(error: Raw) -> str:
    """An error that is a string, as refusals before the protocol have it; empty for any other."""
    try:
        return msgspec.json.decode(error, type=str)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return ""


class BridgeUnavailable(CallmuxError):
    """The way to the listener failed."""

    code = "bridge_upstream_unavailable"


class BridgeCallFailed(CallmuxError):
    """The listener refused the call."""

    code = "bridge_tool_call_failed"


class GivenUp(Exception):
    """A request that will not be sent again.

    Args:
        last: Why the last attempt failed.
        started: Whether some attempt may have begun.
        attempts: How many there were.
        safe: Whether sending it again does no harm.
    """

    def __init__(self, last: LinkFailure, *, started: bool, attempts: int, safe: bool) -> None:
        super().__init__(last.message)
        self.last = last
        self.started = started
        self.attempts = attempts
        self.safe = safe

    def as_error(self, url: str, tool: str | None) -> CallmuxError:
        """The error as clients of callmux know it."""
        kind = BridgeUnavailable if self.last.passes else BridgeCallFailed
        return kind(
            f"{self.last.message} ({url})",
            tool=tool,
            url=url,
            retryable=self.last.passes,
            safeToRetry=not self.started or self.safe,
            executionState="unknown" if self.started else "not_started",
            retryAttempted=True if self.attempts > 1 else None,
            lastConnectError=self.last.message if self.last.reason is Reason.UNREACHABLE else None,
        )

    def as_result(self, url: str, tool: str) -> Result:
        """The answer to a tool call."""
        return failure(self.as_error(url, tool))

    def as_rpc(self, url: str) -> RpcError:
        """The answer to any other request."""
        error = self.as_error(url, None)
        return RpcError(UNAVAILABLE, error.message, {"code": error.code, **error.details})


def unsure(answer: Response | Failure) -> Response | Failure:
    """The listener's answer to a call of which an earlier attempt may have begun: where the listener says of
    its own attempt that it did not begin, nobody knows that of the call."""
    if not isinstance(answer, Response) or b"not_started" not in bytes(answer.result):
        return answer
    try:
        said = msgspec.json.decode(answer.result, type=_Told)
    except msgspec.MsgspecError:
        return answer
    told = said.structuredContent.error
    if not said.isError or told.details.get("executionState") != "not_started":
        return answer
    details = {**told.details, "executionState": "unknown"}
    return Response(
        answer.id, Raw(failed({"code": told.code, "message": told.message, "details": details}).raw)
    )


class _ToldError(msgspec.Struct):
    code: str
    message: str
    details: dict[str, Any]


class _ToldContent(msgspec.Struct):
    error: _ToldError


class _Told(msgspec.Struct):
    """A failed call, as callmux tells it."""

    structuredContent: _ToldContent
    isError: bool = False


def as_error(answer: Failure) -> RpcError:
    """What the listener refuses with."""
    error = jsonrpc.read_error(answer.error)
    return RpcError(error.code, error.message, error.data)
