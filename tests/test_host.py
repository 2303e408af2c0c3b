"""One process: sessions see one set of servers, and a reload they hardly notice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from callmux.config.check import check_document
from callmux.config.model import Config
from callmux.errors import StartupFailed
from callmux.host import Host
from callmux.protocol.jsonrpc import parse
from callmux.session.session import Session
from callmux.upstream import pool as pool_module
from callmux.upstream.failures import lost
from tests.support import loop_clock, play, settle
from tests.upstream.fake_link import FakeLink

INITIALIZE = {"id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}}


def config(*servers: str, **more: Any) -> Config:
    entries = {name: {"command": name} for name in servers}
    checked = check_document({"servers": entries, **more})
    assert checked.errors == []
    return checked.config


class House:
    """A host whose servers are scripted: one link a name, a failure for `bad`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, given: Config) -> None:
        self.links: dict[str, FakeLink] = {}
        monkeypatch.setattr(pool_module, "open_link", self.open_link)
        self.host = Host(given, Path("/"), {}, lambda name, line: None, single=True, clock=loop_clock())
        self.sent: list[Any] = []
        self.session = Session(self.host.dispatch, lambda line: self.sent.append(json.loads(line)))
        self.host.add(self.session)

    def open_link(self, name: str, config: Any, around: Any) -> FakeLink:
        if name == "bad":
            raise lost("no such command", started=False)
        answer = {"content": [{"type": "text", "text": f"from {name}"}]}
        self.links[name] = FakeLink(tools__call=answer)
        return self.links[name]

    async def asks(self, method: str, params: Any = None, id: int = 1) -> Any:
        message = {"id": id, "method": method, **({} if params is None else {"params": params})}
        self.session.receive(parse(json.dumps(message).encode()))
        await self.session.quiet.wait()
        await settle()
        answer = next(m for m in reversed(self.sent) if m.get("id") == id)
        return answer.get("result", answer.get("error"))

    async def greets(self) -> House:
        await self.asks("initialize", INITIALIZE["params"], id=0)
        self.session.receive(parse(b'{"method":"notifications/initialized"}'))
        return self

    async def tools(self) -> list[str]:
        listed = await self.asks("tools/list")
        return [t["name"] for t in listed["tools"] if not t["name"].startswith("callmux")]

    @property
    def notes(self) -> list[str]:
        return [m["method"] for m in self.sent if "method" in m]


def test_a_client_sees_the_tools_of_all_servers_and_calls_them(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        house = await House(monkeypatch, config("a", "b")).greets()
        assert await house.tools() == ["a__t", "b__t"]
        result = await house.asks("tools/call", {"name": "b__t", "arguments": {}})
        assert result["content"][0]["text"] == "from b"
        await house.host.close()
        assert [link.closed for link in house.links.values()] == [1, 1]

    play(scene())


def test_a_reload_keeps_what_is_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is told once that its tools are others now."""

    async def scene() -> None:
        house = await House(monkeypatch, config("a", "b")).greets()
        await house.tools()
        a, b = house.links["a"], house.links["b"]
        await house.host.reload(config("a", "c"))
        await settle()
        assert house.notes == ["notifications/tools/list_changed"]
        assert await house.tools() == ["a__t", "c__t"]
        assert house.links["a"] is a
        assert (a.closed, b.closed) == (0, 1)
        await house.host.reload(config("a", "c"))
        await settle()
        assert len(house.notes) == 1
        await house.host.close()

    play(scene())


def test_a_reload_that_strict_startup_forbids_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        house = await House(monkeypatch, config("a")).greets()
        await house.tools()
        with pytest.raises(StartupFailed, match="bad: no such command"):
            await house.host.reload(config("a", "bad", strictStartup=True))
        assert await house.tools() == ["t"]
        assert house.links["a"].closed == 0
        assert house.notes == []
        await house.host.close()

    play(scene())


def test_timing_changes_with_the_configuration_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused reload leaves the servers that it would have kept as they were."""

    async def scene() -> None:
        house = await House(monkeypatch, config("a", connectTimeoutMs=4000)).greets()
        server = house.host.runtime.servers["a"]
        with pytest.raises(StartupFailed):
            await house.host.reload(config("a", "bad", strictStartup=True, connectTimeoutMs=9000))
        assert server.timing.connect_seconds == 4
        await house.host.reload(config("a", connectTimeoutMs=9000))
        assert house.host.runtime.servers["a"] is server
        assert server.timing.connect_seconds == 9
        await house.host.close()

    play(scene())


def test_a_strict_start_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        house = House(monkeypatch, config("a", "bad", strictStartup=True))
        house.host.start(None)
        failure = await house.host.strict_failure
        assert failure.message == "downstream startup failed: bad: no such command"
        await house.host.close()

    play(scene())


def test_a_server_that_is_down_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        house = await House(monkeypatch, config("a", "bad")).greets()
        assert await house.tools() == ["a__t"]
        await house.host.close()

    play(scene())


def test_a_changed_list_is_told_to_clients_that_have_seen_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        house = await House(monkeypatch, config("a")).greets()
        link = house.links["a"]
        link.script["tools/list"] = {"tools": [{"name": "new"}]}
        link.says({"method": "notifications/tools/list_changed"})
        await settle(60)
        assert house.notes == []
        assert await house.tools() == ["new"]
        link.script["tools/list"] = {"tools": [{"name": "newer"}]}
        link.says({"method": "notifications/tools/list_changed"})
        await settle(60)
        assert house.notes == ["notifications/tools/list_changed"]
        await house.host.close()

    play(scene())
