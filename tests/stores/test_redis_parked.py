"""Parked calls in Redis: one bound over all listeners, and one of them gets each."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from callmux.stores.parked import ParkedCall, ParkedLimits
from callmux.stores.redis_parked import MOST_BYTES, RedisParkedCalls
from tests.redis_server import RedisServer, connected, own_prefix
from tests.stores.contracts import ANNA, PARKED, Scene, given, same
from tests.support import real_loop, until


def call(owner: str = "anna", until: float = 60) -> ParkedCall:
    return ParkedCall(owner=owner, request=b"r", until=until)


@real_loop()
@pytest.mark.parametrize("scene", PARKED)
async def test_a_store_keeps_its_promises(scene: Scene, redis_url: str) -> None:
    async with connected(redis_url) as redis:
        await scene(RedisParkedCalls(redis))


@real_loop()
async def test_of_all_listeners_that_ask_one_gets_a_call(redis_url: str) -> None:
    prefix = own_prefix()
    async with connected(redis_url, prefix) as here, connected(redis_url, prefix) as there:
        one, other = RedisParkedCalls(here), RedisParkedCalls(there)
        for n in range(10):
            await given(one.park(f"t{n}", ANNA, 0))
            taken = await asyncio.gather(
                *(given(store.take(f"t{n}", "anna", 0)) for store in (one, other) * 3)
            )
            assert len([found for found in taken if found is not None]) == 1


@real_loop()
async def test_bounds_hold_over_all_listeners_and_what_is_taken_makes_room(redis_url: str) -> None:
    prefix, limits = own_prefix(), ParkedLimits(each=2, total=3)
    async with connected(redis_url, prefix) as here, connected(redis_url, prefix) as there:
        one, other = RedisParkedCalls(here, limits), RedisParkedCalls(there, limits)
        assert await given(one.park("a", call(), 0))
        assert await given(other.park("b", call(), 0))
        assert not await given(one.park("c", call(), 0))
        assert await given(other.park("d", call("bob"), 0))
        assert not await given(one.park("e", call("carl"), 0))
        assert await given(one.take("b", "anna", 0))
        assert await given(one.park("e", call("carl"), 0))
        await given(other.drop("a"))
        assert await given(one.park("c", call(), 0))
        assert await given(one.park("c", call(), 0)), "a token that is parked again counts once"
        assert not await given(one.park("c", call("bob"), 0)), "and stays with its owner"


@real_loop()
async def test_what_has_expired_is_nobodys_and_makes_room(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        store = RedisParkedCalls(redis, ParkedLimits(each=1))
        assert await given(store.park("a", call(until=10.05), 10))
        room = False
        while not room:
            room = await given(store.park("b", call(), 0))
        assert await given(store.take("a", "anna", 0)) is None
        assert await given(store.take("b", "anna", 0))
        assert await given(store.park("c", call(until=0.001), 0))
        gone = False
        while not gone:
            gone = not await redis.run("EXISTS", redis.key("{parked}", "calls"))


@real_loop()
async def test_no_token_stands_in_redis(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        await given(RedisParkedCalls(redis).park("secret-token", ANNA, 0))
        there = await redis.run("HGETALL", redis.key("{parked}", "calls"))
        assert "secret-token" not in repr(there)
        assert there


@real_loop()
async def test_what_is_too_large_for_redis_stays_here(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        store = RedisParkedCalls(redis)
        large = msgspec.structs.replace(call("a"), request=b"r" * MOST_BYTES)
        assert await given(store.park("t", large, 0))
        assert store.take("t", large.owner, 0) == large


@real_loop()
async def test_while_redis_is_away_calls_are_parked_here(own_redis: RedisServer) -> None:
    async with connected(own_redis.url) as redis:
        store = RedisParkedCalls(redis)
        own_redis.kill()
        assert await given(store.park("a", ANNA, 0))
        await until(lambda: not redis.is_up, "the loss")
        assert store.park("b", ANNA, 0) is True
        assert same(await given(store.take("a", "anna", 0)), ANNA)
        assert store.drop("b") is None
