"""The changes of servers that several listeners share, encrypted, in Redis.

Made by `callmux.process.shared_state` where the configuration has `state.key`, for the changes of the
management interface. Each change has a number: whoever changes something says after which one, and is refused
where another listener was faster.
"""

from __future__ import annotations

from callmux.errors import StoreUnavailable
from callmux.stores.redis_connection import RedisConnection, Script
from callmux.stores.sealing import Sealing, Unsealable

MOST_BYTES = 4 * 1024 * 1024
KEPT_SECONDS = 90 * 24 * 3600
"""How long they are kept after the last listener has looked."""
_ABOUT = "callmux changes 1"

_WRITE = Script("""
if tonumber(redis.call('HGET', KEYS[1], 'version') or 0) ~= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[1] + 1, 'value', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return ARGV[1] + 1
""")


class RedisOverlay:
    """The changes of all listeners, as one text.

    Args:
        connection: The Redis.
        key: Encrypts them.
    """

    def __init__(self, connection: RedisConnection, key: bytes) -> None:
        self._connection = connection
        self._sealing = Sealing(key)
        self._place = connection.key("overlay")

    async def version(self) -> int:
        """The number of the last change; 0 for none.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        await self._connection.run("EXPIRE", self._place, KEPT_SECONDS)
        return int(await self._connection.run("HGET", self._place, "version") or 0)

    async def read(self) -> tuple[int, bytes]:
        """The number of the last change, and all of them; empty for none.

        Raises:
            StoreUnavailable: Redis does not answer, or what it has cannot be read.
        """
        version, value = await self._connection.run("HMGET", self._place, "version", "value")
        if value is None:
            return 0, b""
        try:
            return int(version), self._sealing.unseal(value, _ABOUT)
        except Unsealable:
            why = "the changes in Redis cannot be read: have all listeners the same state.key?"
            raise StoreUnavailable(why) from None

    async def write(self, text: bytes, after: int) -> int:
        """Keeps all changes; gives the new number, or 0 where another listener was faster.

        Args:
            after: The number of the change that this one comes after.

        Raises:
            StoreUnavailable: Redis does not answer, or they are too many.
        """
        if len(text) > MOST_BYTES:
            raise StoreUnavailable(f"the changes of servers take {len(text)} bytes, too many to be shared")
        value = self._sealing.seal(text, _ABOUT)
        return int(await self._connection.evaluate(_WRITE, [self._place], after, value, KEPT_SECONDS))
