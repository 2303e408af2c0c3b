"""Who serves a session: one node, another one where that is gone, and nobody two at a time."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.errors import StoreUnavailable
from callmux.nodes.owners import Owners
from callmux.stores.redis_connection import RedisConnection
from tests.nodes.test_membership import Watched, settled
from tests.redis_server import RedisServer, connected, own_prefix
from tests.support import real_loop


class Owning(Watched):
    """A node and what it owns."""

    def __init__(self, redis: RedisConnection, name: str) -> None:
        super().__init__(redis, name)
        self.owners = Owners(self.register, self.lease)


async def two(one: RedisConnection, other: RedisConnection) -> tuple[Owning, Owning]:
    await settled(one)
    a, b = Owning(one, "a"), Owning(other, "b")
    for node in (a, b, a):
        await node.lease.beat()
    return a, b


@real_loop()
async def test_others_find_the_node_that_began_a_session(redis_url: str) -> None:
    prefix = own_prefix()
    async with connected(redis_url, prefix) as one, connected(redis_url, prefix) as other:
        a, b = await two(one, other)
        await a.owners.begin("s")
        assert a.owners.holds("s")
        found = await b.owners.find("s", absent=True)
        assert found is not None
        assert found.id == a.lease.id
        assert await a.owners.find("s", absent=True) is None
        assert await a.owners.look("s") is None
        assert await b.owners.look("s") == found


@real_loop()
async def test_where_the_owner_is_gone_the_session_goes_on_here(redis_url: str) -> None:
    prefix = own_prefix()
    async with connected(redis_url, prefix) as one, connected(redis_url, prefix) as other:
        a, b = await two(one, other)
        await a.owners.begin("s")
        found = await b.owners.find("s", absent=True)
        assert found is not None
        await b.owners.gone(found.id)
        b.owners.moved("s")
        assert await b.owners.find("s", absent=True) is None
        assert b.owners.holds("s")
        # The old owner was only away, and hears of it before it serves anything.
        await a.lease.beat()
        assert await a.owners.take_back() == ["s"]
        assert not a.owners.holds("s")
        assert len(a.owners) == 0


@real_loop()
async def test_what_nobody_took_meanwhile_is_taken_back(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        a = Owning(redis, "a")
        await a.lease.beat()
        for n in range(120):
            await a.owners.begin(f"s{n}")
        await a.register.remove(a.lease.id)
        await a.lease.beat()
        assert not a.owners.holds("s0")
        assert await a.owners.take_back() == []
        assert all(a.owners.holds(f"s{n}") for n in range(120))


@real_loop()
async def test_what_others_have_is_given_also_where_it_was_found_before_an_interruption(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = own_prefix()
    async with connected(redis_url, prefix) as one, connected(redis_url, prefix) as other:
        a, b = await two(one, other)
        for session in ("s", "t"):
            await a.owners.begin(session)
        await b.owners.gone(a.lease.id)
        assert await b.owners.find("s", absent=True) is None
        await a.lease.beat()
        monkeypatch.setattr("callmux.nodes.owners.AT_A_TIME", 1)
        claim = a.register.claim

        async def fails(session: str, *more: Any, **rest: Any) -> Any:
            if session == "t":
                raise StoreUnavailable("away")
            return await claim(session, *more, **rest)

        monkeypatch.setattr(a.register, "claim", fails)
        with pytest.raises(StoreUnavailable):
            await a.owners.take_back()
        monkeypatch.setattr(a.register, "claim", claim)
        assert await a.owners.take_back() == ["s"]
        assert (a.owners.holds("s"), a.owners.holds("t")) == (False, True)


@real_loop()
async def test_a_session_that_is_let_go_is_for_whoever_is_asked_next(redis_url: str) -> None:
    prefix = own_prefix()
    async with connected(redis_url, prefix) as one, connected(redis_url, prefix) as other:
        a, b = await two(one, other)
        await a.owners.begin("s")
        await a.owners.release(["s", "none of ours"])
        assert await b.owners.find("s", absent=False) is None
        assert b.owners.holds("s")


@real_loop()
async def test_what_is_known_of_nothing_is_not_claimed(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        a = Owning(redis, "a")
        await a.lease.beat()
        assert await a.owners.find("invented", absent=False) is None
        assert not a.owners.holds("invented")
        assert await redis.run("EXISTS", a.register._key("invented")) == 0


@real_loop()
async def test_nobody_takes_what_redis_has_just_forgotten_before_its_owner_could_say_so(
    redis_url: str,
) -> None:
    async with connected(redis_url) as redis:
        a = Owning(redis, "a")
        await a.lease.beat()
        assert not a.lease.is_settled
        with pytest.raises(StoreUnavailable, match="in a moment"):
            await a.owners.find("s", absent=True)
        await settled(redis)
        await a.lease.beat()
        assert await a.owners.find("s", absent=True) is None
        assert a.owners.holds("s")


@real_loop()
async def test_a_session_that_is_over_is_forgotten(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        a = Owning(redis, "a")
        await a.lease.beat()
        await a.owners.begin("s")
        await a.owners.over("s")
        assert await a.register.owner("s") == ""
        await a.owners.over("s")


@real_loop()
async def test_without_redis_sessions_begin_and_nobody_says_whose_others_are(own_redis: RedisServer) -> None:
    async with connected(own_redis.url) as redis:
        a = Owning(redis, "a")
        await a.lease.beat()
        own_redis.kill()
        await a.owners.begin("s")
        assert a.owners.holds("s")
        with pytest.raises(StoreUnavailable):
            await a.owners.find("other", absent=True)
        await a.owners.over("s")


@real_loop()
async def test_ids_that_somebody_makes_up_cost_no_heartbeat(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(redis_url) as redis:
        await settled(redis)
        a = Owning(redis, "a")
        await a.lease.beat()

        async def beat() -> None:
            raise AssertionError("nobody asked for one")

        monkeypatch.setattr(a.lease, "beat", beat)
        assert await a.owners.find("made up", absent=False) is None
        assert not a.owners.holds("made up")
