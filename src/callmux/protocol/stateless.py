"""What a request to a server without a handshake carries, and what its answer means. Pure.

Called by `callmux.upstream.stateless`, which keeps this era apart, by `callmux.rings.call` and
`callmux.upstream.exchanges`, which write lines, and by `callmux.upstream.opening.handshake`. The rules are
those of MCP 2026-07-28, basic, "_meta", and basic/patterns/mrtr. Inside callmux a result has the form of the
revisions with a handshake: `resultType` is taken off where it comes in.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.protocol.jsonrpc import INVALID_PARAMS, ErrorObject
from callmux.protocol.params import (
    CLIENT_CAPABILITIES,
    CLIENT_INFO,
    LOG_LEVEL,
    OF_REQUEST,
    REVISION,
    SERVER_INFO,
    SUBSCRIPTION,
    members,
    present,
)
from callmux.protocol.upstream_peer import InitializeResult, read_greeting
from callmux.protocol.versions import MODERN

COMPLETE = "complete"
INPUT_REQUIRED = "input_required"
RESOURCE_NOT_FOUND = -32002
"""The code of earlier revisions for a resource that is not there (MCP 2026-07-28, basic, "Error Codes")."""

_ENCODER = msgspec.json.Encoder()
_DISCOVERED = frozenset(
    {
        "_meta",
        "cacheScope",
        "capabilities",
        "instructions",
        "resultType",
        "serverInfo",
        "supportedVersions",
        "ttlMs",
    }
)


class _Head(msgspec.Struct, rename="camel"):
    result_type: str | UnsetType | None = UNSET


class InputRequest(msgspec.Struct, frozen=True):
    """What a server asks its client: a method and its params."""

    method: str
    params: Raw = Raw(b"null")


class InputRequired(msgspec.Struct, frozen=True, rename="camel"):
    """What a server wants before it goes on (MCP 2026-07-28, schema, InputRequiredResult).

    Attributes:
        input_requests: Its questions, by names of its own.
        request_state: What it wants back, as it is.
    """

    input_requests: dict[str, InputRequest] = {}
    request_state: Raw | UnsetType = UNSET


class _Supported(msgspec.Struct):
    supported: list[str] = []


_HEAD = msgspec.json.Decoder(_Head)
_INPUT = msgspec.json.Decoder(InputRequired)
_SUPPORTED = msgspec.json.Decoder(_Supported)
_VERSIONS = msgspec.json.Decoder(list[str])
_ID = msgspec.json.Decoder(int | str)


@lru_cache(maxsize=256)
def own_meta(client_info: bytes, capabilities: bytes, level: str | None, revision: str) -> bytes:
    """The members of `_meta` that every request has, without their braces."""
    told: dict[str, Any] = {
        REVISION: revision,
        CLIENT_INFO: Raw(client_info),
        CLIENT_CAPABILITIES: Raw(capabilities),
    }
    if level is not None:
        told[LOG_LEVEL] = level
    return _ENCODER.encode(told)[1:-1]


def meta(given: Raw | None, token: int | None, own: bytes) -> bytes:
    """The `_meta` that is sent: the client's, with what is ours in place of what it says of its own request.

    Args:
        token: Our progress token, where progress is wanted.
        own: What `own_meta` gives.
    """
    if given is None and token is None:
        return b"{%b}" % own
    kept = {name: raw for name, raw in members(given).items() if name not in OF_REQUEST}
    kept.pop("progressToken", None)
    if token is not None:
        kept["progressToken"] = Raw(b"%d" % token)
    return b"%b,%b}" % (_ENCODER.encode(kept)[:-1], own) if kept else b"{%b}" % own


def with_meta(params: bytes | Raw | None, token: int | None, own: bytes, more: Mapping[str, Raw]) -> bytes:
    """`params` with our `_meta`.

    Args:
        more: Further members.
    """
    changed = {**members(params), **more}
    changed["_meta"] = Raw(meta(changed.get("_meta"), token, own))
    return _ENCODER.encode(changed)


def result_type(result: bytes | Raw) -> str:
    """The kind of a result; one that does not say so is complete."""
    try:
        kind = _HEAD.decode(result).result_type
    except msgspec.MsgspecError:
        return COMPLETE
    return kind or COMPLETE


def completed(result: bytes) -> bytes:
    """A complete result without its `resultType`."""
    kept = members(result)
    return result if kept.pop("resultType", None) is None else _ENCODER.encode(kept)


def read_input(result: bytes | Raw) -> InputRequired:
    """What a server wants to know.

    Raises:
        ValueError: It cannot be read, or wants nothing.
    """
    try:
        wanted = _INPUT.decode(result)
    except msgspec.MsgspecError as error:
        raise ValueError(f"what it asks for cannot be read: {error}") from None
    if not wanted.input_requests and wanted.request_state is UNSET:
        raise ValueError("it asks for input and does not say for what")
    return wanted


def read_discovery(result: bytes | Raw) -> InitializeResult:
    """The answer to `server/discover`, as that to `initialize` says the same.

    Raises:
        ValueError: It is none, or has no revision that we speak.
    """
    given = members(result)
    try:
        offered = _VERSIONS.decode(given.get("supportedVersions", b"[]"))
    except msgspec.MsgspecError as error:
        raise ValueError(f"the answer to server/discover cannot be read: {error}") from None
    spoken = [revision for revision in MODERN if revision in offered]
    if not spoken:
        raise ValueError(
            f"it speaks none of our revisions without a handshake: {', '.join(offered) or 'none'}"
        )
    told: dict[str, Any] = {
        "protocolVersion": spoken[0],
        "serverInfo": members(given.get("_meta")).get(SERVER_INFO, given.get("serverInfo")),
        **{name: given[name] for name in ("capabilities", "instructions") if name in given},
    }
    read = read_greeting(_ENCODER.encode(told))
    others = {n: bytes(raw) for n, raw in given.items() if n not in _DISCOVERED and present(raw) is not None}
    return InitializeResult(spoken[0], read.capabilities, read.server_info, read.instructions, others)


def with_visit(params: Raw | None, id: str) -> Raw | None:
    """The params of a question for a client of 2025-11-25, whose visits to addresses have names
    (client/elicitation); None for a question that sends nobody anywhere."""
    given = members(params)
    if given.get("mode") != Raw(b'"url"') or "elicitationId" in given:
        return None
    return Raw(_ENCODER.encode({**given, "elicitationId": id}))


def spoken_of(error: ErrorObject) -> list[str]:
    """The revisions that an error names as those of its server; none where it names none."""
    try:
        return _SUPPORTED.decode(b"null" if error.data is UNSET else error.data).supported
    except msgspec.MsgspecError:
        return []


class _NotFound(msgspec.Struct):
    uri: str


_NOT_FOUND = msgspec.json.Decoder(_NotFound)


def earlier_error(method: str, error: ErrorObject) -> bytes | None:
    """An error as the revisions with a handshake have it, where they have another code for it; None where
    they do not."""
    if method != "resources/read" or error.code != INVALID_PARAMS or error.data is UNSET:
        return None
    try:
        _NOT_FOUND.decode(error.data)
    except msgspec.MsgspecError:
        return None
    return _ENCODER.encode({"code": RESOURCE_NOT_FOUND, "message": error.message, "data": error.data})


def subscription_of(params: bytes | Raw | None) -> int | str | None:
    """The request that a notification was subscribed by; None where it names none."""
    try:
        return _ID.decode(members(members(params).get("_meta")).get(SUBSCRIPTION, b"null"))
    except msgspec.MsgspecError:
        return None


def without_subscription(params: Raw) -> Raw:
    """The params of a notification without the subscription, which is ours and not the client's."""
    changed = members(params)
    about = members(changed.get("_meta"))
    if about.pop(SUBSCRIPTION, None) is None:
        return params
    changed["_meta"] = Raw(_ENCODER.encode(about))
    if not about:
        del changed["_meta"]
    return Raw(_ENCODER.encode(changed))
