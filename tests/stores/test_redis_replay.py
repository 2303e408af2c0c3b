"""Streams in Redis: another listener goes on with them, and those that arrived never get there."""

from __future__ import annotations

import pytest

from callmux.stores import redis_replay
from callmux.stores.redis_connection import RedisConnection
from callmux.stores.redis_replay import LARGEST, MOST_STREAMS, RedisReplay
from callmux.stores.redis_sessions import session_mark
from callmux.stores.replay import FinishedStream
from tests.redis_server import RedisServer, connected, own_prefix
from tests.stores.contracts import FIRST, SECOND, STREAMS, Scene, given
from tests.support import real_loop, until


async def kept(redis: RedisConnection, session: str) -> int:
    """How many streams of a session are in Redis."""
    return int(await redis.run("HLEN", redis.key("replay", session_mark(session))))


@real_loop()
@pytest.mark.parametrize("scene", STREAMS)
async def test_a_store_keeps_its_promises(scene: Scene, redis_url: str) -> None:
    async with connected(redis_url) as redis:
        streams = RedisReplay(redis)
        await scene(streams)
        await streams.close()


@real_loop()
@pytest.mark.parametrize("scene", STREAMS)
async def test_a_listener_that_has_none_of_them_keeps_the_promises_too(
    scene: Scene, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything is read from Redis, where it is at once."""

    class Elsewhere(RedisReplay):
        def put(self, session: str, stream: FinishedStream, now: float) -> None:
            super().put(session, stream, now)
            self._near.drop(session)

        async def get(self, session: str, key: str, now: float) -> FinishedStream | None:
            await self._flush(tuple(self._waiting))
            found: FinishedStream | None = await given(super().get(session, key, now))
            return found

    async with connected(redis_url) as redis:
        streams = Elsewhere(redis)
        await scene(streams)
        await streams.close()


@real_loop()
async def test_another_listener_finds_what_nobody_has_received(redis_url: str) -> None:
    prefix = own_prefix()
    async with connected(redis_url, prefix) as here, connected(redis_url, prefix) as there:
        streams = RedisReplay(here)
        streams.put("a", FIRST, 0)
        streams.put("b", FIRST, 0)
        await given(streams.drop("b", FIRST))
        found = None
        while found is None:
            found = await given(RedisReplay(there).get("a", "r1", 0))
        assert found == FIRST
        assert await kept(there, "b") == 0
        await given(streams.drop("a", FIRST))
        assert await kept(there, "a") == 0


@real_loop()
async def test_a_session_that_leaves_this_listener_leaves_its_streams_for_the_next(redis_url: str) -> None:
    prefix = own_prefix()
    async with connected(redis_url, prefix) as here, connected(redis_url, prefix) as there:
        streams = RedisReplay(here)
        streams.put("a", SECOND, 0)
        await given(streams.drop("a"))
        assert await given(RedisReplay(there).get("a", "r1", 0)) == SECOND


@real_loop()
async def test_an_end_brings_what_still_waits(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        streams = RedisReplay(redis)
        streams.put("a", FIRST, 0)
        assert "1 to be brought" in repr(streams)
        await streams.close()
        assert await kept(redis, "a") == 1
        assert 0 < await redis.run("PTTL", redis.key("replay", session_mark("a"))) <= 120_000


@real_loop()
async def test_streams_there_are_bounded(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected(redis_url) as redis:
        streams = RedisReplay(redis)
        streams.put("large", FinishedStream("r1", ((1, b"x" * (LARGEST + 1)),)), 0)
        for n in range(MOST_STREAMS + 5):
            streams.put("many", FinishedStream(f"r{n}", ((1, b"x"),)), 0)
        await streams.close()
        assert await kept(redis, "large") == 0
        assert await kept(redis, "many") <= MOST_STREAMS
        monkeypatch.setattr("callmux.stores.redis_replay.MOST_WAITING", 50)
        for n in range(10):
            streams.put("waiting", FinishedStream(f"r{n}", ((1, b"0123456789"),)), 0)
        await streams.close()
        assert 0 < await kept(redis, "waiting") < 5


@real_loop()
async def test_while_redis_is_away_they_are_kept_here(own_redis: RedisServer) -> None:
    async with connected(own_redis.url) as redis:
        streams = RedisReplay(redis)
        own_redis.kill()
        streams.put("a", FIRST, 0)
        await until(lambda: not redis.is_up, "the loss")
        streams.put("a", SECOND, 0)
        assert streams.get("a", "r1", 0) == SECOND
        assert streams.drop("a", SECOND) is None
        await streams.close()


@real_loop()
async def test_what_cannot_be_read_is_as_if_it_were_not_there(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(redis_url) as redis:
        await redis.run("HSET", redis.key("replay", session_mark("a")), "r1", b"\xc1")
        assert await given(RedisReplay(redis).get("a", "r1", 0)) is None
        assert "could not read a stream" in caplog.text
        RedisReplay(redis).expire(0)


@real_loop()
async def test_what_one_listener_has_there_has_a_bound_until_it_is_received_or_too_old(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_replay, "MOST_BROUGHT", 2)
    async with connected(redis_url) as redis:
        streams = RedisReplay(redis)

        async def brought(session: str) -> int:
            streams.put(session, FIRST, 0)
            await streams._flush(tuple(streams._waiting))
            return await kept(redis, session)

        assert [await brought(session) for session in ("a", "b", "c")] == [1, 1, 0]
        assert await given(streams.get("c", FIRST.key, 0)) == FIRST, "it is here all the same"
        await given(streams.drop("a", FIRST))
        assert await brought("d") == 1
        monkeypatch.setattr(redis_replay, "MOST_BYTES", 1)
        await given(streams.drop("b", FIRST))
        assert await brought("e") == 0
        monkeypatch.setattr(redis_replay, "MOST_BYTES", 1 << 20)
        (place,) = streams._brought
        size, _ = streams._brought[place]
        streams._brought[place] = size, 0.0
        assert await brought("f") == 1
        assert (len(streams._brought), streams._there > 0) == (1, True)
        await streams.close()
