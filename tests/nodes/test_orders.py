"""What is ordered at one node is done at all of them, once, in order; or at the one that it is for."""

from __future__ import annotations

import asyncio

import pytest

from callmux.errors import ServerNotFound, StoreUnavailable
from callmux.nodes import orders as orders_module
from callmux.nodes.orders import ELSEWHERE, Orders
from callmux.nodes.register import Register
from callmux.server_orders import Action, ServerOrder
from callmux.stores.redis_connection import RedisConnection
from tests.redis_server import RedisServer, connected, own_prefix
from tests.support import SECONDS, real_loop


def order(action: Action, server: str = "git", node: str = "", token: str = "") -> ServerOrder:
    return ServerOrder(action=action, server=server, node=node, token=token)


class Node:
    """One node and what it has done."""

    def __init__(self, redis: RedisConnection, name: str = "") -> None:
        self.done: list[tuple[str, str, str]] = []
        self.may = asyncio.Event()
        self.may.set()
        self.orders = Orders(Register(redis), lambda node: node == name, self._carry_out)

    async def _carry_out(self, order: ServerOrder, why: str) -> object:
        if order.server == "gone":
            raise ServerNotFound("there is none")
        await self.may.wait()
        self.done.append((order.action, order.server, why))
        return {}

    async def look(self) -> None:
        await self.orders.look()
        await self.orders._tasks.finished(10)


@real_loop()
async def test_an_order_is_carried_out_once_by_everybody_else_and_in_order(redis_url: str) -> None:
    prefix = own_prefix()
    async with connected(redis_url, prefix) as one, connected(redis_url, prefix) as other:
        await Node(one).orders.tell(order("restart"))
        a, b = Node(one), Node(other)
        for node in (a, b):
            await node.look()
        assert a.done == b.done == [], "what was ordered before they began is done"
        for given in (order("stop"), order("restart", "gone"), order("start"), order("restart")):
            await a.orders.tell(given)
        for _ in range(2):
            for node in (a, b):
                await node.look()
        assert a.done == []
        assert b.done == [(action, "git", ELSEWHERE) for action in ("stop", "start", "restart")]


@real_loop()
async def test_an_order_for_one_node_reaches_that_one(redis_url: str) -> None:
    prefix = own_prefix()
    async with connected(redis_url, prefix) as redis:
        nodes = [Node(redis, name) for name in ("a", "b", "c")]
        for node in nodes:
            await node.look()
        await nodes[0].orders.tell(order("stop", node="b"))
        await nodes[0].orders.tell(order("start", node="a"))
        for node in nodes:
            await node.look()
        assert [[row[0] for row in node.done] for node in nodes] == [["start"], ["stop"], []]


@real_loop()
async def test_what_was_heard_of_by_other_means_is_not_done_again(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders_module, "REMEMBERED", 2)
    prefix = own_prefix()
    async with connected(redis_url, prefix) as redis:
        a, b = Node(redis), Node(redis)
        await b.look()
        assert b.orders.is_new("t")
        assert not b.orders.is_new("t")
        await a.orders.tell(order("restart", token="t"))
        await b.look()
        assert b.done == []
        for token in ("u", "v"):
            assert b.orders.is_new(token)
        assert b.orders.is_new("t"), "only the latest are remembered"


@real_loop()
async def test_a_node_that_was_away_carries_out_what_was_ordered_meanwhile(redis_url: str) -> None:
    prefix = own_prefix()
    async with connected(redis_url, prefix) as redis:
        a, b = Node(redis), Node(redis)
        await b.look()
        for n in range(3):
            await a.orders.tell(order("restart", f"s{n}"))
        await b.look()
        assert sorted(row[1] for row in b.done) == ["s0", "s1", "s2"]
        assert 0 < await redis.run("PTTL", redis.key("orders")) <= 3600_000


@real_loop()
async def test_without_redis_whoever_orders_is_told(own_redis: RedisServer) -> None:
    async with connected(own_redis.url) as redis:
        node = Node(redis)
        own_redis.kill()
        with pytest.raises(StoreUnavailable):
            await node.orders.tell(order("stop"))
        await node.look()
        assert node.done == []


@real_loop()
async def test_no_heartbeat_waits_for_a_server_that_takes_its_time(redis_url: str) -> None:
    prefix = own_prefix()
    async with connected(redis_url, prefix) as one, connected(redis_url, prefix) as other:
        a, b = Node(one), Node(other)
        await b.orders.look()
        b.may.clear()
        await a.orders.tell(order("restart", "slow"))
        for _ in range(2):
            await asyncio.wait_for(b.orders.look(), SECONDS)
        assert b.done == []
        b.may.set()
        await b.orders._tasks.finished(10)
        assert b.done == [("restart", "slow", ELSEWHERE)]
        b.may.clear()
        await a.orders.tell(order("restart", "slow"))
        await b.orders.look()
        await b.orders.close()
        assert not len(b.orders._tasks)


@real_loop()
async def test_orders_that_are_told_once_more_are_carried_out_once(redis_url: str) -> None:
    """Redis came back without the last order, and with its clock behind: all that it has comes again."""
    prefix = own_prefix()
    async with connected(redis_url, prefix) as redis:
        a, b, stream = Node(redis), Node(redis), redis.key("orders")
        await a.orders.tell(order("stop", "before"))
        await b.look()
        for server in ("one", "lost"):
            await a.orders.tell(order("stop", server))
        await b.look()
        first, _, last = [place for place, _ in await redis.run("XRANGE", stream, "-", "+")]
        await redis.run("XDEL", stream, last)
        assert first < last
        await b.look()
        await a.orders.tell(order("stop", "new"))
        await b.look()
        assert sorted(row[1] for row in b.done) == ["lost", "new", "one"]
