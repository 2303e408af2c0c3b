"""One attempt to connect a server: the handshake, everything it lists, and why it failed where it did.

Called by `callmux.upstream.server` with a connection that is not open yet.
"""

from __future__ import annotations

import logging

from callmux.protocol.shapes import Tool
from callmux.upstream.connection import Connection
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.inventory.offer import Offer
from callmux.upstream.opening.known_era import KnownEra
from callmux.upstream.reading.lists import read_all

log = logging.getLogger(__name__)


async def attempt(
    connection: Connection,
    client_info: bytes,
    capabilities: bytes,
    seconds: float,
    known: KnownEra | None = None,
) -> tuple[tuple[Tool, ...], Offer]:
    """Opens the connection and reads what the server offers. Who called ends it where this fails.

    Args:
        client_info: The `clientInfo` of our handshake, as JSON.
        capabilities: What is declared on it, as JSON.
        seconds: For the handshake, and for each list.
        known: The eras of the server; None for a handshake.

    Raises:
        CallFailure: It cannot be started or reached, refuses, takes too long, or has ended meanwhile.
    """
    init = await connection.open(client_info, capabilities, seconds, known)
    tools, offer = await read_all(connection, init, seconds)
    if not connection.live:
        raise CallFailure(Category.TRANSPORT, "the server ended while it was being connected")
    return tools, offer


def explain(error: Exception, name: str, connection: Connection | None) -> str:
    """Why an attempt failed, in words for people, with what the server said last.

    What is no `CallFailure` is a defect of ours: it is logged whole, and the attempt has failed like any
    other, so that nobody waits for it.
    """
    if isinstance(error, CallFailure):
        cause = error.cause
    else:
        log.error('could not connect "%s": an error in callmux', name, exc_info=error)
        cause = f"an error in callmux: {error!r}"
    from callmux.upstream.opening.last_words import with_words  # few attempts fail

    words = getattr(connection.link, "last_words", None) if connection is not None else None
    return with_words(cause, words() if words is not None else [])
