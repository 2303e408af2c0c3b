"""What a connection needs of its link, whatever carries the bytes. Pure.

Implemented by `child.ChildLink` (a process) and by test doubles; used by `callmux.upstream.connection`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from callmux.protocol.jsonrpc import Message


class Listener(msgspec.Struct, frozen=True):
    """Who hears what a link brings.

    Attributes:
        received: Called with each message, in order.
        lost: Called once when the link ends, with the reason in words; nothing is received after it.
    """

    received: Callable[[Message], None]
    lost: Callable[[str], None]


class Link(Protocol):
    """One way to one server."""

    transport: str
    """`stdio`, `streamable-http` or `sse`."""

    async def open(self, listener: Listener) -> None:
        """Starts the process or connects.

        Raises:
            CallFailure: It cannot be started or reached.
        """

    def send(self, line: bytes) -> None:
        """Sends one message, in order. Dropped where the link has ended; `lost` has told so."""

    async def close(self) -> None:
        """Ends the link within a bound; safe to call twice. `lost` is not called for it."""
