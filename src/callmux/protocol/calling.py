"""A `tools/call` as nearly all clients send it: the message and its params, read in one step. Pure.

Given to the transport by `callmux.cli.single_client`; `callmux.router.router` reads the params alone
where a message came another way. What is not exactly this is an ordinary message of
`callmux.protocol.jsonrpc`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

import msgspec
from msgspec import Raw

from callmux.depth import is_deeper
from callmux.protocol.encoding import is_utf8
from callmux.protocol.jsonrpc import SHALLOW, Id, Message, Request, of_client

if TYPE_CHECKING:
    Given: TypeAlias = Raw | None
else:
    Given = Raw  # msgspec reads no `Raw | None`; what is not there is the default all the same

_encode = msgspec.json.Encoder().encode


class DirectCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """The params of nearly every `tools/call`: as good as a `callmux.plan.ToolCall`, whose other members no
    direct call has."""

    spelling: str = msgspec.field(name="name")
    arguments: Given = None
    meta: Given = msgspec.field(default=None, name="_meta")
    server: ClassVar[None] = None
    timeout_ms: ClassVar[None] = None
    cwd: ClassVar[None] = None
    force_reconnect: ClassVar[bool] = False
    opaque: ClassVar[frozenset[str]] = frozenset()
    extra: ClassVar[Mapping[str, Raw]] = {}

    def raw(self) -> Raw:
        """The params that this was read from, with what they hold as it came."""
        given: dict[str, object] = {"name": self.spelling}
        if self.arguments is not None:
            given["arguments"] = self.arguments
        if self.meta is not None:
            given["_meta"] = self.meta
        return Raw(_encode(given))


class Calling(msgspec.Struct, frozen=True, gc=False):
    """A request that is such a call."""

    id: Id
    method: Literal["tools/call"]
    params: DirectCall

    def request(self) -> Request:
        """The same as any request is read."""
        return Request(self.id, self.method, self.params.raw())


def raw(params: DirectCall | Raw | None) -> Raw | None:
    """The params of a call, however they were read."""
    return params.raw() if isinstance(params, DirectCall) else params


_calling = msgspec.json.Decoder(Calling).decode
calls_in = msgspec.json.Decoder(list[Calling]).decode
"""Reads an array of such calls; for `callmux.protocol.lines.LineBuffer.together`."""


def of_caller(line: bytes) -> Message | Calling:
    """`jsonrpc.of_client`, and a plain `tools/call` in the same step."""
    if (len(line) <= SHALLOW or not is_deeper(line)) and (line.isascii() or is_utf8(line)):
        try:
            return _calling(line)
        except (msgspec.MsgspecError, RecursionError):
            pass
    return of_client(line)
