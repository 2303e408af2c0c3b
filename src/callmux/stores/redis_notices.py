"""Notices in Redis that all listeners hear of, one after the other: sessions that were ended, orders.

Made by `callmux.stores.redis_sessions` and `callmux.nodes.register`. Whoever listens asks again and again for
what came after the place that it had reached.
"""

from __future__ import annotations

from callmux.stores.redis_connection import RedisConnection, Script

_TELL = Script("""
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'notice', ARGV[3])
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
""")
# Places are times of Redis. One that came back without the notices, or without the last of them, and with its
# clock behind gives places that are before those that listeners have reached.
_TOLD = Script("""
local place, found = ARGV[1], {}
if place == '' then
  local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
  return {last[1] and last[1][1] or '0-0', found}
end
local is_there = redis.call('XRANGE', KEYS[1], place, place)[1]
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], is_there and '(' .. place or '-', '+')) do
  place = entry[1]
  found[#found + 1] = entry[2][2]
end
return {place, found}
""")

START = "0-0"
"""The place before all notices."""


class RedisNotices:
    """Notices of one kind.

    Args:
        connection: The Redis. Every method raises `StoreUnavailable` where it does not answer.
        name: Of the kind.
        most: How many are kept: more than there are between two looks.
        kept_ms: How long they are kept after the last one.
    """

    def __init__(self, connection: RedisConnection, name: str, most: int, kept_ms: int) -> None:
        self._connection = connection
        self._place = connection.key(name)
        self._most = most
        self._kept_ms = kept_ms

    async def tell(self, notice: str | bytes) -> None:
        """Everybody hears of it with the next look."""
        await self._connection.evaluate(_TELL, [self._place], self._most, self._kept_ms, notice)

    async def told(self, after: str) -> tuple[str, list[bytes]]:
        """What was told after a place, and the place of the last of it. Where Redis has lost that place,
        everything that there is: a notice may be heard of twice.

        Args:
            after: The place; empty for that of the last notice, of which nothing is told.
        """
        place, found = await self._connection.evaluate(_TOLD, [self._place], after)
        return bytes(place).decode(), [bytes(notice) for notice in found]
