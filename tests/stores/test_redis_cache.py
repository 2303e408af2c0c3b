"""A cache in Redis: one for all listeners, and none from before a write that Redis has forgotten."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from math import inf

import msgspec
import pytest

from callmux.errors import StoreUnavailable
from callmux.rings.cache.writes import Writes
from callmux.stores.cache import CacheLimits, Key
from callmux.stores.redis_cache import LARGEST, RedisCache
from tests.redis_server import RedisServer, connected, own_prefix
from tests.stores.contracts import CACHE, CACHED, LIMITS, Scene, given, put
from tests.support import real_loop, until


@real_loop()
@pytest.mark.parametrize("scene", CACHE)
async def test_a_cache_keeps_its_promises(scene: Scene, redis_url: str) -> None:
    async with connected(redis_url) as redis:
        await scene(RedisCache(redis))


@real_loop()
async def test_a_write_at_one_listener_counts_at_all(redis_url: str) -> None:
    prefix = own_prefix()
    async with connected(redis_url, prefix) as here, connected(redis_url, prefix) as there:
        one, other = RedisCache(here), RedisCache(there)
        for cache in (one, other):
            cache.configure(LIMITS, 0)
        began = await given(other.begin("a", lambda: 0.0))
        assert await put(one, CACHED)
        assert await given(other.get(CACHED, 0)) == b"1"
        await given(other.wrote("a"))
        assert await given(one.get(CACHED, 0)) is None
        assert await given(one.put(CACHED, b"old", 0, began)) is False
        doubt = await given(one.doubt("a", 0))
        assert await given(other.begin("a", lambda: 0.0)) is None
        await given(one.sure("a", doubt))
        assert isinstance(await given(other.begin("a", lambda: 0.0)), int)
        assert await put(one, CACHED)
        assert await given(other.clear(None, 0)) == 1
        assert await given(one.has(CACHED, 0)) is False


@real_loop()
async def test_a_directory_is_one_of_this_machine(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix, scoped = own_prefix(), Key("a", "t", b"{}", "/work")
    async with connected(redis_url, prefix) as redis:
        here = RedisCache(redis)
        monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
        there = RedisCache(redis)
        for cache in (here, there):
            cache.configure(LIMITS, 0)
        await put(here, scoped)
        await put(here, CACHED)
        assert await given(here.get(scoped, 0)) == b"1"
        assert await given(there.get(scoped, 0)) is None
        assert await given(there.get(CACHED, 0)) == b"1"


@real_loop()
async def test_results_run_out(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        cache = RedisCache(redis)
        cache.configure(LIMITS, 0)
        assert await put(cache, CACHED, lasts=0.05)
        assert await put(cache, Key("a", "u", None), lasts=inf)
        gone = False
        while not gone:
            gone = await given(cache.get(CACHED, 0)) is None
        assert await given(cache.get(Key("a", "u", None), 0)) == b"1"
        assert not await put(cache, CACHED, b"x" * (LARGEST + 1))


@real_loop()
async def test_all_of_it_goes_by_itself(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        cache = RedisCache(redis)
        cache.configure(LIMITS, 0)
        await put(cache, CACHED)
        await given(cache.doubt("a", 0))
        keys = [key for key in await redis.run("KEYS", redis.key("*")) if not key.endswith(b"mark")]
        left = {key: await redis.run("TTL", key) for key in keys}
        assert len(left) == 6
        assert all(0 < seconds <= 7 * 24 * 3600 for seconds in left.values())
        assert not any(b"cred" in key for key in keys)


@real_loop()
async def test_without_a_cache_redis_is_asked_nothing_and_no_read_is_shared(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        cache = RedisCache(redis)
        cache.configure(CacheLimits(), 0)
        assert cache.get(CACHED, 0) is None
        assert cache.begin("a", lambda: 0.0) is None
        assert cache.wrote("a") is None
        assert cache.doubt("a", 0) == 0
        assert cache.sure("a", 0) is None
        assert cache.has(CACHED, 0) is cache.put(CACHED, b"1", 0, 1) is False
        assert await given(cache.clear(None, 0)) == 0


@real_loop()
async def test_what_redis_had_before_it_was_started_anew_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that came after its last file would be missing."""
    monkeypatch.setattr("callmux.stores.redis_cache.GRACE_SECONDS", 0.0)
    server = RedisServer("--save", "3600 1")
    try:
        async with connected(server.url) as redis:
            cache = RedisCache(redis)
            cache.configure(LIMITS, 0)
            await put(cache, CACHED, b"before")
            began = await given(cache.begin("a", lambda: 0.0))
            await redis.run("SAVE")
            await given(cache.wrote("a"))
            server.kill()
            server.start()
            found: bytes | None = b"unknown"
            while found == b"unknown":
                try:
                    found = await given(cache.get(CACHED, 0))
                except StoreUnavailable:
                    await asyncio.sleep(0.01)
            assert found is None
            await until(lambda: redis.is_up, "Redis")
            assert await redis.run("GET", redis.key("mark")), "it has its file"
            assert await given(cache.put(CACHED, b"before", 0, began)) is False
            assert await put(cache, CACHED, b"after")
    finally:
        server.close()


@real_loop()
async def test_while_redis_is_away_everything_is_a_miss_and_no_write_is_forgotten(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callmux.rings.cache.writes.PAUSE_SECONDS", 0.02)
    async with connected(own_redis.url) as redis:
        cache = RedisCache(redis)
        cache.configure(LIMITS, 0)
        writes = Writes(cache)
        writes.lasts = 60
        await put(cache, CACHED)
        own_redis.kill()
        with pytest.raises(StoreUnavailable):
            await given(cache.get(CACHED, 0))
        assert cache.get(CACHED, 0) is None
        assert cache.has(CACHED, 0) is cache.put(CACHED, b"1", 0, 1) is False
        assert cache.begin("a", lambda: 0.0) is None
        told = writes.wrote("a")
        assert told is not None
        await told
        assert "a" in writes.unsure
        own_redis.start()
        await until(lambda: not writes.unsure, "the write")
        await writes.close()


@real_loop()
async def test_after_redis_was_away_nothing_is_read_until_others_can_have_told_of_their_writes(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callmux.stores.redis_cache.GRACE_SECONDS", 3600.0)
    async with connected(own_redis.url, seconds=0.2) as redis:
        cache = RedisCache(redis)
        cache.configure(LIMITS, 0)
        await put(cache, CACHED)
        own_redis.signal(signal.SIGSTOP)
        with pytest.raises(StoreUnavailable):
            await given(cache.get(CACHED, 0))
        await until(lambda: redis._told, "that it is seen to be away")
        own_redis.signal(signal.SIGCONT)
        await until(lambda: redis.is_up, "its return")
        assert cache.get(CACHED, 0) is None
        assert cache.has(CACHED, 0) is False
        cache._rests_until = 1.0
        assert await given(cache.get(CACHED, 0)) == b"1"


@real_loop()
async def test_a_write_that_redis_has_no_room_for_makes_everything_worthless(own_redis: RedisServer) -> None:
    async with connected(own_redis.url) as redis:
        cache = RedisCache(redis)
        cache.configure(LIMITS, 0)
        for note in (cache.wrote, lambda server: cache.doubt(server, 0)):
            assert await put(cache, CACHED)
            assert await given(cache.has(CACHED, 0))
            await redis.run("CONFIG", "SET", "maxmemory", 1)
            with contextlib.suppress(StoreUnavailable):
                await given(note("a"))
            await redis.run("CONFIG", "SET", "maxmemory", 0)
            assert redis.is_up
            assert not await given(cache.has(CACHED, 0))


@real_loop()
async def test_results_of_a_server_that_is_configured_differently_are_other_results(redis_url: str) -> None:
    prefix = own_prefix()
    async with connected(redis_url, prefix) as here, connected(redis_url, prefix) as there:
        one, other = RedisCache(here), RedisCache(there)
        one.configure(msgspec.structs.replace(LIMITS, definitions={"a": "before"}), 0)
        other.configure(msgspec.structs.replace(LIMITS, definitions={"a": "after"}), 0)
        assert await put(one, CACHED, b"before")
        assert await given(other.get(CACHED, 0)) is None
        assert await put(other, CACHED, b"after")
        assert await given(one.get(CACHED, 0)) == b"before"
        await given(one.wrote("a"))
        assert await given(other.get(CACHED, 0)) is None
        assert await given(other.clear(lambda server, tool: True, 0)) == 0


@real_loop()
async def test_a_large_cache_is_cleared_in_portions(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        cache = RedisCache(redis)
        cache.configure(CacheLimits(ttl_seconds=60, entries=1000), 0)

        async def fill() -> None:
            began = await given(cache.begin("a", lambda: 0.0))
            keys = [Key("a", f"t{n % 3}", b"%d" % n) for n in range(600)]
            await asyncio.gather(*(given(cache.put(key, b"1", 0, began)) for key in keys))
            assert await redis.run("HLEN", redis.key("{cache}", "facts")) == 600

        await fill()
        assert await given(cache.clear(lambda server, tool: tool == "t1", 0)) == 200
        assert await given(cache.clear(lambda server, tool: tool == "t1", 0)) == 0
        assert await given(cache.clear(None, 0)) == 400
        assert await given(cache.clear(None, 0)) == 0
        await fill()


@real_loop()
async def test_a_write_that_may_take_long_counts_for_as_long(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        cache = RedisCache(redis)
        cache.configure(LIMITS, 0)
        await given(cache.doubt("a", 0, 100))
        await given(cache.doubt("a", 0))
        assert await redis.run("TTL", redis.key("{cache}", "doubts")) > 150
        (until_then,) = (await redis.run("ZRANGE", redis.key("{cache}", "doubts"), -1, -1, "WITHSCORES"))[1:]
        seconds, _ = await redis.run("TIME")
        assert float(until_then) / 1000 - float(seconds) > 150


@real_loop()
async def test_no_name_of_a_server_means_something_else(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        cache = RedisCache(redis)
        cache.configure(LIMITS, 0)
        for name in ("ize", "size", "used", "sed", "all", "doubt", ":", ""):
            assert await put(cache, Key(name, "t", None), b"x" * 10)
            assert await given(cache.get(Key(name, "t", None), 0)) == b"x" * 10
        assert cache.facts(0)["storedBytes"] == 80
