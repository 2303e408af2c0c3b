"""Counts over several listeners: what one lets in counts at all, and what dies does not count for ever."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from callmux.errors import StoreUnavailable
from callmux.stores.redis_connection import RedisConnection
from callmux.stores.redis_counts import RedisInFlight, RedisRates
from tests.redis_server import RedisServer, connected, own_prefix
from tests.stores.contracts import IN_FLIGHT, RATES, Scene, given
from tests.support import real_loop, until


@asynccontextmanager
async def counted(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> AsyncIterator[tuple[RedisConnection, RedisInFlight]]:
    """Requests in flight, of which Redis is told again soon."""
    monkeypatch.setattr("callmux.stores.redis_counts.TIDIED_SECONDS", 0.05)
    async with connected(server.url, seconds=seconds) as redis:
        yield redis, RedisInFlight(redis, strict=True)


@real_loop()
@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("scene", RATES)
async def test_rates_keep_their_promises(scene: Scene, strict: bool, redis_url: str) -> None:
    async with connected(redis_url) as redis:
        await scene(RedisRates(redis, strict=strict))


@real_loop()
@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("scene", IN_FLIGHT)
async def test_requests_in_flight_keep_their_promises(scene: Scene, strict: bool, redis_url: str) -> None:
    async with connected(redis_url) as redis:
        in_flight = RedisInFlight(redis, strict=strict)
        await scene(in_flight)
        await in_flight.close()


@real_loop()
async def test_all_listeners_count_together(redis_url: str) -> None:
    prefix = own_prefix()
    async with connected(redis_url, prefix) as here, connected(redis_url, prefix) as there:
        rates = RedisRates(here, strict=True), RedisRates(there, strict=True)
        assert [await given(store.hit("a", 60, 0)) for store in rates * 2] == [1, 2, 3, 4]
        assert 59 < await rates[0].end("a", 0) <= 60
        one, other = RedisInFlight(here, strict=True), RedisInFlight(there, strict=True)
        assert [await given(store.enter("a", 3)) for store in (one, other, one, other)] == [True] * 3 + [
            False
        ]
        await given(one.leave("a"))
        assert await given(other.enter("a", 3))
        assert len(one) + len(other) == 3
        await one.close()
        await other.close()


@real_loop()
async def test_a_window_ends(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        rates = RedisRates(redis, strict=True)
        assert await given(rates.hit("a", 0.05, 0)) == 1
        again = 2
        while again != 1:
            again = await given(rates.hit("a", 0.05, 0))
        assert await rates.end("never", 7) == 7


@real_loop()
async def test_what_a_listener_had_in_flight_when_it_died_counts_for_a_while_and_no_longer(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = own_prefix()
    async with connected(redis_url, prefix) as here, connected(redis_url, prefix) as there:
        monkeypatch.setattr("callmux.stores.redis_counts.IN_FLIGHT_SECONDS", 1.0)
        monkeypatch.setattr("callmux.stores.redis_counts.RENEWED_SECONDS", 0.01)
        dead, alive = RedisInFlight(here, strict=True), RedisInFlight(there, strict=True)
        assert await given(dead.enter("a", 1))
        assert not await given(alive.enter("a", 1))
        await dead.close()
        entered = False
        while not entered:
            entered = await given(alive.enter("a", 1))
        await alive.close()


@real_loop()
async def test_who_gives_up_while_redis_is_slow_does_not_count_whatever_redis_does_later(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with counted(own_redis, monkeypatch, seconds=5) as (redis, in_flight):
        # Redis knows all connections that are used below.
        await asyncio.gather(*(redis.run("GET", redis.key("b")) for _ in range(8)))
        assert await given(in_flight.enter("a", 3))
        own_redis.signal(signal.SIGSTOP)
        loop = asyncio.get_running_loop()
        asking = [loop.create_task(in_flight._enter("a", 3)) for _ in range(6)]
        await asyncio.sleep(0.01)
        for task in asking[:4]:
            task.cancel()
        await asyncio.wait(asking[:4])
        # While others are being asked about, the first is over.
        leaving = in_flight.leave("a")
        assert leaving is not None
        own_redis.signal(signal.SIGCONT)
        await leaving
        await asyncio.wait(asking[4:])
        entered = sum(task.result() for task in asking[4:])
        assert len(in_flight) == entered
        for _ in range(entered):
            if (leaving := in_flight.leave("a")) is not None:
                leaving.close()
        assert len(in_flight) == 0
        await until(lambda: not in_flight._over, "that all of it is told")
        assert await redis.run("ZCARD", in_flight._key("a")) == 0
        await in_flight.close()


@real_loop()
async def test_what_ended_while_redis_was_away_counts_no_more_when_it_is_back(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with counted(own_redis, monkeypatch, seconds=0.2) as (_, in_flight):
        assert await given(in_flight.enter("a", 1))
        own_redis.signal(signal.SIGSTOP)
        with pytest.raises(StoreUnavailable):
            await given(in_flight.enter("a", 1))
        assert in_flight.leave("a") is None
        own_redis.signal(signal.SIGCONT)
        await until(lambda: not in_flight._over, "that Redis hears of it")
        assert await given(in_flight.enter("a", 1))
        await in_flight.close()


@real_loop()
async def test_what_redis_has_lost_is_counted_again_when_it_is_back(own_redis: RedisServer) -> None:
    async with connected(own_redis.url) as redis:
        in_flight, other = RedisInFlight(redis, strict=True), RedisInFlight(redis, strict=True)
        assert await given(in_flight.enter("a", 1))
        own_redis.kill()
        with pytest.raises(StoreUnavailable):
            await given(other.enter("a", 1))
        await given(other.leave("a"))
        own_redis.start()
        await until(lambda: redis.is_up, "Redis")
        counted = True
        while counted:
            if counted := await given(other.enter("a", 1)):
                await given(other.leave("a"))
        await in_flight.close()
        await other.close()


@real_loop()
async def test_while_redis_is_away_nobody_is_counted_or_each_listener_counts_by_itself(
    own_redis: RedisServer,
) -> None:
    async with connected(own_redis.url) as redis:
        strict, loose = RedisRates(redis, strict=True), RedisRates(redis, strict=False)
        flights = RedisInFlight(redis, strict=True), RedisInFlight(redis, strict=False)
        own_redis.kill()
        # The first to ask finds out, all others know.
        assert await given(loose.hit("a", 60, 0)) == 1
        assert loose.hit("a", 60, 0) == 2
        assert await loose.end("a", 0) == 60
        with pytest.raises(StoreUnavailable):
            await given(strict.hit("a", 60, 0))
        with pytest.raises(StoreUnavailable):
            await given(flights[0].enter("a", 1))
        assert flights[0].leave("a") is None
        assert len(flights[0]) == 0
        assert [flights[1].enter("a", 1) for _ in range(2)] == [True, False]
        assert flights[1].leave("a") is None
        assert flights[1].enter("a", 1) is True
        assert flights[1].leave("never") is None


@real_loop()
async def test_one_that_finds_out_itself_counts_by_itself(own_redis: RedisServer) -> None:
    async with connected(own_redis.url) as redis:
        in_flight = RedisInFlight(redis, strict=False)
        own_redis.kill()
        assert await given(in_flight.enter("a", 1)) is True
        assert await given(in_flight.enter("a", 1)) is False
        assert in_flight.enter("a", None) is True


@real_loop()
async def test_no_name_of_a_principal_stands_in_redis(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        in_flight = RedisInFlight(redis, strict=True)
        await given(RedisRates(redis, strict=True).hit("principal/60/bearer:anna", 60, 0))
        await given(in_flight.enter("bearer:anna", 1))
        keys = await redis.run("KEYS", redis.key("*"))
        assert len(keys) == 3
        assert not any(b"anna" in key for key in keys)
        left = [await redis.run("PTTL", key) for key in keys if not key.endswith(b"mark")]
        assert all(0 < milliseconds <= 60_000 for milliseconds in left)
        await in_flight.close()
