"""Sessions in Redis: any listener finds them, nobody revives one that is over, and no id stands there."""

from __future__ import annotations

import pytest

from callmux.errors import StoreUnavailable
from callmux.stores.redis_sessions import MOST_BYTES, RedisSessions, session_mark
from callmux.stores.sessions import OVER, KeptSession
from tests.redis_server import connected, own_prefix
from tests.support import real_loop

KEPT = KeptSession(
    owner="ann",
    begun=5.0,
    version="2025-11-25",
    capabilities='{"roots":{}}',
    asked="p",
    profile="p",
    client_name="é",
    client_kind="cli",
    log_level="debug",
    subscriptions=("a://b", "c://d"),
    cwd="/w",
    cwd_source="meta",
    waits=True,
    asks=True,
    declared=("tools",),
)


@real_loop()
async def test_another_listener_finds_what_was_kept_last(redis_url: str) -> None:
    prefix = own_prefix()
    async with connected(redis_url, prefix) as here, connected(redis_url, prefix) as there:
        assert await RedisSessions(there).get("id") is None
        assert await RedisSessions(here).put("id", KeptSession(begun=1, version="v", capabilities=""), 60)
        assert await RedisSessions(here).put("id", KEPT, 60)
        assert await RedisSessions(there).get("id") == KEPT
        assert await RedisSessions(there).get("other") is None


@real_loop()
async def test_one_that_is_over_stays_so_whoever_still_keeps_it(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        sessions = RedisSessions(redis)
        await sessions.put("id", KEPT, 60)
        await sessions.end("id", 60)
        assert await sessions.get("id") == OVER
        assert not await sessions.put("id", KEPT, 60)
        assert not await sessions.touch("id", 60)
        assert await sessions.get("id") == OVER


@real_loop()
async def test_it_is_kept_for_its_time_and_longer_when_it_is_touched(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        sessions, key = RedisSessions(redis), redis.key("session", session_mark("id"))
        assert not await sessions.touch("id", 60)
        await sessions.put("id", KEPT, 60)
        assert 59_000 < await redis.run("PTTL", key) <= 60_000
        assert await sessions.touch("id", 90)
        assert await redis.run("PTTL", key) > 89_000
        await sessions.put("id", KEPT, 0.001)

        gone = False
        while not gone:
            gone = await sessions.get("id") is None
        await sessions.end("id", 60)
        assert 59_000 < await redis.run("PTTL", key) <= 60_000


@real_loop()
async def test_no_id_stands_in_redis(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        await RedisSessions(redis).put("secret-id", KEPT, 60)
        keys = await redis.run("KEYS", redis.key("*"))
        assert len(keys) == 2
        assert not any(b"secret-id" in key for key in keys)


@real_loop()
async def test_a_session_that_is_too_large_is_refused(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        large = KeptSession(begun=1, version="v", capabilities="x" * MOST_BYTES)
        with pytest.raises(StoreUnavailable, match="too large"):
            await RedisSessions(redis).put("id", large, 60)


@real_loop()
async def test_what_cannot_be_read_is_as_if_it_were_not_there(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(redis_url) as redis:
        await redis.run("SET", redis.key("session", session_mark("id")), b"\xff{")
        assert await RedisSessions(redis).get("id") is None
        assert "could not read a session" in caplog.text


@real_loop()
async def test_ends_are_told_once_to_everybody_who_looks(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        store = RedisSessions(redis)
        await store.end("before", 60)
        first, told = await store.ended("", ["before"])
        assert told == []
        await store.end("a", 60)
        await store.end("b", 60)
        second, told = await store.ended(first, ["a", "c"])
        assert (told, second != first) == (["a"], True)
        assert await store.ended(second, ["a", "b"]) == (second, [])
        assert await store.ended("0-0", iter(["before", "b"])) == (second, ["before", "b"])
        stream = redis.key("ended")
        assert 0 < await redis.run("PTTL", stream) <= 3600_000
        assert b'"a"' not in repr(await redis.run("XRANGE", stream, "-", "+")).encode()
