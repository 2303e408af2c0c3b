"""Parked calls of several listeners, in Redis. See `callmux.stores.parked`.

Made by `callmux.process.shared_state`. The calls themselves stay with the listener that runs them. While
Redis is away, their records stay there, too.
"""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from typing import Any

import msgspec

from callmux.errors import StoreUnavailable
from callmux.stores.memory_parked import MemoryParkedCalls
from callmux.stores.parked import ParkedCall, ParkedLimits
from callmux.stores.redis_connection import RedisConnection, Script, mark_of

log = logging.getLogger(__name__)

MOST_BYTES = 4096
"""The largest record: a digest, and which process has the call."""

_PARK = Script("""
local calls, until_, owner = KEYS[1], KEYS[2], ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, old in ipairs(redis.call('ZRANGEBYSCORE', until_, '-inf', now)) do
    local whose = redis.call('HGET', calls, 'o' .. old)
    redis.call('ZREM', until_, old)
    redis.call('HDEL', calls, 'o' .. old, 'c' .. old)
    if whose and redis.call('HINCRBY', calls, 'n' .. whose, -1) <= 0 then
        redis.call('HDEL', calls, 'n' .. whose)
    end
end
local known = redis.call('HGET', calls, 'o' .. ARGV[1])
if not known then
    if redis.call('ZCARD', until_) >= tonumber(ARGV[6]) then return 0 end
    if tonumber(redis.call('HGET', calls, 'n' .. owner) or 0) >= tonumber(ARGV[5]) then return 0 end
    redis.call('HINCRBY', calls, 'n' .. owner, 1)
    redis.call('HSET', calls, 'o' .. ARGV[1], owner)
elseif known ~= owner then
    return 0
end
redis.call('HSET', calls, 'c' .. ARGV[1], ARGV[3])
redis.call('ZADD', until_, now + ARGV[4], ARGV[1])
local last = redis.call('ZRANGE', until_, -1, -1, 'WITHSCORES')[2]
for _, key in ipairs(KEYS) do redis.call('PEXPIREAT', key, string.format('%.0f', last)) end
return 1
""")
_TAKE = Script("""
local calls, until_, token, owner = KEYS[1], KEYS[2], ARGV[1], ARGV[2]
local whose = redis.call('HGET', calls, 'o' .. token)
if not whose or (owner ~= '' and whose ~= owner) then return false end
local call, ends = redis.call('HGET', calls, 'c' .. token), redis.call('ZSCORE', until_, token)
redis.call('ZREM', until_, token)
redis.call('HDEL', calls, 'o' .. token, 'c' .. token)
if redis.call('HINCRBY', calls, 'n' .. whose, -1) <= 0 then redis.call('HDEL', calls, 'n' .. whose) end
local time = redis.call('TIME')
local left = ends - (time[1] * 1000 + time[2] / 1000)
if left <= 0 then return false end
return {call, tostring(left)}
""")


class _Record(msgspec.Struct, frozen=True, array_like=True):
    """What stands there of a call, beside a mark of its owner, and its end."""

    request: bytes
    process: str


_DECODER = msgspec.msgpack.Decoder(_Record)


class RedisParkedCalls:
    """Records by token.

    Args:
        connection: The Redis.
        limits: The bounds, over all listeners.
    """

    def __init__(self, connection: RedisConnection, limits: ParkedLimits | None = None) -> None:
        self._connection = connection
        self._limits = limits or ParkedLimits()
        self._near = MemoryParkedCalls(limits)
        # In one place of a cluster, because there is one bound for all.
        self._keys = [connection.key("{parked}", part) for part in ("calls", "until")]

    def park(self, token: str, call: ParkedCall, now: float) -> bool | Coroutine[Any, Any, bool]:
        """Keeps a record; says whether there was room for one more of this owner."""
        return self._park(token, call, now) if self._connection.is_up else self._near.park(token, call, now)

    async def _park(self, token: str, call: ParkedCall, now: float) -> bool:
        value = msgspec.msgpack.encode(_Record(call.request, call.process))
        if len(value) > MOST_BYTES:
            return self._near.park(token, call, now)
        left, limits = max(1, int((call.until - now) * 1000)), self._limits
        words = (mark_of(token), mark_of(call.owner), value, left, limits.each, limits.total)
        try:
            return bool(await self._connection.evaluate(_PARK, self._keys, *words))
        except StoreUnavailable as error:
            log.debug("a parked call is known here only: %s", error)
            return self._near.park(token, call, now)

    def take(self, token: str, owner: str, now: float) -> ParkedCall | Coroutine[Any, Any, ParkedCall | None]:
        """Gives the record of a token and forgets it: of all that ask, one gets it."""
        near = self._near.take(token, owner, now)
        return self._take(token, owner, now) if near is None else near

    async def _take(self, token: str, owner: str, now: float) -> ParkedCall | None:
        found = await self._connection.evaluate(_TAKE, self._keys, mark_of(token), mark_of(owner))
        if not found:
            return None
        record = _DECODER.decode(found[0])
        until = now + float(found[1]) / 1000
        return ParkedCall(owner=owner, request=record.request, process=record.process, until=until)

    def drop(self, token: str) -> Coroutine[Any, Any, None] | None:
        """Forgets a record."""
        self._near.drop(token)
        return self._drop(token) if self._connection.is_up else None

    async def _drop(self, token: str) -> None:
        await self._connection.evaluate(_TAKE, self._keys, mark_of(token), "")
