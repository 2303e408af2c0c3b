"""Finished event streams that outlive their listener, in Redis. See `callmux.stores.replay`.

Made by `callmux.process.shared_state`. Streams are kept in memory, too, where they are found first; to Redis
they are brought a moment later, unless their client has them by then, as almost all have. What one listener
has there has a bound; what goes beyond stays here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import msgspec

from callmux.errors import StoreUnavailable
from callmux.stores.memory_replay import KEPT_SECONDS, MemoryReplay
from callmux.stores.redis_connection import RedisConnection, Script
from callmux.stores.redis_sessions import session_mark
from callmux.stores.replay import FinishedStream
from callmux.tasks import TaskSet

log = logging.getLogger(__name__)

PAUSE_SECONDS = 0.05
"""How long a stream waits here: most clients have read it by then."""
LARGEST = 1024 * 1024
"""Bytes of the largest stream that is brought to Redis."""
MOST_STREAMS = 100
"""Streams of one session there."""
MOST_BROUGHT = 10_000
"""Streams there that this listener has brought."""
MOST_BYTES = 64 * 1024 * 1024
"""Bytes of them."""
MOST_WAITING = 8 * 1024 * 1024
"""Bytes that wait to be brought there; beyond, the oldest stay here."""

_PUT = Script("""
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return redis.call('PEXPIRE', KEYS[1], ARGV[4])
""")
_DROP = Script("""
if ARGV[2] ~= '' and redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
""")
_DECODER = msgspec.msgpack.Decoder(FinishedStream)


class RedisReplay:
    """Finished streams by session and key.

    Args:
        connection: The Redis.
    """

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._near = MemoryReplay()
        self._waiting: dict[tuple[str, str], bytes] = {}
        self._bytes = 0
        # What was brought, by its place: its bytes and when it goes by itself.
        self._brought: dict[tuple[str, str], tuple[int, float]] = {}
        self._there = 0
        self._tasks = TaskSet("streams in Redis")

    def __repr__(self) -> str:
        return f"RedisReplay({self._near!r}, {len(self._waiting)} to be brought to Redis)"

    def put(self, session: str, stream: FinishedStream, now: float) -> None:
        """Keeps a stream for a while, in place of an older one of its key."""
        self._near.put(session, stream, now)
        place = session, stream.key
        self._forget(place)
        size = sum(len(data) for _, data in stream.events)
        if size <= LARGEST and self._connection.is_up:
            value = self._waiting[place] = msgspec.msgpack.encode(stream)
            self._bytes += len(value)
            while self._bytes > MOST_WAITING:
                self._forget(next(iter(self._waiting)))
            if not len(self._tasks):
                self._tasks.spawn(self._bring())

    async def _bring(self) -> None:
        while self._waiting:
            await asyncio.sleep(PAUSE_SECONDS)
            await self._flush(tuple(self._waiting))

    async def _flush(self, places: tuple[tuple[str, str], ...]) -> None:
        for place in places:
            value = self._waiting.get(place)
            if value is None:
                continue
            self._forget(place)
            if not self._has_room(len(value)):
                log.debug("a stream stays here: there are too many already")
                continue
            key, more = self._key(place[0]), (MOST_STREAMS, int(KEPT_SECONDS * 1000))
            self._no_more(place)
            self._brought[place] = len(value), asyncio.get_running_loop().time() + KEPT_SECONDS
            self._there += len(value)
            try:
                await self._connection.evaluate(_PUT, [key], place[1], value, *more)
            except StoreUnavailable as error:
                log.debug("a stream stays here: %s", error)

    def _has_room(self, size: int) -> bool:
        """Whether one more may be brought to Redis, where old ones go by themselves."""
        now = asyncio.get_running_loop().time()
        while self._brought and self._brought[oldest := next(iter(self._brought))][1] <= now:
            self._no_more(oldest)
        return len(self._brought) < MOST_BROUGHT and self._there + size <= MOST_BYTES

    def _no_more(self, place: tuple[str, str]) -> None:
        """It is not there any more."""
        size, _ = self._brought.pop(place, (0, 0.0))
        self._there -= size

    def get(
        self, session: str, key: str, now: float
    ) -> FinishedStream | Coroutine[Any, Any, FinishedStream | None]:
        """The stream; None where it is not kept (any more)."""
        found = self._near.get(session, key, now)
        return self._get(session, key) if found is None else found

    async def _get(self, session: str, key: str) -> FinishedStream | None:
        found = await self._connection.run("HGET", self._key(session), key)
        try:
            return None if found is None else _DECODER.decode(found)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            log.warning("could not read a stream in Redis: %s", error)
            return None

    def drop(self, session: str, stream: FinishedStream | None = None) -> Coroutine[Any, Any, None] | None:
        """Forgets a stream, unless another one has its key by now. Without `stream` all of a session here: in
        Redis they stay for their time, for the listener that the session goes on at."""
        self._near.drop(session, stream)
        if stream is None:
            return self._leave(tuple(place for place in self._waiting if place[0] == session))
        value, place = msgspec.msgpack.encode(stream), (session, stream.key)
        if self._waiting.get(place) == value:
            self._forget(place)
            # What is there is an older one.
            value = b""
        if place not in self._brought or not self._connection.is_up:
            return None
        return self._drop(place, value)

    def _leave(self, places: tuple[tuple[str, str], ...]) -> Coroutine[Any, Any, None] | None:
        return self._flush(places) if places else None

    async def _drop(self, place: tuple[str, str], value: bytes) -> None:
        brought = self._brought.get(place)
        gone = await self._connection.evaluate(_DROP, [self._key(place[0])], place[1], value)
        if gone and self._brought.get(place) is brought:
            self._no_more(place)

    def expire(self, now: float) -> None:
        """Forgets what is too old here; in Redis it goes by itself."""
        self._near.expire(now)

    async def close(self) -> None:
        """Brings to Redis what still waits."""
        await self._tasks.cancel()
        await self._flush(tuple(self._waiting))

    def _forget(self, place: tuple[str, str]) -> None:
        value = self._waiting.pop(place, None)
        if value is not None:
            self._bytes -= len(value)

    def _key(self, session: str) -> str:
        return self._connection.key("replay", session_mark(session))
