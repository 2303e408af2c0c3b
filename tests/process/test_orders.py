"""A person restarts, stops and starts a server of a running process, and of those that are one with it."""

from __future__ import annotations

import pytest

from callmux.errors import InvalidArguments, ServerNotFound, StoreUnavailable
from callmux.process import orders
from callmux.server_orders import Action, ServerOrder
from tests.process.test_host import House, config


def order(action: Action, server: str = "a", node: str = "", token: str = "") -> ServerOrder:
    return ServerOrder(action=action, server=server, node=node, token=token)


class OtherNodes:
    """Two nodes: this one and `far`."""

    def __init__(self) -> None:
        self.told: list[ServerOrder] = []
        self.heard: set[str] = set()
        self.away = False

    def is_new(self, token: str) -> bool:
        new = token not in self.heard
        self.heard.add(token)
        return new

    def is_for_us(self, order: ServerOrder) -> bool:
        return order.node != "far"

    async def tell(self, order: ServerOrder) -> list[str]:
        if self.away:
            raise StoreUnavailable("Redis cannot be reached")
        self.told.append(order)
        return ["far"]


async def test_a_server_is_stopped_until_its_next_call_or_until_it_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = House(monkeypatch, config("a", "b"))
    # Nothing runs before the first client.
    assert (await orders.give(house.host, order("stop"), "asked for"))["state"] == "starting"
    await house.greets()
    before = await house.tools()
    assert (await orders.give(house.host, order("stop"), "asked for"))["state"] == "sleeping"
    assert await house.tools() == before
    answer = await house.asks("tools/call", {"name": "a__t", "arguments": {}})
    assert answer["content"][0]["text"] == "from a"
    assert (await orders.give(house.host, order("stop"), "asked for"))["state"] == "sleeping"
    assert (await orders.give(house.host, order("start"), "asked for"))["state"] == "connected"
    link = house.links["a"]
    assert (await orders.give(house.host, order("restart"), "asked for"))["state"] == "connected"
    assert house.links["a"] is not link
    for action in ("stop", "start", "restart"):
        with pytest.raises(ServerNotFound):
            await orders.give(house.host, order(action, "nothing"), "asked for")
    with pytest.raises(InvalidArguments, match="leave node out"):
        await orders.give(house.host, order("stop", node="far"), "asked for")
    await house.host.close()


async def test_other_nodes_are_told_unless_the_order_is_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(monkeypatch, config("a"))
    await house.greets()
    house.host.others = others = OtherNodes()
    record = await orders.give(house.host, order("stop"), "asked for")
    assert (record["state"], record["nodes"], len(others.told)) == ("sleeping", ["far"], 1)
    record = await orders.give(house.host, order("start", node="here"), "asked for")
    assert (record["state"], record.get("nodes"), len(others.told)) == ("connected", None, 1)
    record = await orders.give(house.host, order("stop", node="far"), "asked for")
    assert record == {"name": "a", "state": "ordered", "nodes": ["far"]}
    assert house.host.server_records()[0]["state"] == "connected", "it is not for this node"
    with pytest.raises(ServerNotFound):
        await orders.give(house.host, order("stop", "nothing"), "asked for")
    assert len(others.told) == 2, "nobody is told what cannot be"
    await house.host.close()


async def test_an_order_that_several_processes_are_given_is_carried_out_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = House(monkeypatch, config("a"))
    await house.greets()
    house.host.others = others = OtherNodes()
    await orders.give(house.host, order("restart", token="t"), "asked for")
    link = house.links["a"]
    for action in ("restart", "stop"):
        record = await orders.give(house.host, order(action, token="t"), "asked for")
        assert (record["state"], "nodes" in record) == ("connected", False)
    assert house.links["a"] is link
    assert len(others.told) == 1
    await house.host.close()


async def test_where_others_cannot_be_told_it_is_done_here_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(monkeypatch, config("a"))
    await house.greets()
    house.host.others = others = OtherNodes()
    others.away = True
    record = await orders.give(house.host, order("stop"), "asked for")
    assert (record["state"], record["nodes"]) == ("sleeping", [])
    assert record["problem"] == "other nodes were not told: Redis cannot be reached"
    with pytest.raises(StoreUnavailable):
        await orders.give(house.host, order("stop", node="far"), "asked for")
    await house.host.close()
