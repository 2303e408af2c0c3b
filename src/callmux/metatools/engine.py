"""What a meta-tool may use when it runs. Built by the router for each runtime."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from callmux.clock import Clock
from callmux.context import CallContext
from callmux.plan import ToolCall
from callmux.protocol.shapes import Result
from callmux.rings.shield.shelf import Shelf
from callmux.upstream.catalogue import Catalogue


class Engine(msgspec.Struct, frozen=True, kw_only=True):
    """The services of a running callmux, as far as meta-tools need them.

    Attributes:
        call: The one door for calls. Never raises but for cancellation: a failure comes back as an error
            result.
        catalogue: The tools there are now.
        status: The status payload for a server filter (or None for all).
        description_limit: Characters of a description in search and status results; None means uncut.
        clock: Time, for durations.
        results: The results that went out shortened.
    """

    call: Callable[[ToolCall, CallContext], Awaitable[Result]]
    catalogue: Callable[[], Catalogue]
    status: Callable[[], dict[str, Any]]
    description_limit: int | None
    clock: Clock
    results: Shelf
