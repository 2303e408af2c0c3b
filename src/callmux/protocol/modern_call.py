"""A `tools/call` without a handshake as nearly all clients send it: message, params, and what it says of
itself, read in one step. Pure.

Called by `callmux.transport.http.stateless_calls`. What is not exactly this is an ordinary message of
`callmux.protocol.jsonrpc`, which `callmux.protocol.modern` reads; nothing is refused here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import msgspec
from msgspec import Raw

from callmux.depth import is_deeper
from callmux.protocol import modern
from callmux.protocol.calling import Calling, DirectCall
from callmux.protocol.jsonrpc import SHALLOW, Id, RpcError
from callmux.protocol.modern import Asked
from callmux.protocol.params import OF_REQUEST, members

MOST_META_BYTES = 2048
"""Of a `_meta` that is remembered."""
_SHALLOW = SHALLOW - 8
"""Bytes of a part of a message that cannot be nested too deeply in it."""
_encode = msgspec.json.Encoder().encode


class _Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    id: Id
    method: Literal["tools/call"]
    params: DirectCall
    jsonrpc: str = ""


_decode = msgspec.json.Decoder(_Message).decode


def of_caller(body: bytes, tool: str) -> tuple[Calling, Asked] | None:
    """The call of a tool that is named elsewhere already, without what the revision adds to it: servers of
    every era take it; and what it says of itself. None where the message is anything else.

    Args:
        body: The message, on one line.
        tool: The tool.
    """
    if not body.isascii():
        return None
    try:
        message = _decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return None
    params = message.params
    if params.spelling != tool or params.meta is None:
        return None
    meta = bytes(params.meta)
    # Two parts of it may be nested.
    if (len(meta) > _SHALLOW or len(body) > len(meta) + _SHALLOW) and is_deeper(body):
        return None
    about = _kept(meta) if len(meta) <= MOST_META_BYTES else _about(meta)
    if about is None:
        return None
    return Calling(message.id, message.method, DirectCall(tool, params.arguments, about[1])), about[0]


def _about(meta: bytes) -> tuple[Asked, Raw | None] | None:
    """What a `_meta` says of its request, and the rest of it; None where the request is to be refused."""
    try:
        asked = modern.read("tools/call", Raw(b'{"_meta":%b}' % meta))
    except RpcError:
        return None
    rest = members(meta)
    for name in OF_REQUEST:
        rest.pop(name, None)
    return asked, Raw(_encode(rest)) if rest else None


_kept = lru_cache(maxsize=256)(_about)
