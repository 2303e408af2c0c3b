"""What params say, and changes to those that are passed on: all else in them stays as it came. Pure.

Called by both peers, sessions, `callmux.upstream.exchanges`, the router and the bridge.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import UNSET, Raw, UnsetType

_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_ENCODER = msgspec.json.Encoder()
_NULL = Raw(b"null")

BRIDGED = "callmux/clientInfo"
"""The member of `_meta` of `initialize` in which our bridge names the client behind it."""

SUBSCRIBER = "callmux/subscriber"
"""The member of `_meta` of `subscriptions/listen` in which our bridge names the request of the client behind
it: what the client is told belongs to that request."""
ASKS = "callmux/asks"
"""The member by which one of our commands says that a person at its terminal can be asked for approval."""
WAITS = "callmux/waits"
"""The member of `_meta` of `initialize` by which our bridge says that it understands `WAITING`."""
WAITING = "notifications/callmux/waiting"
"""What a listener tells such a bridge about a request: a person is asked for so many `seconds` at most; 0
when that is over."""

DISCOVER = "server/discover"
LISTEN = "subscriptions/listen"
ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
CHANGES = {
    "toolsListChanged": "notifications/tools/list_changed",
    "promptsListChanged": "notifications/prompts/list_changed",
    "resourcesListChanged": "notifications/resources/list_changed",
}
"""What `LISTEN` can ask for -> the notice that it then brings (MCP 2026-07-28,
basic/patterns/subscriptions)."""

REVISION = "io.modelcontextprotocol/protocolVersion"
"""The member of `_meta` that requests of the revisions without a handshake have (MCP 2026-07-28, basic)."""
_REVISION = REVISION.encode()
CLIENT_INFO = "io.modelcontextprotocol/clientInfo"
CLIENT_CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
LOG_LEVEL = "io.modelcontextprotocol/logLevel"
LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""Levels of log messages, from the least to the most serious."""
OF_REQUEST = (REVISION, CLIENT_INFO, CLIENT_CAPABILITIES, LOG_LEVEL)
"""The members of `_meta` by which such a request says of itself what a session says otherwise."""
SERVER_INFO = "io.modelcontextprotocol/serverInfo"
"""The member of `_meta` of a result that names the server."""
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
"""The member of `_meta` of a notification that names the request it was subscribed by."""


class _Meta(msgspec.Struct):
    token: Raw | UnsetType = msgspec.field(default=UNSET, name="progressToken")


_META = msgspec.json.Decoder(_Meta)
_TOKEN = msgspec.json.Decoder(int | str)


def members(params: bytes | Raw | None) -> dict[str, Raw]:
    """The members of `params`, in order; none where they are absent or no object."""
    if params is None:
        return {}
    try:
        return _MEMBERS.decode(params)
    except msgspec.MsgspecError:
        return {}


def present(params: Raw | None) -> Raw | None:
    """`params`, where they are not null: nobody sends that on."""
    return None if params is None or params == _NULL else params


def names_revision(meta: bytes | Raw | None) -> bool:
    """Whether a request with this `_meta` belongs to a revision without a handshake."""
    if meta is None:
        return False
    text = bytes(meta)
    # Nearly always neither the name nor an escape that could hide it; `in` would cost an exception.
    return (text.find(_REVISION) >= 0 or text.find(b"\\") >= 0) and REVISION in members(meta)


def progress_token(meta: Raw | None) -> Raw | None:
    """The `progressToken` of a `_meta` member, where there is a usable one (a string or an integer)."""
    if meta is None:
        return None
    try:
        token = _META.decode(meta).token
        if token is UNSET:
            return None
        if not bytes(token).isdigit():
            _TOKEN.decode(token)
    except msgspec.MsgspecError:
        return None
    return token


def with_progress_token(params: bytes | Raw | None, token: int | None) -> bytes:
    """`params` with this `_meta.progressToken`, or, for None, without any."""
    changed = members(params)
    meta = members(changed.get("_meta"))
    if token is None:
        meta.pop("progressToken", None)
    else:
        meta["progressToken"] = Raw(b"%d" % token)
    if meta:
        changed["_meta"] = Raw(_ENCODER.encode(meta))
    else:
        changed.pop("_meta", None)
    return _ENCODER.encode(changed)


def exchange(given: dict[str, Raw], name: str, change: Callable[[str], str]) -> bool:
    """Puts another string in the place of a member that is one; whether it is another.

    Args:
        change: Gives what stands there instead.
    """
    text = optional_text(given.get(name, _NULL))
    if text is None or (other := change(text)) == text:
        return False
    given[name] = Raw(_ENCODER.encode(other))
    return True


def optional_text(raw: bytes | Raw) -> str | None:
    """The string that a member is; None where it is anything else."""
    try:
        return msgspec.json.decode(raw, type=str)
    except msgspec.MsgspecError:
        return None
