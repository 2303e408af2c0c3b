"""A `tools/call` without a handshake as nearly all clients send it: message, params, and what it says of
itself, read in one step. Pure.

Called by `callmux.transport.http.stateless_calls`. What is not exactly this is an ordinary message of
`callmux.protocol.jsonrpc`, which `callmux.protocol.modern` reads; nothing is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

import msgspec
from msgspec import Raw

from callmux.depth import DEEPEST, is_deeper
from callmux.protocol import modern
from callmux.protocol.calling import Calling, DirectCall
from callmux.protocol.encoding import is_utf8
from callmux.protocol.jsonrpc import SHALLOW, Id, RpcError
from callmux.protocol.modern import Asked
from callmux.protocol.params import OF_REQUEST, members

MOST_META_BYTES = 2048
"""Of a `_meta` that is remembered."""
_SHALLOW = SHALLOW - 8
"""Bytes of a part of a message that cannot be nested too deeply in it."""
_encode = msgspec.json.Encoder().encode
_TOKEN_NAME = "progressToken"
_TOKEN = re.compile(rb'"progressToken"[ \t]*:[ \t]*([0-9]{1,15})(?=[ \t,}])')
_number = re.compile(rb"0|[1-9][0-9]{0,14}").fullmatch


class _Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    id: Id
    method: Literal["tools/call"]
    params: DirectCall
    jsonrpc: str = ""


_decode = msgspec.json.Decoder(_Message).decode


class Around(NamedTuple):
    """What stands around the number of a progress token, which nearly all that have one count up.

    Attributes:
        before, after: In the `_meta`.
        opening, closing: In what is left of it.
    """

    before: bytes
    after: bytes
    opening: bytes
    closing: bytes

    def with_token_of(self, meta: bytes) -> Raw | None:
        """What is left of a `_meta` that is the same but for this number; None for any other."""
        if not (meta.startswith(self.before) and meta.endswith(self.after)):
            return None
        number = meta[len(self.before) : len(meta) - len(self.after)]
        return Raw(b"%b%b%b" % (self.opening, number, self.closing)) if _number(number) else None


class About(msgspec.Struct, frozen=True):
    """What a `_meta` says.

    Attributes:
        meta: The `_meta`; empty, as none is, where it was not kept.
        size: Its bytes.
        asked: What it says of its request; of no revision where that is to be refused.
        rest: What else stands there.
        around: Where among it a progress token stands that is a number.
    """

    asked: Asked = Asked("", b"")
    meta: Raw = Raw(b"")
    size: int = 0
    rest: Raw | None = None
    around: Around | None = None


NOTHING = About()


def of_caller(body: bytes, tool: str, before: About = NOTHING) -> tuple[Calling, About] | None:
    """The call of a tool that is named elsewhere already, without what the revision adds to it: servers of
    every era take it; and what it says of itself. None where the message is anything else.

    Args:
        body: The message, on one line.
        tool: The tool.
        before: What was given for the message before: most clients say the same of themselves each time.
    """
    if not (body.isascii() or is_utf8(body)):
        return None
    try:
        message = _decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return None
    params = message.params
    if params.spelling != tool or params.meta is None:
        return None
    about, rest, size = before, before.rest, before.size
    if params.meta != before.meta:
        meta = bytes(params.meta)
        size = len(meta)
        rest = None if before.around is None else before.around.with_token_of(meta)
        if rest is None:
            about = _kept(meta) if size <= MOST_META_BYTES else _about(meta)
            rest = about.rest
    # Beside it, the arguments may be nested.
    if not about.asked.version or (len(body) > size + _SHALLOW and is_deeper(body)):
        return None
    return Calling(message.id, message.method, DirectCall(tool, params.arguments, rest)), about


def _about(meta: bytes) -> About:
    """What a `_meta` says."""
    try:
        asked = modern.read("tools/call", Raw(b'{"_meta":%b}' % meta))
    except RpcError:
        return About(meta=Raw(meta), size=len(meta))
    if len(meta) > _SHALLOW and is_deeper(meta, DEEPEST - 2):
        return About(meta=Raw(meta), size=len(meta))
    rest = members(meta)
    for name in OF_REQUEST:
        rest.pop(name, None)
    return About(asked, Raw(meta), len(meta), Raw(_encode(rest)) if rest else None, _around_token(meta, rest))


def _around_token(meta: bytes, rest: Mapping[str, Raw]) -> Around | None:
    """What stands around its progress token; None where that is no number, or it is not certain which of
    several it is."""
    if len(found := list(_TOKEN.finditer(meta))) != 1:
        return None
    before, after = meta[: found[0].start(1)], meta[found[0].end(1) :]
    for number in (b"1", b"2"):
        # It may stand in a text, or deeper.
        if members(Raw(b"%b%b%b" % (before, number, after))).get(_TOKEN_NAME) != Raw(number):
            return None
    names = list(rest)
    at = names.index(_TOKEN_NAME)
    opening = _encode({name: rest[name] for name in names[:at]})[:-1] + (b"," if at else b"")
    closing = _encode({name: rest[name] for name in names[at + 1 :]})[1:]
    separator = b"," if len(closing) > 1 else b""
    return Around(before, after, b'%b"%b":' % (opening, _TOKEN_NAME.encode()), separator + closing)


_kept = lru_cache(maxsize=256)(_about)
