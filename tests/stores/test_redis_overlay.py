"""Changes of servers in Redis: numbered, encrypted, and one listener at a time."""

from __future__ import annotations

import asyncio

import pytest

from callmux.errors import StoreUnavailable
from callmux.stores.redis_overlay import MOST_BYTES, RedisOverlay
from tests.redis_server import RedisServer, connected, own_prefix
from tests.support import real_loop, until

KEY = b"k" * 32


@real_loop()
async def test_changes_are_numbered_and_the_slower_one_is_refused(redis_url: str) -> None:
    prefix = own_prefix()
    async with connected(redis_url, prefix) as here, connected(redis_url, prefix) as there:
        one, other = RedisOverlay(here, KEY), RedisOverlay(there, KEY)
        assert (await one.version(), await one.read()) == (0, (0, b""))
        numbers = await asyncio.gather(*(store.write(b"text", 0) for store in (one, other) * 3))
        assert sorted(numbers) == [0, 0, 0, 0, 0, 1]
        assert await other.write(b"more", 1) == 2
        assert await one.read() == (2, b"more")
        assert await one.version() == 2
        assert 0 < await here.run("TTL", here.key("overlay")) <= 90 * 24 * 3600


@real_loop()
async def test_nothing_is_plain_there_and_another_key_reads_nothing(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        await RedisOverlay(redis, KEY).write(b'{"env": {"TOKEN": "hush-hush"}}', 0)
        assert b"hush" not in await redis.run("HGET", redis.key("overlay"), "value")
        with pytest.raises(StoreUnavailable, match=r"same state\.key"):
            await RedisOverlay(redis, b"o" * 32).read()
        with pytest.raises(StoreUnavailable, match="too many"):
            await RedisOverlay(redis, KEY).write(b"x" * (MOST_BYTES + 1), 1)


@real_loop()
async def test_while_redis_is_away_nobody_knows(own_redis: RedisServer) -> None:
    async with connected(own_redis.url) as redis:
        overlay = RedisOverlay(redis, KEY)
        own_redis.kill()
        for ask in (overlay.read(), overlay.version(), overlay.write(b"", 0)):
            with pytest.raises(StoreUnavailable):
                await ask
        await until(lambda: not redis.is_up, "the loss")
