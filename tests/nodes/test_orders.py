"""A server that is restarted at one node is restarted at all of them, once."""

from __future__ import annotations

import asyncio

from callmux.errors import ServerNotFound
from callmux.nodes.orders import ELSEWHERE, Orders
from callmux.nodes.register import Register
from callmux.stores.redis_connection import RedisConnection
from tests.redis_server import RedisServer, connected, own_prefix
from tests.support import real_loop


class Node:
    """One node and what it has restarted."""

    def __init__(self, redis: RedisConnection) -> None:
        self.restarted: list[tuple[str, str]] = []
        self.may = asyncio.Event()
        self.may.set()
        self.orders = Orders(Register(redis), self._restart)

    async def _restart(self, name: str, why: str) -> object:
        if name == "gone":
            raise ServerNotFound("there is none")
        await self.may.wait()
        self.restarted.append((name, why))
        return {}


@real_loop()
async def test_an_order_is_carried_out_once_by_everybody_else(redis_url: str) -> None:
    prefix = own_prefix()
    async with connected(redis_url, prefix) as one, connected(redis_url, prefix) as other:
        await Node(one).orders.give("git")
        a, b = Node(one), Node(other)
        for node in (a, b):
            await node.orders.look()
        assert a.restarted == b.restarted == [], "what was ordered before they began is done"
        await a.orders.give("git")
        await a.orders.give("gone")
        for _ in range(2):
            for node in (a, b):
                await node.orders.look()
                await node.orders._tasks.finished(10)
        assert a.restarted == []
        assert b.restarted == [("git", ELSEWHERE)]


@real_loop()
async def test_without_redis_it_concerns_one_node_and_is_said(own_redis: RedisServer) -> None:
    async with connected(own_redis.url) as redis:
        node = Node(redis)
        own_redis.kill()
        await node.orders.give("git")
        await node.orders.look()
        assert node.restarted == []


@real_loop()
async def test_no_heartbeat_waits_for_a_server_that_takes_its_time(redis_url: str) -> None:
    prefix = own_prefix()
    async with connected(redis_url, prefix) as one, connected(redis_url, prefix) as other:
        a, b = Node(one), Node(other)
        await b.orders.look()
        b.may.clear()
        await a.orders.give("slow")
        for _ in range(2):
            await asyncio.wait_for(b.orders.look(), 10)
        assert b.restarted == []
        b.may.set()
        await b.orders._tasks.finished(10)
        assert b.restarted == [("slow", ELSEWHERE)]
        b.may.clear()
        await a.orders.give("slow")
        await b.orders.look()
        await b.orders.close()
        assert not len(b.orders._tasks)
