"""Restores on each new connection what clients asked of a server: subscriptions and the log level.

Called by `callmux.upstream.server` after a connect, and when a client sets a level.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

import msgspec

from callmux.context import ClientPort
from callmux.upstream.connection import Connection
from callmux.upstream.failures import CallFailure

log = logging.getLogger(__name__)


async def set_level(connection: Connection, client: ClientPort, seconds: float) -> None:
    """Tells the server the log level of this client, where both know of logging; where there is no handshake,
    each request says so itself.

    Raises:
        CallFailure: It does not take it.
    """
    level = client.server_level
    if level is not None and connection.init and "logging" in connection.init.capabilities:
        params = msgspec.json.encode({"level": level})
        await connection.request("logging/setLevel", params, seconds, client)


async def restore(
    connection: Connection, client: ClientPort | None, subscriptions: Iterable[str], seconds: float
) -> None:
    """Tells a new connection what the one before it was told.

    Args:
        client: The only client it serves, if it has only one.
        subscriptions: URIs that somebody wants to hear of.
    """
    uris = list(subscriptions)
    told = [f'the subscription to "{uri}"' for uri in uris]
    requests = [_subscribe(connection, uri, seconds) for uri in uris]
    if client is not None:
        told.append("the log level")
        requests.append(set_level(connection, client, seconds))
    outcomes = await asyncio.gather(*requests, return_exceptions=True)
    for what, outcome in zip(told, outcomes, strict=True):
        if isinstance(outcome, CallFailure):
            log.warning('could not restore %s at "%s": %s', what, connection.name, outcome.cause)
        elif isinstance(outcome, BaseException):
            raise outcome


async def _subscribe(connection: Connection, uri: str, seconds: float) -> None:
    await connection.request("resources/subscribe", msgspec.json.encode({"uri": uri}), seconds)
