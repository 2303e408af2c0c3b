"""How calls fail, by type, code and status: never by words in a message. Pure.

Raised by links and connections as `CallFailure`; read by the retrying stage, which decides from `retryable`
and `state` alone, and by `to_error`, which says it to the caller.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

import msgspec
from msgspec import Raw, UnsetType

from callmux.config.veil import Veil
from callmux.errors import (
    CallmuxError,
    ScopedClientCapacity,
    SignInRequired,
    ToolCallFailed,
    UpstreamUnavailable,
)
from callmux.protocol.jsonrpc import ErrorObject, read_error


class Category(Enum):
    """What kind of failure it was: the `category` of `tool_call_failed`."""

    TIMEOUT = "timeout"
    PROTOCOL = "protocol"
    SESSION = "session"
    AUTHORIZATION = "authorization"
    TRANSPORT = "transport"
    UNKNOWN = "unknown"


_RETRYABLE = frozenset({Category.TIMEOUT, Category.PROTOCOL, Category.SESSION, Category.TRANSPORT})
_SHOWN = (
    "state",
    "lastError",
    "lastFailureAt",
    "lastConnectedAt",
    "consecutiveFailures",
    "reconnectAttempts",
    "nextRetryAt",
)
_PHRASES = {
    Category.PROTOCOL: "downstream protocol error: ",
    Category.SESSION: "downstream session error: ",
    Category.AUTHORIZATION: "downstream authorization error: ",
    Category.TRANSPORT: "downstream transport error: ",
}


class CallFailure(Exception):
    """A call that brought no result.

    Args:
        category: What kind of failure.
        cause: The innermost reason in words.
        started: Whether the server may have begun to work; False only where nothing reached it.
        rpc: The JSON-RPC error, where the server answered with one.
        raw: That error as it came.
        over: Whether the server has forgotten the session, so that the next attempt goes to a new one.
        untaken: It is proved that nobody took it, so that sending it again does nothing twice; by default,
            where it has not started.
        lasting: Whether it will not go away by itself: a program that is not there needs somebody to put it
            there.
        sign_in: Whether a person must sign in to the server; the cause says how.
    """

    def __init__(
        self,
        category: Category,
        cause: str,
        *,
        started: bool = True,
        rpc: ErrorObject | None = None,
        raw: bytes | None = None,
        over: bool = False,
        untaken: bool | None = None,
        lasting: bool = False,
        sign_in: bool = False,
    ) -> None:
        super().__init__(cause)
        self.category = category
        self.cause = cause
        self.started = started
        self.rpc = rpc
        self.raw = raw
        self.over = over
        self.untaken = not started if untaken is None else untaken
        self.lasting = lasting
        self.sign_in = sign_in

    def behind(self, veil: Veil) -> CallFailure:
        """The same failure without the secrets that the veil knows."""
        cause, raw, rpc = veil.hide(self.cause), self.raw, self.rpc
        if raw is not None and (hidden := _hidden(raw, veil)) != raw:
            raw, rpc = hidden, read_error(Raw(hidden))
        if cause == self.cause and raw is self.raw:
            return self
        other = CallFailure(self.category, cause)
        other.__dict__.update({**self.__dict__, "cause": cause, "raw": raw, "rpc": rpc})
        return other

    def until(self, seconds: float) -> CallFailure:
        """The same failure for whoever comes before it is tried again."""
        cause = f"{self.cause}; the first call in {math.ceil(seconds)} s tries again"
        other = CallFailure(self.category, cause)
        other.__dict__.update({**self.__dict__, "cause": cause, "started": False, "untaken": True})
        return other

    @property
    def retryable(self) -> bool:
        """Whether a second attempt could go better. A server's own refusal never does, unless it was about
        the session."""
        return self.over or self.category in _RETRYABLE

    def repeatable(self, safe: bool) -> bool:
        """Whether the call may be sent again.

        Args:
            safe: Whether it may be carried out twice without harm.
        """
        return self.retryable and (safe or self.untaken)

    @property
    def execution_state(self) -> str:
        return "unknown" if self.started else "not_started"


def timed_out(what: str, milliseconds: float, *, started: bool = True) -> CallFailure:
    """A request that took longer than it may."""
    return CallFailure(Category.TIMEOUT, f"{what} timed out after {milliseconds:.0f} ms", started=started)


def late(transport: str, what: str, milliseconds: float) -> CallFailure:
    """A request that was sent over `transport`, and whose time is up."""
    from callmux.protocol.failure_points import Point, may_have_begun

    return timed_out(what, milliseconds, started=may_have_begun(transport, Point.LATE))


def ended(transport: str, why: CallFailure) -> CallFailure:
    """A request that was under way over `transport` when the link ended."""
    from callmux.protocol.failure_points import Point, may_have_begun

    return CallFailure(why.category, why.cause, started=may_have_begun(transport, Point.ENDED))


def lost(reason: str, *, started: bool, untaken: bool | None = None) -> CallFailure:
    """A link that ended under a request."""
    return CallFailure(Category.TRANSPORT, reason, started=started, untaken=untaken)


def refused(raw: Raw, veil: Veil | None = None) -> CallFailure:
    """A server's own JSON-RPC error: it is up and said no.

    Args:
        veil: Knows the server's secrets, which it may repeat.
    """
    error = read_error(raw)
    cause = error.message or f"JSON-RPC error {error.code}"
    failure = CallFailure(Category.UNKNOWN, cause, rpc=error, raw=bytes(raw))
    return failure if veil is None else failure.behind(veil)


def _hidden(raw: bytes, veil: Veil) -> bytes:
    """A JSON-RPC error as it came, or without the secrets that are known."""
    text = raw.decode("utf-8", "replace")
    if veil.hide_known(text) == text:
        return raw
    return msgspec.json.encode(_masked(msgspec.json.decode(raw), veil))


def _masked(value: Any, veil: Veil) -> Any:
    if isinstance(value, str):
        return veil.hide_known(value)
    if isinstance(value, list):
        return [_masked(item, veil) for item in value]
    if isinstance(value, dict):
        return {veil.hide_known(key): _masked(item, veil) for key, item in value.items()}
    return value


def to_error(failure: CallFailure, tool: str, server: str, *, safe: bool, retried: bool) -> CallmuxError:
    """The failure as a caller sees it.

    Args:
        tool: The name as the caller spelled it.
        server: The server's key.
        safe: Whether the call may be repeated without harm.
        retried: Whether it was repeated already.
    """
    if failure.sign_in and not failure.started:
        return sign_in_required(failure.cause, tool, server)
    details: dict[str, Any] = {
        "tool": tool,
        "server": server,
        "category": failure.category.value,
        "rootCause": failure.cause,
        "retryable": failure.retryable,
        "safeToRetry": safe or not failure.started,
        "executionState": failure.execution_state,
    }
    if retried:
        details["retryAttempted"] = True
    if failure.rpc is not None:
        details["jsonRpcCode"] = failure.rpc.code
        if not isinstance(failure.rpc.data, UnsetType):
            details["jsonRpcData"] = failure.rpc.data
    if failure.category is Category.SESSION:
        details["hint"] = "the server dropped its session; if it stays so, re-authentication may be needed"
    if failure.category is Category.AUTHORIZATION:
        details["hint"] = "check the credentials of this server: its headers, env or envRefs"
    error = ToolCallFailed(_PHRASES.get(failure.category, "") + failure.cause, **details)
    error.rpc = failure.raw
    return error


def unavailable(server: str, tool: str, facts: Mapping[str, Any], why: str | None = None) -> CallmuxError:
    """The error for a call to a server that is down: nothing was sent.

    Args:
        tool: The bare tool name.
        facts: The server's record.
        why: The reason, where it is another than the server's last failure.
    """
    from callmux.failures.registry import message

    reason = why or facts.get("lastError")
    if facts.get("signInNeeded") and why is None:
        return sign_in_required(str(reason), tool, server)
    what = f'server "{server}" is not connected{f": {reason}" if reason else ""}'
    if (at := facts.get("nextRetryAt")) is not None and why is None:
        what += (
            f"; the next call after {at} tries again"
            if facts.get("state") == "failed"
            else (f"; callmux tries again at {at}")
        )
    return UpstreamUnavailable(
        message("downstream_unavailable", what, {"server": server}),
        server=server,
        tool=tool,
        retryable=True,
        safeToRetry=True,
        executionState="not_started",
        **{k: facts[k] for k in _SHOWN if k in facts},
    )


def sign_in_required(cause: str, tool: str, server: str) -> SignInRequired:
    """The error for a call to a server that a person must sign in to.

    Args:
        cause: Why, and how.
    """
    return SignInRequired(
        f'server "{server}": {cause}',
        tool=tool,
        server=server,
        rootCause=cause,
        retryable=False,
        safeToRetry=True,
        executionState="not_started",
    )


def no_room(server: str, tool: str, limit: int, setting: str) -> ScopedClientCapacity:
    """The error for a call that needs a connection beside the others where there are enough of them.

    Args:
        setting: The key of the configuration that says how many.
    """
    from callmux.failures.registry import message

    what = (
        f'no connection to "{server}" for another directory, other credentials or other capabilities of the '
        f"client: all {limit} are busy"
    )
    return ScopedClientCapacity(
        message("scoped_client_capacity", what, {"setting": setting}),
        tool=tool,
        server=server,
        setting=setting,
        retryable=True,
        safeToRetry=True,
        executionState="not_started",
    )
