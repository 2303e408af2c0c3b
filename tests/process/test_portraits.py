"""What a process says of itself to clients without a handshake."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from callmux.protocol.jsonrpc import Request
from callmux.session.modern.serving import DISCOVER_MS
from tests.process.test_host import House, config
from tests.support import settle

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
PLAIN: dict[str, Any] = {
    "exposeMetaTools": False,
    "toolNameLimit": 0,
    "responseShield": {"enabled": False},
    "schemaCompression": {"enabled": False},
}


async def discovery(house: House) -> Any:
    return await house.asks("server/discover", {"_meta": META})


async def test_a_probe_is_answered_at_once_and_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(monkeypatch, config("a", "b"))
    told = await discovery(house)
    assert house.links == {}
    assert {"tools", "prompts", "resources"} <= told["capabilities"].keys(), "any of them may have them"
    assert told["ttlMs"] == 0
    assert told["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "callmux"
    await house.host.close()


async def test_once_servers_are_up_it_is_what_they_have(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(monkeypatch, config("a", "b"))
    listed = await house.asks("tools/list", {"_meta": META})
    assert [tool["name"] for tool in listed["tools"]][:2] == ["a__t", "b__t"]
    told = await discovery(house)
    assert told["capabilities"] == {"tools": {"listChanged": True}}
    assert told["ttlMs"] == DISCOVER_MS
    assert "callmux_parallel" in told["instructions"]
    refused = await house.asks("prompts/list", {"_meta": META})
    assert refused["code"] == -32601
    await house.host.close()


async def test_a_single_server_speaks_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(monkeypatch, config("a", **PLAIN))
    assert b"callmux" in house.host.portraits.identity
    result = await house.asks("tools/call", {"name": "t", "arguments": {}, "_meta": META})
    assert result["content"][0]["text"] == "from a"
    await settle()
    told = await discovery(house)
    info = house.host.runtime.servers["a"].offer.server_info
    assert info is not None
    assert house.host.portraits.identity == bytes(info)
    assert "instructions" not in told
    await house.host.close()


async def test_a_subscription_hears_of_a_reload(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(monkeypatch, config("a", "b"))
    await house.asks("tools/list", {"_meta": META})
    params = {"notifications": {"toolsListChanged": True, "promptsListChanged": True}, "_meta": META}
    listen = Request("s", "subscriptions/listen", msgspec.Raw(msgspec.json.encode(params)))
    house.session.receive(listen)
    await settle()
    assert house.sent[-1]["params"]["notifications"] == {"toolsListChanged": True}
    await house.host.reload(config("a", "c"))
    await settle()
    assert house.notes == ["notifications/subscriptions/acknowledged", "notifications/tools/list_changed"]
    assert house.sent[-1]["params"]["_meta"] == {"io.modelcontextprotocol/subscriptionId": "s"}
    await house.host.close()
    assert house.sent[-1]["result"]["resultType"] == "complete"
