"""A listener as a node: its port, its address, its name."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw

from callmux import Listener
from callmux.errors import CallmuxError
from callmux.nodes.orders import Orders
from callmux.protocol.jsonrpc import Request
from tests.library.test_gateway import ENV
from tests.live.harness import python_server, stdio
from tests.nodes.pair import KEY, nodes
from tests.redis_server import connected, own_prefix
from tests.support import real_loop


def config(url: str, **node: Any) -> dict[str, Any]:
    return {"servers": {}, "state": {"url": url, "keyPrefix": own_prefix(), "key": "env:KEY", "node": node}}


@real_loop()
async def test_a_node_is_called_and_reached_as_it_says(redis_url: str) -> None:
    given = config(redis_url, listen="${HERE}:0", name="first", address="HTTP://Node.example:4870/")
    async with Listener(given, env={**ENV, "KEY": KEY, "HERE": "127.0.0.1"}) as listener:
        node = listener._running().node
        assert node is not None
        facts = node.cluster.membership.facts
        assert (facts.name, facts.address) == ("first", "http://node.example:4870")
        assert facts.id.startswith("first.")


@real_loop()
async def test_what_is_not_said_is_made_of_the_machine_and_the_port(redis_url: str) -> None:
    async with nodes(redis_url, 1, {}) as pair:
        facts = pair.cluster(0).membership.facts
        port = facts.address.rpartition(":")[2]
        assert facts.address == f"http://127.0.0.1:{port}"
        assert facts.name == f"{socket.gethostname()}-{port}"


@real_loop()
async def test_a_node_that_has_just_started_knows_what_is_safe(redis_url: str, tmp_path: Path) -> None:
    """It may be the first thing it is asked: another one is lost at that moment."""
    server = stdio(python_server("ledger_server.py", tmp_path / "ledger"), cwdMode="global")
    given = {**config(redis_url, listen="127.0.0.1:0"), "servers": {"s": server}}
    async with Listener(given, env={**ENV, "KEY": KEY}) as listener:
        node = listener._running().node
        assert node is not None
        tools = {"read": True, "put": True, "write": False, "nowhere": False}
        for tool, safe in tools.items():
            asked = Request(5, "tools/call", Raw(b'{"name":"%b"}' % tool.encode()))
            assert await node.cluster.is_safe(asked) is safe, tool
        assert await node.cluster.is_safe(Request(5, "tools/list", None))
        assert not await node.cluster.is_safe(Request(5, "custom/thing", None))


@real_loop()
@pytest.mark.parametrize(
    ("node", "said"),
    [
        ({"listen": "0.0.0.0:0"}, "state.node.address is required"),
        ({"listen": "[0:0::0]:0"}, "state.node.address is required where listen is ::"),
        ({"listen": "${NOWHERE}"}, "state.node.listen"),
        ({"listen": "127.0.0.1:0", "address": "${ODD}"}, "state.node.address must be"),
        ({"listen": "${ODD}"}, "state.node.listen must be"),
    ],
)
async def test_a_node_that_cannot_be_is_refused_and_named(
    redis_url: str, node: dict[str, Any], said: str
) -> None:
    listener = Listener(config(redis_url, **node), env={**ENV, "KEY": KEY, "ODD": "odd"})
    with pytest.raises(CallmuxError, match=said):
        await listener.start()


@real_loop()
async def test_a_port_that_is_taken_is_said(redis_url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        listener = Listener(config(redis_url, listen=where), env={**ENV, "KEY": KEY})
        with pytest.raises(CallmuxError, match="Address already in use"):
            await listener.start()


@real_loop()
async def test_a_node_whose_start_fails_leaves_no_port_and_no_lease(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(orders: Orders) -> None:
        raise CallmuxError("no orders")

    monkeypatch.setattr(Orders, "look", fails)
    with socket.create_server(("127.0.0.1", 0)) as free:
        where = free.getsockname()
    given = config(redis_url, listen=f"127.0.0.1:{where[1]}")
    with pytest.raises(CallmuxError, match="no orders"):
        await Listener(given, env={**ENV, "KEY": KEY}).start()
    with socket.create_server(where):
        pass
    async with connected(redis_url, given["state"]["keyPrefix"]) as redis:
        assert await redis.run("HKEYS", redis.key("nodes")) == [b"since"]
