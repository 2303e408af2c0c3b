"""Which configuration is the newest of all listeners, in Redis: its number and its digest.

Made by `callmux.process.shared_state`. A configuration itself never stands there.
"""

from __future__ import annotations

import hashlib
import logging
from typing import Any

import msgspec

from callmux.errors import StoreUnavailable
from callmux.stores.redis_connection import RedisConnection, Script

log = logging.getLogger(__name__)

KEPT_SECONDS = 90 * 24 * 3600
"""How long it is known after the last listener has looked."""

_NOTE = Script("""
if redis.call('HGET', KEYS[1], 'digest') ~= ARGV[1] then
    redis.call('HINCRBY', KEYS[1], 'version', 1)
    redis.call('HSET', KEYS[1], 'digest', ARGV[1])
end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return tonumber(redis.call('HGET', KEYS[1], 'version'))
""")


class RedisConfiguration:
    """The configuration of this listener beside the newest of all.

    Args:
        connection: The Redis.
    """

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._place = connection.key("configuration")
        self._own = ""
        self._noted = ""
        self._version = 0
        self._newest = ""

    def takes_effect(self, document: object) -> None:
        """This is the configuration of this listener from now on, as it was written."""
        text = msgspec.json.encode(document, order="deterministic")
        self._own = hashlib.blake2b(text, digest_size=20).hexdigest()

    async def look(self) -> None:
        """Tells the others of a new configuration, and hears of theirs."""
        try:
            if self._noted != self._own:
                own = self._own
                words = (own, KEPT_SECONDS)
                self._version = int(await self._connection.evaluate(_NOTE, [self._place], *words))
                self._noted = self._newest = own
                return
            version, newest = await self._connection.run("HMGET", self._place, "version", "digest")
        except StoreUnavailable as error:
            log.debug("configurations of other listeners are not known: %s", error)
            return
        if newest is None:
            self._noted = ""
            return
        self._version, before, self._newest = int(version), self._newest, newest.decode()
        if self._newest not in (before, self._own):
            log.warning("another listener has a newer configuration (number %d) than this one", self._version)

    def facts(self) -> dict[str, Any]:
        """What status shows of it; nothing while nobody knows."""
        if not self._version:
            return {}
        return {"configuration": {"version": self._version, "isNewest": self._newest == self._own}}
