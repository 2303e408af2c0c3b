"""Exceptions become MCP results or JSON-RPC errors: the only place where they do.

Used by the outermost request stage, around each child of a fan-out (`callmux.router.door`), and for the
methods whose failures MCP reports as JSON-RPC errors (`callmux.router.offers`).
"""

from __future__ import annotations

import logging

import msgspec

from callmux.errors import (
    AuthorizationDenied,
    CallmuxError,
    InvalidArguments,
    SignInRequired,
    ToolCallFailed,
)
from callmux.protocol.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS, RpcError, read_error
from callmux.protocol.shapes import Aged, Result
from callmux.protocol.versions import MODERN, MODERN_CODES
from callmux.rings.envelope import failure
from callmux.rings.ring import Job
from callmux.rings.stage import Cancelled, Outcome

log = logging.getLogger(__name__)

URL_ELICITATION_REQUIRED = -32042
"""The one JSON-RPC error of a tool that a client must see as such: it says what to do before calling again
(MCP 2025-11-25, client/elicitation, "URL Elicitation Required Error")."""


FORBIDDEN = -32003
"""The JSON-RPC code of what rules keep from a client, where MCP has no error results."""


class Required(Result, kw_only=True):
    """An error result for a JSON-RPC error which a client that asked for this one call must see.

    Attributes:
        error: That error.
    """

    error: RpcError


class Reminded(Result, kw_only=True):
    """An error result with the input schema of its tool as a further text (`callmux.rings.reminding`), of a
    call that is one of several.

    Attributes:
        plain: The same without it.
        tool: The tool, by server and own name: the schema is worth being shown once.
        beside: The schema as a member of an entry, or how to get it.
    """

    plain: Result
    tool: tuple[str, str]
    beside: dict[str, msgspec.Raw]


def alone(result: Result) -> Result:
    """A result that is an answer by itself, and no part of one."""
    return Result(result.raw, code=result.code) if type(result) in (Reminded, Aged) else result


def as_result(error: BaseException) -> Result:
    """The error result for `error`. One that nobody foresaw is logged whole and shown without its text."""
    if isinstance(error, CallmuxError):
        shown = failure(error)
        required = as_required(error)
        return shown if required is None else Required(shown.raw, code=shown.code, error=required)
    log.error("a call failed in callmux itself: %r", error, exc_info=error)
    return failure(CallmuxError("callmux failed internally; its log on stderr says more"))


def as_rpc_error(error: CallmuxError) -> RpcError:
    """The JSON-RPC error for `error`: the server's own where it gave one."""
    if isinstance(error, ToolCallFailed) and error.rpc is not None:
        own = read_error(msgspec.Raw(error.rpc))
        return RpcError(own.code, own.message, own.data)
    if isinstance(error, AuthorizationDenied):
        return RpcError(FORBIDDEN, error.message, dict(error.details))
    code = INVALID_PARAMS if isinstance(error, InvalidArguments) else INTERNAL_ERROR
    return RpcError(code, error.message, {"code": error.code, **error.details})


def as_required(error: CallmuxError) -> RpcError | None:
    """The JSON-RPC error for `error`, where a client must see it as one."""
    if isinstance(error, SignInRequired) and error.invitation is not None:
        data = {"elicitations": [error.invitation], "code": error.code, **error.details}
        return RpcError(URL_ELICITATION_REQUIRED, error.message, data)
    if not isinstance(error, ToolCallFailed) or error.rpc is None:
        return None
    own = as_rpc_error(error)
    return own if own.code == URL_ELICITATION_REQUIRED else None


def _is_of_both(error: RpcError, job: Job) -> bool:
    """Whether an error is of the era that server and client both speak: its code tells the client what to do
    (MCP 2026-07-28, basic, "Error Codes")."""
    return error.code in MODERN_CODES and job.context.client.version in MODERN


class Converting:
    """Request stage: a failed request is an error result, never a broken session.

    Args:
        plain: Whether a direct call's JSON-RPC error is passed on as it came (the transparent mode).
    """

    only_failures = True

    def __init__(self, plain: bool = False) -> None:
        self._plain = plain

    def leave(self, job: Job, outcome: Outcome) -> Outcome:
        if isinstance(outcome, (Result, RpcError, Cancelled)):
            return outcome
        if isinstance(outcome, SignInRequired) and (required := as_required(outcome)) is not None:
            return required
        if isinstance(outcome, ToolCallFailed) and outcome.rpc is not None:
            own = as_rpc_error(outcome)
            if self._plain or own.code == URL_ELICITATION_REQUIRED or _is_of_both(own, job):
                return own
        return as_result(outcome)
