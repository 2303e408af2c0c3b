"""What can go wrong between bridge and listener, and what a client is told about it. Pure.

Raised by `client` and `link`; `relay` decides by the reason what is sent again. The line that matters is
whether the listener can have begun with the request: `started`.
"""

from __future__ import annotations

from enum import Enum

from callmux.errors import CallmuxError
from callmux.protocol import jsonrpc
from callmux.protocol.jsonrpc import Failure, RpcError
from callmux.protocol.shapes import Result
from callmux.rings.envelope import failure

UNAVAILABLE = -32000
"""The JSON-RPC code for a request that is no tool call and could not be carried."""


class Reason(Enum):
    """Kinds of failure; the value says what the listener has seen of the request."""

    UNREACHABLE = "nothing: there was no connection"
    SESSION = "nothing: it does not know the session"
    BUSY = "nothing: it asks to come back later"
    BROKEN = "perhaps all of it: the connection broke"
    LATE = "perhaps all of it: there was no answer in time"
    REFUSED = "it said no"


class LinkFailure(Exception):
    """A request that was not answered.

    Args:
        reason: What happened.
        message: The same in words. Never a secret.
        status: The HTTP status, where there was one.
        wait: Seconds the listener asks to wait, where it does.
    """

    def __init__(
        self, reason: Reason, message: str, *, status: int | None = None, wait: float | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.status = status
        self.wait = wait

    @property
    def started(self) -> bool:
        """The listener may have begun with it."""
        return self.reason in (Reason.BROKEN, Reason.LATE) or (
            self.reason is Reason.REFUSED and (self.status or 0) >= 500
        )

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
        """It is about the way to the listener, so that another attempt may fare better."""
        return self.reason is not Reason.REFUSED


def of_status(status: int, body: bytes, retry_after: bytes | None, *, session: bool) -> LinkFailure:
    """What an HTTP status that is no success means.

    Args:
        body: The beginning of the body.
        session: The request named a session.
    """
    said = _said(body)
    if status == 404 and session:
        return LinkFailure(Reason.SESSION, "the listener no longer knows the session", status=status)
    if status in (429, 503):
        wait = float(retry_after) if retry_after is not None and retry_after.isdigit() else None
        return LinkFailure(
            Reason.BUSY, f"the listener is busy (HTTP {status}){said}", status=status, wait=wait
        )
    if status in (500, 502, 504):
        # A listener that is being stopped, or something before it, gave up half-way.
        message = f"the listener lost the request (HTTP {status}){said}"
        return LinkFailure(Reason.BROKEN, message, status=status)
    advice = ""
    if status in (401, 403):
        advice = ". Give a token: CALLMUX_TOKEN, --token-file, or --header Authorization"
    elif 300 <= status < 400:
        advice = ". It redirects: put the new address into --url"
    elif status == 404:
        advice = ". Is the path of --url right? It is usually /mcp"
    return LinkFailure(
        Reason.REFUSED, f"the listener refused the request (HTTP {status}){said}{advice}", status=status
    )


def _said(body: bytes) -> str:
    text = body[:300].decode("utf-8", "replace").strip()
    message = jsonrpc.parse(body) if text.startswith("{") else None
    if isinstance(message, Failure):
        text = jsonrpc.read_error(message.error).message
    return f": {text}" if text else ""


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
        started: Some attempt may have begun.
        attempts: How many there were.
        safe: Sending it again does no harm.
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
