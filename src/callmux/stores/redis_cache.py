"""The cache that several listeners share, with the epochs of writes, in Redis. See `callmux.stores.cache`.

Made by `callmux.process.shared_state`. Every step is one script. A result is kept with the epoch of its
server, and no longer given once that has moved on. A Redis that does not know the script was started anew,
or has taken the place of another: what stands there is dropped, because writes may be missing from it. One
that has no room for a write is emptied for it; one that was away gives nothing until all listeners have told
it of the writes that they made meanwhile.
Without a cache (`cacheTtlSeconds` is 0) nothing is asked of Redis, and no read is shared by several calls.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
from collections.abc import Callable, Coroutine
from math import inf, isinf
from typing import Any

import msgspec

from callmux.stores.cache import CacheLimits, Key
from callmux.stores.memory import DOUBT_SECONDS
from callmux.stores.redis_connection import CommandRefused, RedisConnection, Script, Word

LARGEST = 4 * 1024 * 1024
"""Bytes of the largest result that is brought to Redis."""
IDLE_SECONDS = 7 * 24 * 3600
"""After how long without any use all of it goes."""
GRACE_SECONDS = 6.0
"""How long nothing is read after Redis was away: by then all who write have noticed that it is back."""

# values and names by digest; `facts` has 'epoch stored ends size' by digest; order by the last use; epochs by
# server, and what they are of; doubts by server and number, until when they last.
_PARTS = ("values", "names", "facts", "order", "epochs", "doubts")
_PROLOGUE = """
local values, names, facts, order, epochs, doubts = unpack(KEYS)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local given = {unpack(ARGV, 2)}
local function epoch_of(server)
    local epoch = redis.call('HGET', epochs, 's:' .. server)
    if not epoch then
        epoch = string.format('%.0f', time[1] * 1000000 + time[2])
        redis.call('HSET', epochs, 's:' .. server, epoch)
        redis.call('EXPIRE', epochs, 604800)
    end
    return tonumber(epoch)
end
local function drop(digest)
    local fact = redis.call('HGET', facts, digest)
    if not fact then return 0 end
    redis.call('HDEL', values, digest)
    redis.call('HDEL', names, digest)
    redis.call('HDEL', facts, digest)
    redis.call('ZREM', order, digest)
    redis.call('HINCRBY', epochs, 'size', 0 - string.match(fact, '(%d+)$'))
    return 1
end
local function found(server, digest, ttl)
    local fact = redis.call('HGET', facts, digest)
    if not fact then return false end
    local epoch, stored, ends = string.match(fact, '^(%d+) (%d+) (%d+) ')
    if tonumber(epoch) ~= epoch_of(server) or now >= tonumber(ends) or now - stored >= ttl then
        drop(digest)
        return false
    end
    return true
end
"""
_STEPS = {
    "get": """
if not found(given[1], given[2], tonumber(given[3])) then return false end
redis.call('ZADD', order, redis.call('HINCRBY', epochs, 'used', 1), given[2])
return redis.call('HGET', values, given[2])
""",
    "has": """
return found(given[1], given[2], tonumber(given[3])) and 1 or 0
""",
    "put": """
local server, digest, begun, size = given[1], given[2], tonumber(given[3]), tonumber(given[6])
local most, bytes, ends = tonumber(given[8]), tonumber(given[9]), now + given[7]
local epoch = epoch_of(server)
if begun ~= epoch + tonumber((redis.call('HGET', epochs, 'all') or 0)) then return {0, -1, -1} end
drop(digest)
local words = string.format('%.0f %.0f %.0f %d', epoch, now, ends, size)
redis.call('HSET', values, digest, given[4])
redis.call('HSET', names, digest, given[5])
redis.call('HSET', facts, digest, words)
redis.call('ZADD', order, redis.call('HINCRBY', epochs, 'used', 1), digest)
redis.call('HINCRBY', epochs, 'size', size)
while redis.call('ZCARD', order) > most or tonumber(redis.call('HGET', epochs, 'size')) > bytes do
    drop(redis.call('ZRANGE', order, 0, 0)[1])
end
for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, given[10]) end
local held = redis.call('HEXISTS', facts, digest)
return {held, redis.call('ZCARD', order), tonumber(redis.call('HGET', epochs, 'size'))}
""",
    "begin": """
redis.call('ZREMRANGEBYSCORE', doubts, '-inf', now)
for _, doubt in ipairs(redis.call('ZRANGE', doubts, 0, -1)) do
    if string.sub(doubt, 1, #given[1] + 1) == given[1] .. ':' then return false end
end
return string.format('%.0f', epoch_of(given[1]) + tonumber((redis.call('HGET', epochs, 'all') or 0)))
""",
    "wrote": """
epoch_of(given[1])
redis.call('HINCRBY', epochs, 's:' .. given[1], 1)
if given[2] then redis.call('ZREM', doubts, given[1] .. ':' .. given[2]) end
return 1
""",
    "doubt": """
epoch_of(given[1])
redis.call('HINCRBY', epochs, 's:' .. given[1], 1)
local number = redis.call('HINCRBY', epochs, 'doubt', 1)
redis.call('ZADD', doubts, now + given[2], given[1] .. ':' .. number)
redis.call('EXPIRE', doubts, math.max(given[3], redis.call('TTL', doubts)))
return number
""",
    "list": """
if given[1] == '0' then redis.call('HINCRBY', epochs, 'all', 1) end
return redis.call('HSCAN', names, given[1], 'COUNT', 500)
""",
    "empty": """
redis.call('HINCRBY', epochs, 'all', 1)
redis.call('HDEL', epochs, 'size')
local count = redis.call('HLEN', facts)
redis.call('UNLINK', values, names, facts, order)
return count
""",
    "drop": """
local count = 0
for n = 2, #given, 2 do
    if found(given[n], given[n + 1], tonumber(given[1])) then count = count + drop(given[n + 1]) end
end
return count
""",
}
_SCRIPT = Script(
    _PROLOGUE + "".join(f"if ARGV[1] == '{step}' then {text} end\n" for step, text in _STEPS.items())
)
_CLEAN = Script("return redis.call('DEL', unpack(KEYS))")
"""Goes before the first step that a Redis is asked for: one that does not know them was started meanwhile."""


class _Name(msgspec.Struct, frozen=True, array_like=True):
    """What a result is of, for who clears some of them."""

    server: str
    tool: str
    rights: str


_NAME = msgspec.msgpack.Decoder(_Name)


class RedisCache:
    """Results by key, and the epochs of servers.

    Args:
        connection: The Redis.
    """

    shared = True

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._limits = CacheLimits()
        self._known = (0, 0)
        self._machine = socket.gethostname()
        # In one place of a cluster, because there is one bound for all.
        self._keys = [connection.key("{cache}", part) for part in _PARTS]
        self._rests_until = 0.0
        connection.when_returned(self._returned)

    def __repr__(self) -> str:
        return f"RedisCache({self._connection!r})"

    def configure(self, limits: CacheLimits, now: float) -> None:
        """Applies bounds: with the next result, and to the age of those that are there at once."""
        self._limits = limits

    @property
    def _is_used(self) -> bool:
        return (
            self._limits.ttl_seconds > 0
            and self._connection.is_up
            and (not self._rests_until or self._has_rested())
        )

    def _returned(self) -> None:
        self._rests_until = asyncio.get_running_loop().time() + GRACE_SECONDS

    def _has_rested(self) -> bool:
        if asyncio.get_running_loop().time() < self._rests_until:
            return False
        self._rests_until = 0.0
        return True

    def get(self, key: Key, now: float) -> Coroutine[Any, Any, bytes | None] | None:
        """The result for `key`, which counts as used now; None where there is none."""
        return self._get(key) if self._is_used else None

    async def _get(self, key: Key) -> bytes | None:
        words = (key.server, self._digest(key), self._milliseconds)
        found: bytes | None = await self._step("get", *words)
        return found

    def has(self, key: Key, now: float) -> bool | Coroutine[Any, Any, bool]:
        """Whether `get` would find something."""
        return self._has(key) if self._is_used else False

    async def _has(self, key: Key) -> bool:
        words = (key.server, self._digest(key), self._milliseconds)
        return bool(await self._step("has", *words))

    def put(
        self, key: Key, raw: bytes, now: float, epoch: int | None, lasts: float = inf
    ) -> bool | Coroutine[Any, Any, bool]:
        """Keeps a result, unless it is too large or was read before a write; says whether it is kept."""
        if epoch is None or not self._is_used or len(raw) > min(self._limits.entry_bytes, LARGEST):
            return False
        return self._put(key, raw, epoch, lasts)

    async def _put(self, key: Key, raw: bytes, epoch: int, lasts: float) -> bool:
        limits = self._limits
        name = msgspec.msgpack.encode(_Name(key.server, key.tool, key.rights))
        seconds = limits.ttl_seconds if isinf(lasts) else min(lasts, limits.ttl_seconds)
        size = len(raw) + len(key.arguments or b"")
        kept, count, all_bytes = await self._step(
            "put",
            *(key.server, self._digest(key), epoch, raw, name, size, int(seconds * 1000)),
            *(limits.entries, limits.total_bytes, max(IDLE_SECONDS, 2 * limits.ttl_seconds)),
        )
        if count >= 0:
            self._known = count, all_bytes
        return bool(kept)

    def begin(self, server: str, clock: Callable[[], float]) -> Coroutine[Any, Any, int | None] | None:
        """The epoch for a read that begins; None where it may neither be kept nor shared."""
        return self._begin(server) if self._is_used else None

    async def _begin(self, server: str) -> int | None:
        epoch = await self._step("begin", server)
        return None if epoch is None else int(epoch)

    def wrote(self, server: str) -> Coroutine[Any, Any, None] | None:
        """A write to the server has ended, or what it offers is not the same any more."""
        return self._wrote(server) if self._limits.ttl_seconds > 0 else None

    async def _wrote(self, server: str, *doubt: int) -> None:
        try:
            await self._step("wrote", server, *doubt)
        except CommandRefused:
            await self._make_worthless()

    async def _make_worthless(self) -> None:
        """Drops everything but the doubts, where Redis has no room to note a write: that needs none."""
        await self._connection.run("DEL", *self._keys[:-1])

    def doubt(self, server: str, now: float, seconds: float = 0.0) -> int | Coroutine[Any, Any, int]:
        """A write was given up or lost: it may still be carried out. Gives a number for `sure`."""
        return self._doubt(server, seconds) if self._limits.ttl_seconds > 0 else 0

    async def _doubt(self, server: str, seconds: float) -> int:
        lasts = (self._limits.ttl_seconds or DOUBT_SECONDS) + seconds
        words = (server, int(lasts * 1000), int(lasts) + 1)
        try:
            return int(await self._step("doubt", *words))
        except CommandRefused:
            await self._make_worthless()
            raise

    def sure(self, server: str, doubt: int) -> Coroutine[Any, Any, None] | None:
        """The write of that number has ended after all."""
        return self._wrote(server, doubt) if self._limits.ttl_seconds > 0 else None

    async def clear(
        self, chosen: Callable[[str, str], bool] | None, now: float, rights: str | None = None
    ) -> int:
        """Forgets results, also those that are being read now; gives their number."""
        if self._limits.ttl_seconds <= 0:
            return 0
        if chosen is None and rights is None:
            return int(await self._step("empty"))
        count, cursor = 0, b"0"
        while True:
            # In portions, so that nobody else waits for long.
            cursor, listed = await self._step("list", cursor)
            words: list[str | bytes] = []
            for digest, encoded in zip(listed[::2], listed[1::2], strict=True):
                name = _NAME.decode(encoded)
                if (rights is None or name.rights == rights) and (
                    chosen is None or chosen(name.server, name.tool)
                ):
                    words += (name.server, digest)
            if words:
                count += int(await self._step("drop", self._milliseconds, *words))
            if cursor == b"0":
                return count

    def facts(self, now: float) -> dict[str, Any]:
        """What status shows of it: what there was when this listener put something there last."""
        limits, (count, size) = self._limits, self._known
        return {
            "entries": count,
            "ttlSeconds": limits.ttl_seconds,
            "enabled": limits.ttl_seconds > 0,
            "maxEntries": limits.entries,
            "maxEntryBytes": min(limits.entry_bytes, LARGEST),
            "maxTotalBytes": limits.total_bytes,
            "storedBytes": size,
        }

    async def _step(self, step: str, *words: Word) -> Any:
        return await self._connection.evaluate(_SCRIPT, self._keys, step, *words, first=_CLEAN)

    @property
    def _milliseconds(self) -> int:
        return self._limits.ttl_seconds * 1000

    def _digest(self, key: Key) -> str:
        """Stands for a key. A directory is one of this machine."""
        machine = self._machine if key.directory else ""
        definition = self._limits.definitions.get(key.server, "")
        encoded = msgspec.msgpack.encode((machine, definition, *key))
        return hashlib.blake2b(encoded, digest_size=20).hexdigest()
