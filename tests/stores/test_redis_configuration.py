"""Which configuration is the newest: each listener knows whether it has it."""

from __future__ import annotations

import pytest

from callmux.stores.redis_configuration import RedisConfiguration
from tests.redis_server import RedisServer, connected, own_prefix
from tests.support import real_loop, until

OLD: dict[str, object] = {"servers": {"a": {"command": "hush"}}}
NEW: dict[str, object] = {"servers": {}}


def shown(version: int, *, newest: bool) -> dict[str, object]:
    return {"configuration": {"version": version, "isNewest": newest}}


@real_loop()
async def test_a_listener_that_is_behind_says_so(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    prefix = own_prefix()
    async with connected(redis_url, prefix) as here, connected(redis_url, prefix) as there:
        one, other = RedisConfiguration(here), RedisConfiguration(there)
        assert one.facts() == {}
        for configuration in (one, other, one):
            configuration.takes_effect(OLD)
            await configuration.look()
            assert configuration.facts() == shown(1, newest=True)
        other.takes_effect(NEW)
        await other.look()
        for _ in range(3):
            await one.look()
        assert (one.facts(), other.facts()) == (shown(2, newest=False), shown(2, newest=True))
        assert caplog.text.count("newer configuration (number 2)") == 1
        one.takes_effect(dict(NEW))
        await one.look()
        assert one.facts() == shown(2, newest=True)
        kept = await here.run("HGETALL", here.key("configuration"))
        assert b"hush" not in repr(kept).encode()
        assert 0 < await here.run("TTL", here.key("configuration")) <= 90 * 24 * 3600


@real_loop()
async def test_what_redis_has_lost_it_is_told_again(own_redis: RedisServer) -> None:
    async with connected(own_redis.url) as redis:
        configuration = RedisConfiguration(redis)
        configuration.takes_effect(OLD)
        await configuration.look()
        own_redis.kill()
        await configuration.look()
        own_redis.start()
        await until(lambda: redis.is_up, "Redis")
        for _ in range(2):
            await configuration.look()
        assert await redis.run("HGET", redis.key("configuration"), "version") == b"1"
