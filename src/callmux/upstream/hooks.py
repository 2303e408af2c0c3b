"""Who hears what a server does by itself on one connection.

Handed to each `callmux.upstream.connection` by `callmux.upstream.server` and `callmux.upstream.probe`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from msgspec import Raw

from callmux.context import ClientPort
from callmux.protocol.unanswered import Unanswered


class Hooks(msgspec.Struct, frozen=True):
    """Who hears what a server does by itself. Each takes the connection first, a
    `callmux.upstream.connection`.

    Attributes:
        told: A notification: its method, its params, and the client it is for; None where several may be.
        asked: A question for a client: the same, and its name, if any; the result goes back to the server.
        lost: The link ended by itself: the reason.
        noise: Bytes that are no message: what was wrong with them.
        unanswered: The server's requests that were given up.
    """

    told: Callable[[Any, str, Raw | None, ClientPort | None], None]
    asked: Callable[[Any, str, Raw | None, ClientPort | None, str | None], Awaitable[bytes | Raw]]
    lost: Callable[[Any, str], None]
    noise: Callable[[Any, str], None]
    unanswered: Unanswered = msgspec.field(default_factory=Unanswered)
