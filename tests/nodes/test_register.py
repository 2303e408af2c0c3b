"""The register of nodes and owners: who is there, and that a session has one owner at a time."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from callmux.errors import StoreUnavailable
from callmux.nodes.register import NodeFacts, Register
from tests.redis_server import connected, connection
from tests.support import real_loop

A = NodeFacts(id="a.1", name="a", address="http://a", version="1")
B = NodeFacts(id="b.1", name="b", address="http://b", version="1", leaving=True)


@real_loop()
async def test_nodes_see_each_other_as_long_as_they_are_heard_of(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        register = Register(redis)
        assert (await register.beat(A, 60_000, first=True)).nodes == {"a.1": A}
        assert (await register.beat(B, 60_000, first=True)).nodes == {"a.1": A, "b.1": B}
        await register.remove("a.1")
        beat = await register.beat(B, 60_000, first=False)
        assert (beat.taken, beat.nodes, beat.lost) == (True, {"b.1": B}, {})


@real_loop()
async def test_a_lease_that_has_ended_does_not_go_on(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        register = Register(redis)
        await register.beat(A, -1, first=True)
        beat = await register.beat(B, 60_000, first=True)
        assert (beat.nodes, beat.lost) == ({"b.1": B}, {"a.1": A})
        assert not (await register.beat(A, 60_000, first=False)).taken
        await register.remove("b.1")
        assert not (await register.beat(B, 60_000, first=False)).taken


@real_loop()
async def test_it_is_known_since_when_there_is_a_register(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        assert (await Register(redis).beat(A, 60_000, first=True)).settled_ms == 0


@real_loop()
async def test_where_redis_comes_back_with_its_clock_behind_no_lease_lasts_longer(redis_url: str) -> None:
    """An hour ahead is what the server said that this one has taken over from."""
    async with connected(redis_url) as redis:
        register, place = Register(redis), redis.key("nodes")
        await register.beat(A, 60_000, first=True)
        seconds, _ = await redis.run("TIME")
        later = (int(seconds) + 3600) * 1000
        about = msgspec.json.encode(A).decode()
        await redis.run("HSET", place, "since", later, "a.1", f"{later} {about}")
        beat = await register.beat(B, 60_000, first=True)
        assert (beat.settled_ms, beat.nodes) == (0, {"a.1": A, "b.1": B})
        ends = int(bytes(await redis.run("HGET", place, "a.1")).partition(b" ")[0])
        assert 0 < ends - int(seconds) * 1000 < 120_000
        assert (await register.beat(A, 60_000, first=False)).taken


@real_loop()
async def test_a_session_has_one_owner_however_many_claim_it(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        register = Register(redis)
        claims = [register.claim("s", f"n{n}", "", absent=True) for n in range(20)]
        owners = {owner for owner, _ in await asyncio.gather(*claims)}
        assert len(owners) == 1
        assert await register.owner("s") == owners.pop()


@real_loop()
async def test_a_session_is_taken_from_the_owner_it_has_and_from_no_other(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        register = Register(redis)
        assert await register.claim("s", "a.1", "", absent=True) == ("a.1", 1)
        assert await register.claim("s", "b.1", "c.1", absent=True) == ("a.1", 0)
        assert await register.claim("s", "b.1", "a.1", absent=False) == ("b.1", 2)
        assert await register.claim("s", "a.1", "a.1", absent=False) == ("b.1", 0)
        await register.release("s", "a.1")
        assert await register.owner("s") == "b.1", "it is not the one's to release"
        await register.release("s", "b.1")
        assert await register.owner("s") == ""
        assert await register.claim("s", "a.1", "", absent=False) == ("a.1", 3)


@real_loop()
async def test_of_a_session_that_is_over_nothing_is_known(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        register = Register(redis)
        await register.claim("s", "a.1", "", absent=True)
        await register.forget("s", "b.1")
        assert await register.owner("s") == "a.1"
        await register.forget("s", "a.1")
        assert await register.claim("s", "a.1", "", absent=False) == ("", 0)
        assert await register.claim("s", "a.1", "", absent=True) == ("a.1", 1)


@real_loop()
async def test_no_id_of_a_session_stands_in_redis(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        await Register(redis).claim("a-secret-session", "a.1", "", absent=True)
        keys = await redis.run("KEYS", redis.key("*"))
        assert keys
        assert all(b"secret" not in key for key in keys)


@real_loop()
async def test_a_redis_that_is_away_is_said(redis_url: str) -> None:
    redis = connection(redis_url)
    with pytest.raises(StoreUnavailable):
        await Register(redis).beat(A, 1000, first=True)
    assert msgspec.json.decode(msgspec.json.encode(A), type=NodeFacts) == A
