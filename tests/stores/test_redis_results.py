"""Results in Redis: what others can read, what stays here, and what is bounded there."""

from __future__ import annotations

import msgspec
import pytest

from callmux.errors import StoreUnavailable
from callmux.stores.parked import ParkedCall
from callmux.stores.redis_parked import RedisParkedCalls
from callmux.stores.redis_results import LARGEST, RedisResults
from callmux.stores.results import Stored, StoreLimits
from tests.redis_server import RedisServer, connected, own_prefix, stopped
from tests.stores.contracts import RESULTS, Scene, given, stored
from tests.support import real_loop


@real_loop()
@pytest.mark.parametrize("scene", RESULTS)
async def test_a_store_keeps_its_promises(scene: Scene, redis_url: str) -> None:
    async with connected(redis_url) as redis:
        await scene(RedisResults(redis))


@real_loop()
async def test_another_listener_reads_what_this_one_keeps(redis_url: str) -> None:
    prefix = own_prefix()
    async with connected(redis_url, prefix) as here, connected(redis_url, prefix) as there:
        results, others = RedisResults(here), RedisResults(there)
        await given(results.put(stored("a", "anna")))
        assert await given(others.get("a", "anna")) == stored("a", "anna")
        assert await given(others.get("a", "bob")) is None
        # One bound for both.
        others.configure(StoreLimits(results=1))
        await given(others.put(stored("b")))
        assert await given(results.get("a", "anna")) is None
        assert others.facts()["entries"] == 1


@real_loop()
async def test_what_is_in_the_file_of_this_listener_is_read_there_and_by_others_in_redis(
    redis_url: str,
) -> None:
    prefix = own_prefix()
    large = msgspec.structs.replace(stored("a"), spooled=True)
    async with connected(redis_url, prefix) as here, connected(redis_url, prefix) as there:
        results = RedisResults(here)
        results.configure(StoreLimits(results=1))
        assert await given(results.put(large)) == []
        assert results.get("a", "") == msgspec.structs.replace(large, raw=None)
        assert (await given(RedisResults(there).get("a", ""))).raw == b"{}"
        more = msgspec.structs.replace(large, ref="b")
        assert await given(results.put(more)) == ["a"]


@real_loop()
async def test_what_is_too_large_for_redis_stays_here_and_others_know_that(redis_url: str) -> None:
    prefix = own_prefix()
    async with connected(redis_url, prefix) as here, connected(redis_url, prefix) as there:
        results, others = RedisResults(here), RedisResults(there)
        large = Stored(ref="a", tool="t", owner="anna", size=LARGEST + 1, raw=b"x" * (LARGEST + 1))
        assert await given(results.put(large)) == []
        assert results.get("a", "anna") is large
        found = await given(others.get("a", "anna"))
        assert (found.elsewhere, found.raw, found.owner) == (True, b"", "anna")
        assert await given(others.get("a", "bob")) is None
        assert await here.run("HGET", here.key("{results}", "sizes"), "") == b"0"


@real_loop()
async def test_nobody_is_named_in_redis(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        await given(RedisResults(redis).put(stored("a", "bearer:anna@example.org")))
        call = ParkedCall(owner="bearer:anna@example.org", request=b"d", process="p", until=1e9)
        assert await given(RedisParkedCalls(redis).park("t", call, 0.0))
        hashes = [redis.key("{results}", "values"), redis.key("{parked}", "calls")]
        everything = [await redis.run("HGETALL", key) for key in hashes]
        assert all(everything)
        assert b"anna" not in repr(everything).encode()


@real_loop()
async def test_all_of_it_goes_by_itself(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        await given(RedisResults(redis).put(stored("a")))
        keys = [key for key in await redis.run("KEYS", redis.key("*")) if not key.endswith(b"mark")]
        assert len(keys) == 3
        left = [await redis.run("TTL", key) for key in keys]
        assert all(0 < seconds <= 24 * 3600 for seconds in left)


@real_loop()
async def test_while_redis_is_away_results_stay_here_and_others_are_perhaps_there(
    own_redis: RedisServer,
) -> None:
    async with connected(own_redis.url) as redis:
        results = RedisResults(redis)
        await given(results.put(stored("there")))
        with stopped(own_redis, redis):
            await given(results.put(stored("late")))
            assert results.put(stored("here")) == []
            for ref in ("late", "here"):
                assert await given(results.get(ref, "")) == stored(ref)
            with pytest.raises(StoreUnavailable):
                await given(results.get("there", ""))


@real_loop()
async def test_what_cannot_be_read_is_as_if_it_were_not_there(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(redis_url) as redis:
        await redis.run("HSET", redis.key("{results}", "values"), "a", b"\xc1")
        assert await given(RedisResults(redis).get("a", "")) is None
        assert "could not read a result" in caplog.text
