"""Whoever names a server gets it, or hears why there is none."""

from __future__ import annotations

import pytest

from callmux.config.check import check_document
from callmux.errors import ServerDisabled, ServerNotFound
from callmux.process.named import named
from tests.process.test_host import House


async def test_a_server_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    servers = {"a": {"command": "a"}, "b": {"command": "b", "disabled": True}}
    house = House(monkeypatch, check_document({"servers": servers}).config)
    runtime = house.host.runtime
    assert named("a", runtime.servers, runtime.config).name == "a"
    with pytest.raises(ServerDisabled, match='"b" is disabled'):
        named("b", runtime.servers, runtime.config)
    with pytest.raises(ServerNotFound, match='no server "c"') as caught:
        named("c", runtime.servers, runtime.config)
    assert caught.value.details["availableServers"] == ["a", "b"]
    await house.host.close()
