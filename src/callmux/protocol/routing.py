"""Whether the headers of a request say what its body says. Pure.

Called by `callmux.transport.http.stateless` before anything is done for a request: what stands between client
and server routes by headers, and must not have been shown something else (MCP 2026-07-28,
basic/transports/streamable-http, "Server Validation").
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from decimal import Decimal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.protocol.extensions import TASK_REQUESTS
from callmux.protocol.mirrored import PREFIX, Path, mirrored
from callmux.protocol.modern import mismatch
from callmux.protocol.params import CLIENT_CAPABILITIES, REVISION, members, optional_text

VERSION = "mcp-protocol-version"
METHOD = "mcp-method"
NAME = "mcp-name"

_NAMED = {"prompts/get": "name", "resources/read": "uri", "tools/call": "name"}
"""Requests whose target stands in a header -> the member of their params that names it."""
_WHOLE = re.compile(r"-?[0-9]{1,1000}(\.0{1,1000})?")
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
    if (key := _NAMED.get(method)) is not None and (named := target(params, key)) is not None:
        given = _value(headers, NAME)
        if given is None or decoded(given) != named:
            raise mismatch(_told("Mcp-Name", given, key, named))
    if method in TASK_REQUESTS and (given := _value(headers, NAME)) is not None:
        task = optional_text(members(params).get("taskId", Raw(b"null")))
        if task is not None and decoded(given) != task:
            raise mismatch(_told("Mcp-Name", given, "taskId", task))


def wants_arguments(definition: bytes) -> bool:
    """Whether a tool wants some of its arguments in headers.

    Args:
        definition: The tool, as its server lists it.
    """
    try:
        return bool(mirrored(definition))
    except ValueError:
        # Clients leave such a tool out, so none can know the headers.
        return False


def check_arguments(headers: Mapping[str, str], definition: bytes, params: Raw | None) -> None:
    """Refuses a call whose headers say something else of its arguments, where its tool wants some of them
    there (basic/transports/streamable-http, "Server Behavior for Custom Headers").

    Args:
        headers: By lower-case name.
        definition: The tool, as its server lists it.

    Raises:
        RpcError: They do.
    """
    if not wants_arguments(definition):
        return
    for path, name in mirrored(definition).items():
        header, where = PREFIX + name, ".".join(path)
        given, value = _value(headers, header.lower()), _at(params, path)
        if value is None:
            if given is not None:
                raise mismatch(f"the header {header} is there, and the argument {where} is not")
        elif given is None:
            raise mismatch(f"the header {header} is missing: it must say what the argument {where} says")
        elif not _is_same(decoded(given), value):
            raise mismatch(f"the header {header} does not say what the argument {where} says")


def _at(params: Raw | None, path: Path) -> bytes | None:
    """The argument at a path; None where there is none, or one that is null or no plain value."""
    found: bytes | Raw | None = members(params).get("arguments")
    for step in path:
        found = members(found).get(step)
    raw = b"null" if found is None else bytes(found)
    return None if raw[:1] in b"n{[" else raw


def _is_same(text: str | None, value: bytes) -> bool:
    if text is None:
        return False
    if value[:1] == b'"':
        return text == msgspec.json.decode(value, type=str)
    if value in (b"true", b"false"):
        return text == value.decode()
    try:
        return _WHOLE.fullmatch(text) is not None and Decimal(text) == Decimal(value.decode())
    except (ArithmeticError, ValueError):
        return False


def _value(headers: Mapping[str, str], name: str) -> str | None:
    """The value of a header without the space around it (RFC 9110, section 5.5)."""
    given = headers.get(name)
    return None if given is None else given.strip(" \t")


def target(params: Raw | None, key: str = "name") -> str | None:
    """What a request names; None where it names nothing."""
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
