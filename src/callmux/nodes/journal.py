"""What was begun, for whoever takes its session over: requests that are answered by a stream, as long as it
goes on, and the names of those that must not be begun twice.

Made by `callmux.nodes.cluster`. A client whose node is lost resumes its stream elsewhere; a load balancer
sends a request again that has no answer. There the request is made again where that does no harm, else
answered by saying that nobody knows what became of it.
"""

from __future__ import annotations

import logging
import secrets

from callmux.errors import StoreUnavailable
from callmux.stores.redis_connection import RedisConnection, Script
from callmux.stores.redis_sessions import session_mark

log = logging.getLogger(__name__)

MOST_BYTES = 64 * 1024
"""The largest request that is kept."""
KEPT_SECONDS = 900
"""How long: longer than most calls may take."""
CLAIMED_SECONDS = 24 * 3600
"""How long a name is taken by a request that is not answered: longer than any call takes."""
ANSWERED_SECONDS = 30
"""How long it stays taken once the request is answered: until nobody can believe any more that it is not."""

_CLAIM = Script("""
local found = redis.call('GET', KEYS[1])
if found and found ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
""")


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

    async def claim(self, whose: str, name: str) -> bool:
        """Takes the name of a request; whether it was free.

        Where Redis is away, nobody can take it elsewhere either, and what is taken is lost with this process.
        """
        # A command whose connection broke is sent once more: it must not take its own mark for another's.
        mark = secrets.token_bytes(12)
        key = self._claim(whose, name)
        try:
            return bool(await self._connection.evaluate(_CLAIM, [key], mark, CLAIMED_SECONDS))
        except StoreUnavailable as error:
            log.debug("the name of a request is not kept for other nodes: %s", error)
            return True

    async def answered(self, whose: str, name: str) -> None:
        """The request of this name has its answer."""
        try:
            await self._connection.run("EXPIRE", self._claim(whose, name), ANSWERED_SECONDS)
        except StoreUnavailable as error:
            log.debug("the name of a request is kept until it is too old: %s", error)

    def _key(self, session: str, stream: str) -> str:
        return self._connection.key("begun", session_mark(session), stream)

    def _claim(self, whose: str, name: str) -> str:
        return self._connection.key("once", session_mark(f"{whose} {name}"))
