"""Requests that are answered by a stream, as long as it goes on: for whoever takes their session over.

Made by `callmux.nodes.cluster`. A client whose node is lost resumes its stream elsewhere. There the request
is made again where that does no harm, else answered by saying that nobody knows what became of it.
"""

from __future__ import annotations

import logging

from callmux.errors import StoreUnavailable
from callmux.stores.redis_connection import RedisConnection
from callmux.stores.redis_sessions import session_mark

log = logging.getLogger(__name__)

MOST_BYTES = 64 * 1024
"""The largest request that is kept."""
KEPT_SECONDS = 900
"""How long: longer than most calls may take."""


class Journal:
    """The requests by session and stream.

    Args:
        connection: The Redis where they are.
    """

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection

    async def begin(self, session: str, stream: str, body: bytes) -> None:
        """A stream begins that answers the request in `body`."""
        if len(body) > MOST_BYTES:
            return
        try:
            await self._connection.run("SET", self._key(session, stream), body, "EX", KEPT_SECONDS)
        except StoreUnavailable as error:
            log.debug("a request is not kept for other nodes: %s", error)

    async def end(self, session: str, stream: str) -> None:
        """Its client has all of it."""
        try:
            await self._connection.run("DEL", self._key(session, stream))
        except StoreUnavailable as error:
            log.debug("a request is kept until it is too old: %s", error)

    async def take(self, session: str, stream: str) -> bytes | None:
        """The request of a stream that broke with its node, once; None where nothing is known of it."""
        try:
            found = await self._connection.run("GETDEL", self._key(session, stream))
        except StoreUnavailable as error:
            log.warning("a stream cannot be taken up: %s", error)
            return None
        return None if found is None else bytes(found)

    def _key(self, session: str, stream: str) -> str:
        return self._connection.key("begun", session_mark(session), stream)
