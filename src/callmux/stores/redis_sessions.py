"""Sessions that several listeners share, in Redis. See `callmux.stores.sessions`.

Made by `callmux.process.shared_state`. An id is a secret: who knows one may use the session. So no id stands
in Redis, only what can be calculated from it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

import msgspec

from callmux.errors import StoreUnavailable
from callmux.stores.redis_connection import RedisConnection, Script, mark_of
from callmux.stores.redis_notices import RedisNotices
from callmux.stores.sessions import OVER, KeptSession, Over

log = logging.getLogger(__name__)

MOST_BYTES = 256 * 1024
"""The largest session: thousands of subscriptions."""
MOST_ENDED = 5000
"""Ends of sessions that are told to other listeners: more than there are between two looks."""
ENDED_MS = 3600 * 1000
"""How long they are told after the last one."""
_OVER = b"over"
_DECODER = msgspec.json.Decoder(KeptSession)

_PUT = Script("""
if redis.call('GET', KEYS[1]) == 'over' then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
""")
_TOUCH = Script("""
local found = redis.call('GET', KEYS[1])
if not found or found == 'over' then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[1])
""")


class RedisSessions:
    """Sessions by id.

    Args:
        connection: The Redis.
    """

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._ended = RedisNotices(connection, "ended", MOST_ENDED, ENDED_MS)

    def __repr__(self) -> str:
        return f"RedisSessions({self._connection!r})"

    async def put(self, id: str, session: KeptSession, seconds: float) -> bool:
        value = msgspec.json.encode(session)
        if len(value) > MOST_BYTES:
            raise StoreUnavailable(f"a session of {len(value)} bytes is too large to be shared")
        kept = await self._connection.evaluate(_PUT, [self._key(id)], value, _milliseconds(seconds))
        return bool(kept)

    async def get(self, id: str) -> KeptSession | Over | None:
        found = await self._connection.run("GET", self._key(id))
        if found is None:
            return None
        if found == _OVER:
            return OVER
        try:
            return _DECODER.decode(found)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            log.warning("could not read a session in Redis: %s", error)
            return None

    async def touch(self, id: str, seconds: float) -> bool:
        return bool(await self._connection.evaluate(_TOUCH, [self._key(id)], _milliseconds(seconds)))

    async def end(self, id: str, seconds: float) -> None:
        await self._connection.run("SET", self._key(id), _OVER, "PX", _milliseconds(seconds))
        await self._ended.tell(session_mark(id))

    async def ended(self, after: str, here: Iterable[str]) -> tuple[str, list[str]]:
        place, found = await self._ended.told(after)
        marks = {mark.decode() for mark in found}
        return place, [id for id in here if session_mark(id) in marks] if marks else []

    def _key(self, id: str) -> str:
        return self._connection.key("session", session_mark(id))


def session_mark(id: str) -> str:
    """What stands for a session in Redis: nobody can tell the id from it."""
    return mark_of(id, 20)


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))
