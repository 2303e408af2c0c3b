"""A person stops and starts a server of a running process."""

from __future__ import annotations

import pytest

from callmux.errors import ServerNotFound
from callmux.process import orders
from tests.process.test_host import House, config


async def test_a_server_is_stopped_until_its_next_call_or_until_it_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = House(monkeypatch, config("a", "b"))
    # Nothing runs before the first client.
    assert (await orders.stop(house.host, "a"))["state"] == "starting"
    await house.greets()
    before = await house.tools()
    assert (await orders.stop(house.host, "a"))["state"] == "sleeping"
    assert await house.tools() == before
    answer = await house.asks("tools/call", {"name": "a__t", "arguments": {}})
    assert answer["content"][0]["text"] == "from a"
    assert (await orders.stop(house.host, "a"))["state"] == "sleeping"
    assert (await orders.start(house.host, "a"))["state"] == "connected"
    for order in (orders.stop, orders.start):
        with pytest.raises(ServerNotFound):
            await order(house.host, "nothing")
    await house.host.close()
