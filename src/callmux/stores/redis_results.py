"""Kept results that several listeners share, in Redis. See `callmux.stores.results`.

Made by `callmux.process.shared_state`. What is too large for Redis, or cannot be brought there now, stays
with this listener; of the former others learn that it is elsewhere. Large results that are in the file of
this listener are read there, by others in Redis.
"""

from __future__ import annotations

import logging
from collections.abc import Coroutine, Sequence
from typing import Any

import msgspec

from callmux.errors import StoreUnavailable
from callmux.stores.memory import MemoryResults
from callmux.stores.redis_connection import RedisConnection, Script, mark_of
from callmux.stores.results import Remainder, Sources, Stored, StoreLimits

log = logging.getLogger(__name__)

LARGEST = 8 * 1024 * 1024
"""Bytes of the largest result that is brought to Redis."""
KEPT_SECONDS = 24 * 3600
"""How long a result is kept there."""

_PUT = Script("""
local order, values, sizes, ref = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local function drop(old)
    local size = redis.call('HGET', sizes, old)
    redis.call('ZREM', order, old)
    redis.call('HDEL', values, old)
    redis.call('HDEL', sizes, old)
    if size then redis.call('HINCRBY', sizes, '', -size) end
end
drop(ref)
redis.call('ZADD', order, now, ref)
redis.call('HSET', values, ref, ARGV[2])
redis.call('HSET', sizes, ref, ARGV[3])
redis.call('HINCRBY', sizes, '', ARGV[3])
for _, old in ipairs(redis.call('ZRANGEBYSCORE', order, '-inf', now - ARGV[6])) do drop(old) end
while redis.call('ZCARD', order) > tonumber(ARGV[4])
    or tonumber(redis.call('HGET', sizes, '')) > tonumber(ARGV[5]) do
    drop(redis.call('ZRANGE', order, 0, 0)[1])
end
for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, ARGV[6]) end
local bytes = tonumber(redis.call('HGET', sizes, ''))
return {redis.call('ZCARD', order), bytes, redis.call('HEXISTS', values, ref)}
""")


class _Record(msgspec.Struct, frozen=True, array_like=True):
    """A result as it stands there: of its owner only a mark."""

    tool: str
    owner: str
    raw: bytes
    sources: Sources
    remainders: tuple[Remainder, ...]
    elsewhere: bool = False


_DECODER = msgspec.msgpack.Decoder(_Record)


class RedisResults:
    """Kept results by ref.

    Args:
        connection: The Redis.
    """

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._near = MemoryResults()
        # All stand in one place of a cluster, because there is one bound for all.
        self._keys = [connection.key("{results}", part) for part in ("order", "values", "sizes")]
        self._known = (0, 0)

    def takes(self, size: int) -> bool:
        """Whether a result of `size` bytes can be kept."""
        return self._near.takes(size)

    def put(self, stored: Stored) -> Sequence[str] | Coroutine[Any, Any, Sequence[str]]:
        """Keeps a result; gives the refs of those of this listener that had to go for it."""
        if stored.raw is None or not self._connection.is_up:
            return self._near.put(stored)
        return self._put(stored, stored.raw if stored.size <= LARGEST else None)

    async def _put(self, stored: Stored, raw: bytes | None) -> Sequence[str]:
        """Keeps it there; without `raw` only that this listener has it."""
        owner, alone = mark_of(stored.owner) if stored.owner else "", raw is None
        record = _Record(stored.tool, owner, raw or b"", stored.sources, stored.remainders, alone)
        limits = self._near.limits
        value = msgspec.msgpack.encode(record)
        bounds = (0 if alone else stored.size, limits.results, limits.total_bytes, KEPT_SECONDS)
        try:
            count, size, kept = await self._connection.evaluate(_PUT, self._keys, stored.ref, value, *bounds)
        except StoreUnavailable as error:
            log.debug("a result stays here: %s", error)
            return self._near.put(stored)
        self._known = count, size
        # What is in the file of this listener is read there.
        return self._near.put(stored) if stored.spooled or alone or not kept else ()

    def get(self, ref: str, owner: str) -> Stored | Coroutine[Any, Any, Stored | None]:
        """The result `ref`, if it is there and `owner` may read it. One that is not theirs looks missing."""
        near = self._near.get(ref, owner)
        return self._get(ref, owner) if near is None else near

    async def _get(self, ref: str, owner: str) -> Stored | None:
        found = await self._connection.run("HGET", self._keys[1], ref)
        if found is None:
            return None
        try:
            record = _DECODER.decode(found)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            log.warning("could not read a result in Redis: %s", error)
            return None
        if record.owner and record.owner != mark_of(owner):
            return None
        return Stored(
            ref=ref,
            tool=record.tool,
            owner=owner if record.owner else "",
            size=len(record.raw),
            raw=record.raw,
            sources=record.sources,
            remainders=record.remainders,
            elsewhere=record.elsewhere,
        )

    def configure(self, limits: StoreLimits) -> Sequence[str]:
        """Applies bounds: here at once, in Redis with the next result."""
        return self._near.configure(limits)

    def facts(self) -> dict[str, Any]:
        """What status shows of it: what there was in Redis when this listener put something there last, and
        what it has itself."""
        near, (count, size) = self._near.facts(), self._known
        return {**near, "entries": near["entries"] + count, "storedBytes": near["storedBytes"] + size}
