"""Counts that limit clients over several listeners, in Redis. See `callmux.stores.counts`.

Made by `callmux.process.shared_state`. While Redis is away, each listener counts by itself, or nobody does
and whoever asks is told so: the configuration says which. What a listener has in flight when it dies counts
for a minute.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import defaultdict
from collections.abc import Coroutine
from itertools import count
from typing import Any

from callmux.errors import StoreUnavailable
from callmux.stores.memory_counts import MemoryRates
from callmux.stores.redis_connection import RedisConnection, Script, mark_of
from callmux.tasks import TaskSet

log = logging.getLogger(__name__)

IN_FLIGHT_SECONDS = 60.0
"""How long a request counts of which its listener says nothing any more."""
RENEWED_SECONDS = 20.0
TIDIED_SECONDS = 1.0
"""How often Redis is told again of what is over and may still count there."""

_HIT = Script("""
local amount = tonumber(ARGV[1])
local known = redis.call('GET', KEYS[1])
if not known then
    if amount < 0 then return 0 end
    redis.call('SET', KEYS[1], amount, 'PX', ARGV[2])
    return amount
end
if tonumber(known) + amount < 0 then amount = 0 - tonumber(known) end
return redis.call('INCRBY', KEYS[1], amount)
""")
_ENTER = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
""")
_RENEW = Script("""
local time = redis.call('TIME')
local ends = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
for n = 2, #ARGV do redis.call('ZADD', KEYS[1], ends, ARGV[n]) end
return redis.call('PEXPIRE', KEYS[1], ARGV[1])
""")


class _Counts:
    """Counts of one kind, by name.

    Args:
        connection: The Redis.
        strict: Whether nobody counts while Redis is away.
    """

    kind = ""

    def __init__(self, connection: RedisConnection, *, strict: bool) -> None:
        self._connection = connection
        self._strict = strict

    def _key(self, name: str) -> str:
        return self._connection.key(self.kind, mark_of(name))


class RedisRates(_Counts):
    """Counters that begin anew after a time."""

    kind = "rate"

    def __init__(self, connection: RedisConnection, *, strict: bool) -> None:
        super().__init__(connection, strict=strict)
        self._near = MemoryRates()

    def hit(self, key: str, seconds: float, now: float, amount: int = 1) -> int | Coroutine[Any, Any, int]:
        """Counts `amount` more; gives the new count."""
        if self._connection.is_up or self._strict:
            return self._hit(key, seconds, now, amount)
        return self._near.hit(key, seconds, now, amount)

    async def _hit(self, key: str, seconds: float, now: float, amount: int) -> int:
        try:
            return int(await self._connection.evaluate(_HIT, [self._key(key)], amount, int(seconds * 1000)))
        except StoreUnavailable:
            if self._strict:
                raise
            return self._near.hit(key, seconds, now, amount)

    async def end(self, key: str, now: float) -> float:
        """When the window that is open ends; `now` where none is open."""
        try:
            left = int(await self._connection.run("PTTL", self._key(key)))
        except StoreUnavailable:
            return self._near.end(key, now)
        return now + max(0, left) / 1000


class RedisInFlight(_Counts):
    """How many requests of each name are in flight, over all listeners."""

    kind = "flight"

    def __init__(self, connection: RedisConnection, *, strict: bool) -> None:
        super().__init__(connection, strict=strict)
        self._process = secrets.token_hex(6)
        self._numbers = count(1)
        # Those that count there, by name; what counts here only has an empty name.
        self._here: defaultdict[str, list[str]] = defaultdict(list)
        # Those that may still count there and are over, by name.
        self._over: defaultdict[str, set[str]] = defaultdict(set)
        self._tasks = TaskSet("requests in flight")
        self._keeping = self._tidying = False
        connection.when_returned(self._returned)

    def __len__(self) -> int:
        return sum(map(len, self._here.values()))

    def enter(self, name: str, most: int | None) -> bool | Coroutine[Any, Any, bool]:
        """Counts one more, unless there are `most`; says whether it counted. Where this fails or is given up,
        nothing stays counted."""
        if most is not None and (self._connection.is_up or self._strict):
            return self._enter(name, most)
        return self._enter_here(name, most)

    def _enter_here(self, name: str, most: int | None) -> bool:
        if most is not None and len(self._here.get(name, ())) >= most:
            return False
        self._here[name].append("")
        return True

    async def _enter(self, name: str, most: int) -> bool:
        request = f"{self._process}:{next(self._numbers)}"
        # Where it is away nothing is sent, so that nothing can be counted.
        asks = self._connection.is_up
        try:
            milliseconds = int(IN_FLIGHT_SECONDS * 1000)
            counted = await self._connection.evaluate(_ENTER, [self._key(name)], request, most, milliseconds)
            asks = False
        except StoreUnavailable:
            if self._strict:
                raise
            return self._enter_here(name, most)
        finally:
            # Also where whoever asked gives up: Redis may have counted it.
            if asks:
                self._take_back(name, request)
        if not counted:
            return False
        self._here[name].append(request)
        if not self._keeping:
            self._keeping = True
            self._tasks.spawn(self._keep())
        return True

    def leave(self, name: str) -> Coroutine[Any, Any, None] | None:
        """One that was counted is over."""
        requests = self._here.get(name)
        if not requests:
            return None
        request = requests.pop()
        if not requests:
            del self._here[name]
        if not request:
            return None
        # Nobody need await what this gives.
        self._take_back(name, request)
        return self._leave(name, request) if self._connection.is_up else None

    async def _leave(self, name: str, request: str) -> None:
        await self._connection.run("ZREM", self._key(name), request)
        self._forget(name, {request})

    def _take_back(self, name: str, request: str) -> None:
        """What is over counts no more, also where Redis hears of its beginning after this."""
        self._over[name].add(request)
        if not self._tidying:
            self._tidying = True
            self._tasks.spawn(self._tidy())

    async def _tidy(self) -> None:
        try:
            while self._over:
                await asyncio.sleep(TIDIED_SECONDS)
                for name, requests in [(name, set(over)) for name, over in self._over.items()]:
                    try:
                        await self._connection.run("ZREM", self._key(name), *requests)
                    except StoreUnavailable as error:
                        log.debug("requests count on that are over: %s", error)
                        break
                    self._forget(name, requests)
        finally:
            self._tidying = False

    def _forget(self, name: str, requests: set[str]) -> None:
        if (over := self._over.get(name)) is not None:
            over -= requests
            if not over:
                del self._over[name]

    def _returned(self) -> None:
        self._tasks.spawn(self._renew())

    async def _keep(self) -> None:
        """Says again and again what is still in flight here."""
        try:
            while self._here:
                await asyncio.sleep(RENEWED_SECONDS)
                await self._renew()
        finally:
            self._keeping = False

    async def _renew(self) -> None:
        for name in list(self._here):
            requests = [request for request in self._here.get(name, ()) if request]
            if requests:
                try:
                    milliseconds = int(IN_FLIGHT_SECONDS * 1000)
                    await self._connection.evaluate(_RENEW, [self._key(name)], milliseconds, *requests)
                except StoreUnavailable as error:
                    log.debug("requests in flight were not renewed: %s", error)

    async def close(self) -> None:
        """Says nothing more."""
        await self._tasks.cancel()
