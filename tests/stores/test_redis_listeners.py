"""Listeners that share one Redis know of each other, and of whoever has another secret."""

from __future__ import annotations

import pytest

from callmux.errors import StoreUnavailable
from callmux.stores import redis_listeners
from callmux.stores.redis_connection import RedisConnection
from callmux.stores.redis_listeners import RedisListeners, SharingListener
from tests.redis_server import RedisServer, connected, own_prefix
from tests.support import real_loop

A, B = "aaaaaaaa", "bbbbbbbb"


async def redis_time(redis: RedisConnection) -> float:
    seconds, microseconds = await redis.run("TIME")
    return int(seconds) + int(microseconds) / 1e6


@real_loop()
async def test_who_has_another_secret_is_not_let_in_and_is_seen_where_it_is_already(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        first, second, third, odd = (RedisListeners(redis, lambda: 1.0) for _ in range(4))
        assert (await first.meet(A, "first", "1")).same == []
        (seen,) = (await second.meet(A, "second", "1")).same
        assert (seen.name, seen.version) == ("first", "1")
        refused = await odd.meet(B, "odd", "1")
        assert [listener.name for listener in refused.strange] == ["first", "second"]
        assert (await first.meet(A, "first", "1")).strange == [], "it was not let in"
        # Redis has lost everything, and the odd one is the first to come back.
        await redis.run("DEL", redis.key("listeners"))
        assert (await odd.meet(B, "odd", "1")).strange == []
        assert [listener.name for listener in (await third.meet(A, "third", "1")).strange] == ["odd"]
        await odd.leave()
        await third.meet(A, "third", "1")
        assert [listener.name for listener in (await first.look(A)).same] == ["third"]


@real_loop()
async def test_who_only_looks_is_not_seen_and_who_is_silent_is_forgotten(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(redis_url) as redis:
        looker, listener = RedisListeners(redis, lambda: 1.0), RedisListeners(redis, lambda: 1.0)
        await looker.look(B)
        assert (await listener.meet(A, "one", "1")).strange == []
        assert 0 < await redis.run("PTTL", redis.key("listeners")) <= redis_listeners.LEASE_MS
        (found,) = (await looker.look(B)).strange
        assert found.name == "one"
        await redis.run("HSET", redis.key("listeners"), "old", b'1 aaaaaaaa {"name":"old","version":"1"}')
        assert [one.name for one in (await looker.look(A)).same] == ["one"]
        assert await redis.run("HEXISTS", redis.key("listeners"), "old") == 0
        # The server that this one has taken over from had its clock ahead.
        late = b'99999999999999 aaaaaaaa {"name":"late","version":"1"}'
        await redis.run("HSET", redis.key("listeners"), "late", late)
        assert [one.name for one in (await looker.look(A)).same] == ["late", "one"]
        ends, _, about = bytes(await redis.run("HGET", redis.key("listeners"), "late")).partition(b" ")
        assert 0 < int(ends) / 1000 - await redis_time(redis) <= redis_listeners.LEASE_MS / 1000
        assert late.endswith(about)


@real_loop()
async def test_clocks_are_compared_with_that_of_redis(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        ahead = await redis_time(redis) + 60
        listener, other = RedisListeners(redis, lambda: ahead), RedisListeners(redis, lambda: ahead - 180)
        company = await listener.meet(A, "ahead", "1")
        assert 0 < company.ahead < 61
        await listener.meet(A, "ahead", "1")
        behind = await other.meet(A, "behind", "1")
        assert behind.ahead < -100
        (seen,) = behind.same
        assert isinstance(seen, SharingListener)
        assert 0 < seen.ahead < 61


@real_loop()
async def test_listeners_of_another_form_are_found_and_what_stands_there_is_no_secret(
    redis_url: str,
) -> None:
    prefix = own_prefix()
    async with connected(redis_url, prefix) as redis:
        listeners = RedisListeners(redis, lambda: 1.0)
        await listeners.meet(A, "one", "1")
        assert await listeners.schemas(prefix) == []
        await redis.run("HSET", f"{prefix}2:listeners", "x", "y")
        assert await listeners.schemas(prefix) == ["2"]
        await redis.run("DEL", f"{prefix}2:listeners")


@real_loop()
async def test_without_redis_nobody_can_tell(own_redis: RedisServer) -> None:
    async with connected(own_redis.url) as redis:
        listeners = RedisListeners(redis, lambda: 1.0)
        own_redis.kill()
        for ask in (listeners.meet(A, "one", "1"), listeners.look(A), listeners.leave()):
            with pytest.raises(StoreUnavailable):
                await ask
