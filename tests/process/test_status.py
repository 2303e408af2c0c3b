"""What is connected, how it is configured, how much it holds."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.process.status import instance_id
from tests.process.test_host import House, config
from tests.support import play


def status(monkeypatch: pytest.MonkeyPatch, *servers: str, **more: Any) -> dict[str, Any]:
    async def scene() -> dict[str, Any]:
        house = await House(monkeypatch, config(*servers, **more)).greets()
        await house.tools()
        facts = house.host.runtime.status()
        await house.host.close()
        return facts

    return play(scene())


def test_servers_that_are_up_and_servers_that_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = status(monkeypatch, "b", "a", "bad")
    assert facts["mode"] == "standard"
    assert facts["wrappedServers"] == ["a", "b", "bad"]
    assert [(s["name"], s["state"]) for s in facts["servers"]] == [("b", "connected"), ("a", "connected")]
    assert [(s["name"], s["error"]) for s in facts["failedServers"]] == [("bad", "no such command")]
    assert facts["disabledServers"] == []
    assert facts["toolSuiteGeneration"] == 2
    assert facts["lastToolSuiteChangeAt"].endswith("Z")
    assert "namespace" not in facts
    assert "recipes" not in facts


def test_settings_that_matter_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {"command": "a", "tools": ["x"], "maxConcurrency": 3}
    facts = status(
        monkeypatch, metaOnly=True, servers={"a": entry, "off": {"command": "b", "disabled": True}}
    )
    assert facts["mode"] == "meta-only"
    assert facts["disabledServers"] == ["off"]
    assert facts["wrappedServers"] == ["a"]
    shown = facts["servers"][0]
    assert (shown["toolFilter"], shown["totalTools"], shown["maxConcurrency"]) == (["x"], 1, 3)


def test_an_instance_is_known_by_what_it_wraps_and_where() -> None:
    """Twelve digits that stay the same for the same configuration in the same directory."""
    same = instance_id(config("a", "b"), "/x")
    assert len(same) == 12
    assert int(same, 16) >= 0
    assert instance_id(config("b", "a"), "/x") == same
    assert instance_id(config("a", "b", callTimeoutMs=5), "/x") == same
    others = [
        instance_id(config("a", "b"), "/y"),
        instance_id(config("a"), "/x"),
        instance_id(config("a", "b", metaOnly=True), "/x"),
        instance_id(config(servers={"a": {"url": "http://x"}}), "/x"),
    ]
    assert len({same, *others}) == 5
