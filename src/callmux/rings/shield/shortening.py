"""How a result is to be shortened, and what comes of that. Pure.

Made by `callmux.rings.shield.stage`; `.reply` and `.excerpt` do it.
"""

from __future__ import annotations

import msgspec

from callmux.rings.shield.compact import Limits
from callmux.stores.results import Remainder

META_KEY = "callmux/shield"
"""The `_meta` member that carries `_callmux` where the content has no room for it."""
TOOL = "callmux_get_result"
LEAST_PREVIEW = 200


class Shortening(msgspec.Struct, frozen=True, kw_only=True):
    """How a result is to be shortened.

    Attributes:
        limits: What may pass.
        tool: The tool it is from.
        server: The tool's server; None for an answer of callmux itself.
        ref: Under which the result is kept; empty where it is too large to keep.
        output_schema: The output schema that the client holds the tool to.
        several: Whether it is the answer of callmux to several calls.
    """

    limits: Limits
    tool: str
    server: str | None
    ref: str
    output_schema: bytes | None = None
    several: bool = False


class ShortReply(msgspec.Struct, frozen=True):
    """What goes out in place of a result.

    Attributes:
        raw: The result to send.
        remainders: Where the rest goes on, where the preview is the beginning.
    """

    raw: bytes
    remainders: tuple[Remainder, ...] = ()
