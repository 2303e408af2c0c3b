"""Whether the headers of a request say what its body says. Pure.

Called by `callmux.transport.http.stateless` before anything is done for a request: what stands between client
and server routes by headers, and must not have been shown something else (MCP 2026-07-28,
basic/transports/streamable-http, "Server Validation").
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.protocol.modern import mismatch
from callmux.protocol.params import CLIENT_CAPABILITIES, REVISION, members, optional_text

VERSION = "mcp-protocol-version"
METHOD = "mcp-method"
NAME = "mcp-name"

_NAMED = {"prompts/get": "name", "resources/read": "uri", "tools/call": "name"}
"""Requests whose target stands in a header -> the member of their params that names it."""
_BEGIN, _END = "=?base64?", "?="


class _Target(msgspec.Struct):
    name: str | UnsetType = UNSET
    uri: str | UnsetType = UNSET


_TARGET = msgspec.json.Decoder(_Target)


def check(headers: Mapping[str, str], method: str, params: Raw | None) -> None:
    """Refuses a request whose headers say something else than its body. What the body lacks is not for
    headers to tell.

    Args:
        headers: By lower-case name.

    Raises:
        RpcError: They do.
    """
    meta = members(members(params).get("_meta"))
    if REVISION not in meta or CLIENT_CAPABILITIES not in meta:
        return
    version = optional_text(meta[REVISION])
    if (given := _value(headers, VERSION)) != version:
        raise mismatch(_told("MCP-Protocol-Version", given, f'_meta["{REVISION}"]', version))
    if (given := _value(headers, METHOD)) != method:
        raise mismatch(_told("Mcp-Method", given, "method", method))
    if (key := _NAMED.get(method)) is not None and (target := _target(params, key)) is not None:
        given = _value(headers, NAME)
        if given is None or decoded(given) != target:
            raise mismatch(_told("Mcp-Name", given, key, target))


def _value(headers: Mapping[str, str], name: str) -> str | None:
    """The value of a header without the space around it (RFC 9110, section 5.5)."""
    given = headers.get(name)
    return None if given is None else given.strip(" \t")


def _target(params: Raw | None, key: str) -> str | None:
    try:
        found = _TARGET.decode(b"{}" if params is None else params)
    except msgspec.MsgspecError:
        return None
    value = found.name if key == "name" else found.uri
    return None if value is UNSET else value


def _told(header: str, given: str | None, what: str, value: str | None) -> str:
    if given is None:
        return f"the header {header} is missing: it must be the body's {what}"
    return f"the header {header} is {given[:100]!r}, and the body's {what} is {(value or '')[:100]!r}"


def decoded(value: str) -> str | None:
    """The text that the value of a header stands for; None where it can stand for none."""
    if not (value.startswith(_BEGIN) and value.endswith(_END) and len(value) >= len(_BEGIN) + len(_END)):
        return value if all(32 <= ord(c) < 127 or c == "\t" for c in value) else None
    payload = value[len(_BEGIN) : -len(_END)]
    try:
        raw = base64.b64decode(payload, validate=True)
        # Several spellings for the same bytes would be several names for the same thing.
        return raw.decode() if base64.b64encode(raw).decode() == payload else None
    except (binascii.Error, ValueError):
        return None
