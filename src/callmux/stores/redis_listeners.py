"""Which listeners share one Redis, and whether all have the same secret: in Redis, as long as they run.

Made by `callmux.process.shared_state`; `callmux doctor` reads it. The secret does not stand there, only four
bytes that were calculated from it: enough to tell two secrets apart, too little to be sure of a guessed one.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable

import msgspec

from callmux.stores.redis_connection import SCHEMA, RedisConnection, Script

log = logging.getLogger(__name__)

LEASE_MS = 20_000
"""How long a listener is known that says nothing any more."""
SCHEMAS = tuple(str(number) for number in range(1, 10))
"""Versions of what is kept that there may be."""

# Whoever is not there yet is only let in where nobody has another secret.
_MEET = Script("""
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local id, mark, about, lease = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local all, found, other = redis.call('HGETALL', KEYS[1]), {}, false
for n = 1, #all, 2 do
  local ends, its, described = string.match(all[n + 1], '^(%d+) (%x+) (.*)$')
  -- One that ends later than it can is of another clock: of a server that this one has taken over from.
  if tonumber(ends) > now + lease and all[n] ~= id then
    redis.call('HSET', KEYS[1], all[n], string.format('%.0f', now + lease) .. ' ' .. its .. ' ' .. described)
  end
  if tonumber(ends) < now then
    redis.call('HDEL', KEYS[1], all[n])
  elseif all[n] ~= id then
    other = other or its ~= mark
    found[#found + 1] = its
    found[#found + 1] = described
  end
end
if id ~= '' and not (other and redis.call('HEXISTS', KEYS[1], id) == 0) then
  redis.call('HSET', KEYS[1], id, string.format('%.0f', now + lease) .. ' ' .. mark .. ' ' .. about)
  redis.call('PEXPIRE', KEYS[1], lease)
end
return {string.format('%.0f', now), found}
""")


class SharingListener(msgspec.Struct, frozen=True, kw_only=True):
    """A listener that shares.

    Attributes:
        name: What people call it: the machine and the process.
        version: Of callmux.
        ahead: Seconds that its clock is before that of Redis; behind where it is negative.
    """

    name: str
    version: str
    ahead: float = 0.0


_LISTENER = msgspec.json.Decoder(SharingListener)


class Company(msgspec.Struct, frozen=True, kw_only=True):
    """The other listeners, as one of them finds them.

    Attributes:
        same: Those with our secret.
        strange: Those with another one.
        ahead: Seconds that our clock is before that of Redis.
    """

    same: list[SharingListener]
    strange: list[SharingListener]
    ahead: float


class RedisListeners:
    """The listeners that share one Redis.

    Args:
        connection: The Redis. Every method raises `StoreUnavailable` where it does not answer.
        wall: The wall clock.
    """

    def __init__(self, connection: RedisConnection, wall: Callable[[], float]) -> None:
        self._connection = connection
        self._wall = wall
        self._place = connection.key("listeners")
        self._id = secrets.token_hex(8)
        self._ahead = 0.0

    async def meet(self, mark: str, name: str, version: str) -> Company:
        """Says that this listener is there, unless it is new and somebody has another secret; gives who else
        is.

        Args:
            mark: What was calculated from its secret.
        """
        about = SharingListener(name=name, version=version, ahead=round(self._ahead, 3))
        return await self._look(self._id, mark, msgspec.json.encode(about))

    async def look(self, mark: str) -> Company:
        """Who is there, for somebody who is no listener."""
        return await self._look("", mark, b"")

    async def _look(self, id: str, mark: str, about: bytes) -> Company:
        before = self._wall()
        now, found = await self._connection.evaluate(_MEET, [self._place], id, mark, about, LEASE_MS)
        # What is between asking and hearing may be anywhere between: half of it is the best guess.
        self._ahead = (before + self._wall()) / 2 - int(now) / 1000
        marked = [
            (bytes(its).decode(), _LISTENER.decode(described))
            for its, described in zip(found[::2], found[1::2], strict=True)
        ]
        marked.sort(key=lambda found: found[1].name)
        return Company(
            same=[listener for its, listener in marked if its == mark],
            strange=[listener for its, listener in marked if its != mark],
            ahead=self._ahead,
        )

    async def leave(self) -> None:
        """This listener ends."""
        await self._connection.run("HDEL", self._place, self._id)

    async def schemas(self, prefix: str) -> list[str]:
        """The other versions of what is kept that listeners of this prefix use now."""
        others = [schema for schema in SCHEMAS if schema != SCHEMA]
        return [one for one in others if await self._connection.run("HLEN", f"{prefix}{one}:listeners")]
