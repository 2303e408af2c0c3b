"""The lease of a node: kept by heartbeats, and noticed when it was lost, before anything is served."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from callmux.errors import StoreUnavailable
from callmux.nodes.membership import LEASE_SECONDS, SURE_SECONDS, Membership
from callmux.nodes.register import Register
from callmux.stores.redis_connection import RedisConnection
from tests.redis_server import RedisServer, connected, own_prefix
from tests.support import FakeClock, real_loop, until


class Watched:
    """A node's lease, with a clock that tests set."""

    def __init__(self, redis: RedisConnection, name: str = "a") -> None:
        self.register = Register(redis)
        self.clock = FakeClock()
        self.returns: list[str] = []
        self.fails: list[BaseException] = []
        self.changes = 0
        self.lease = Membership(
            self.register,
            name,
            f"http://{name}",
            "1",
            self.clock.clock.monotonic,
            self._returned,
            self._changed,
        )

    async def _returned(self) -> None:
        self.returns.append(self.lease.id)
        if self.fails:
            raise self.fails.pop()

    def _changed(self) -> None:
        self.changes += 1


async def settled(redis: RedisConnection) -> None:
    """Has the register be old: every node has had the time to say that it is there."""
    await redis.run("HSET", redis.key("nodes"), "since", "1")


@real_loop()
async def test_nodes_hear_of_each_other_and_of_one_that_leaves(redis_url: str) -> None:
    prefix = own_prefix()
    async with connected(redis_url, prefix) as one, connected(redis_url, prefix) as two:
        a, b = Watched(one, "a"), Watched(two, "b")
        await a.lease.beat()
        await b.lease.beat()
        await a.lease.beat()
        assert set(a.lease.nodes) == set(b.lease.nodes) == {a.lease.id, b.lease.id}
        assert a.changes == 2
        await b.lease.leave()
        await a.lease.beat()
        assert a.lease.nodes[b.lease.id].leaving
        await b.lease.end()
        await settled(one)
        await a.lease.beat()
        assert set(a.lease.nodes) == {a.lease.id}


@real_loop()
async def test_a_lease_is_certain_for_less_than_it_lasts(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        node = Watched(redis)
        assert node.lease.until == 0.0
        await node.lease.confirm()
        assert node.lease.until == node.clock.now + SURE_SECONDS
        assert SURE_SECONDS < LEASE_SECONDS
        before = node.lease.until
        await node.lease.confirm()
        assert node.lease.until == before, "nobody is asked while it is certain"


@real_loop()
async def test_a_node_whose_lease_has_ended_goes_on_under_another_id_once_it_has_said_so(
    redis_url: str,
) -> None:
    async with connected(redis_url) as redis:
        node = Watched(redis)
        await node.lease.beat()
        old = node.lease.id
        await node.register.remove(old)
        node.clock.now += SURE_SECONDS
        await node.lease.confirm()
        assert node.lease.id != old
        assert node.returns == [node.lease.id]
        assert node.lease.losses == 1
        assert set(node.lease.nodes) >= {node.lease.id}


@real_loop()
async def test_a_node_that_has_ended_does_not_come_back_with_a_late_request(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        node = Watched(redis)
        await node.lease.beat()
        await node.lease.end()
        node.clock.now += SURE_SECONDS
        await node.lease.confirm()
        await node.lease.beat()
        assert await redis.run("HKEYS", redis.key("nodes")) == [b"since"]
        assert (node.returns, node.lease.losses) == ([], 0)


@real_loop()
@pytest.mark.parametrize("error", [StoreUnavailable("away"), asyncio.CancelledError()])
async def test_what_a_node_that_returns_has_to_do_is_done_once_it_comes_to_its_end(
    redis_url: str, error: BaseException
) -> None:
    async with connected(redis_url) as redis:
        node = Watched(redis)
        await node.lease.beat()
        await node.register.remove(node.lease.id)
        node.fails = [error]
        with suppress(asyncio.CancelledError):
            await node.lease.beat()
        for _ in range(2):
            await node.lease.beat()
        assert node.returns == 2 * [node.lease.id]
        assert node.lease.losses == 1


@real_loop()
async def test_without_redis_a_node_goes_on_and_says_why(own_redis: RedisServer) -> None:
    async with connected(own_redis.url) as redis:
        node = Watched(redis)
        await node.lease.beat()
        own_redis.kill()
        node.clock.now += SURE_SECONDS
        await node.lease.confirm()
        assert node.lease.problem
        assert node.lease.until > node.clock.now
        own_redis.start()
        await until(lambda: redis.is_up, "Redis is back")
        node.clock.now += SURE_SECONDS
        await node.lease.confirm()
        assert not node.lease.problem
        assert node.returns, "Redis has lost the lease, too"


@real_loop()
async def test_nodes_are_not_forgotten_because_redis_forgot_them(own_redis: RedisServer) -> None:
    prefix = own_prefix()
    async with connected(own_redis.url, prefix) as one, connected(own_redis.url, prefix) as two:
        a, b = Watched(one, "a"), Watched(two, "b")
        await b.lease.beat()
        await a.lease.beat()
        known = b.lease.id
        await one.run("DEL", one.key("nodes"))
        await a.lease.beat()
        assert not a.lease.is_settled
        assert known in a.lease.nodes, "it has not had the time yet to say that it is there"


@real_loop()
async def test_it_knows_since_when_redis_has_lost_nothing_and_who_else_takes_requests(redis_url: str) -> None:
    prefix = own_prefix()
    async with connected(redis_url, prefix) as one, connected(redis_url, prefix) as two:
        a, b = Watched(one, "a"), Watched(two, "b")
        await a.lease.beat()
        await settled(one)
        await b.lease.beat()
        await a.lease.beat()
        assert a.lease.known_since < a.clock.clock.monotonic() - 1000
        assert [a.lease.peer(turn) for turn in (0, 1)] == [b.lease.facts, b.lease.facts]
        await b.lease.leave()
        await one.run("DEL", one.key("nodes"))
        a.lease.drop(b.lease.id)
        await a.lease.beat()
        assert a.lease.known_since > a.clock.clock.monotonic() - 1000
        assert a.lease.peer(0) is None
