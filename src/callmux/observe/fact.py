"""What all facts have in common, and how calls and requests can end. Pure.

Used by `callmux.observe.facts`, where everybody else finds it.
"""

from __future__ import annotations

import msgspec

OK = "ok"
TOOL_ERROR = "tool_error"
FAILED = "failed"
CANCELLED = "cancelled"
"""How a call or a request can end: a result; a result that says that it is an error; no result, because
callmux, the server or the way to it failed; given up by whoever asked."""


class Fact(msgspec.Struct, frozen=True):
    """What all kinds have in common: the bus takes them, and `server` is a server's key in all of them."""
