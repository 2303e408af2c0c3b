"""A program starts a listener, reloads it, listens to it, and stops it."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from callmux import Listener, ManagementClient, facts
from callmux.errors import CallmuxError, ConfigError, StartupFailed
from callmux.library.listener import NotRunning
from callmux.serving.posture import InsecureListener
from tests.library.test_gateway import CONFIG, ENV, NOTES
from tests.support import SECONDS, real_loop

TOKEN = "manage-me-please-1"
MANAGED = {"enabled": True, "auth": {"mode": "bearer", "tokens": [{"id": "ops", "token": TOKEN}]}}


def read(url: str) -> Any:
    def fetch() -> Any:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            return json.load(answer)

    return asyncio.to_thread(fetch)


@real_loop()
async def test_it_listens_reloads_and_stops() -> None:
    listener = Listener(CONFIG, env=ENV)
    assert listener.health()["state"] == "stopped"
    async with listener:
        await listener.start()
        assert listener.port > 0
        assert (await read(f"{listener.url}/health"))["status"] == "ok"
        assert await listener.ready() == "ok"
        health = listener.health()
        assert (health["state"], health["downstream"]["connected"], health["mcpUrl"]) == (
            "running",
            1,
            f"{listener.url}/mcp",
        )
        assert health["runtime"]["activeSessions"] == 0
        seen: list[str] = []
        leave = listener.subscribe(facts.CallEnded, lambda call: seen.append(call.server))
        async with listener.gateway() as gateway:
            assert (await gateway.call_tool("add", {"text": "milk"})).data == {"added": "milk"}
            leave()
            await gateway.call_tool("add")
            assert seen == ["notes"]
            # A session goes on over a reload.
            await listener.reload({"servers": {"notes": NOTES, "other": NOTES}})
            await listener.ready()
            names = {tool["name"] for tool in await gateway.list_tools()}
            assert {"notes__add", "other__add"} <= names
        with pytest.raises(ConfigError):
            await listener.reload({"servers": {"notes": {}}})
        assert "notes" in listener.health()["reason"]
        assert listener.health()["downstream"]["total"] == 2
        await listener.reload()
        assert "reason" not in listener.health()
        assert "running" in repr(listener)
    assert listener.health()["state"] == "stopped"
    assert listener.health()["stoppedAt"]
    await listener.stop()
    for call in (listener.reload, listener.ready):
        with pytest.raises(NotRunning):
            await call()


@real_loop()
async def test_a_server_that_is_down_makes_it_degraded_and_strict_ones_refuse() -> None:
    broken = {"servers": {"notes": NOTES, "gone": {"command": "/nonexistent/server"}}}
    async with Listener(broken, env=ENV) as listener:
        assert await listener.ready() == "degraded"
        health = listener.health()
        assert (health["state"], health["downstream"]["failed"]) == ("degraded", 1)
        # One that is tried again counts as one or the other. Weak spot C21 of callmux (npm).
        assert health["downstream"]["connected"] + health["downstream"]["failed"] == 2
    strict = Listener({**broken, "strictStartup": True}, env=ENV)
    with pytest.raises(StartupFailed):
        await strict.start()
    assert strict.health()["state"] == "stopped"


@real_loop()
async def test_it_is_open_to_nobody_who_has_no_credential() -> None:
    with pytest.raises(InsecureListener):
        await Listener(CONFIG, host="0.0.0.0", env=ENV).start()
    async with Listener(CONFIG, env=ENV) as listener:
        with pytest.raises(CallmuxError, match="cannot listen"):
            await Listener(CONFIG, port=listener.port, env=ENV).start()


@real_loop()
@pytest.mark.parametrize("keeps", [False, True])
async def test_what_was_changed_over_its_management_interface_stays_over_a_reload(
    tmp_path: Path, keeps: bool
) -> None:
    """Also where no file keeps it.

    Weak spot C11 of callmux (npm): a reload of a listener of a program loses it.
    """
    managed = {**MANAGED, "statePath": "state.json"} if keeps else MANAGED
    config = {**CONFIG, "management": managed}
    async with Listener(config, env=ENV, base_dir=tmp_path) as listener:
        await listener.ready()
        async with ManagementClient(f"{listener.url}/management/v1", TOKEN) as client:
            await client.add_server("more", NOTES)
            assert (await client.status())["management"]["persistent"] is keeps
            await listener.reload({**config, "cacheTtlSeconds": 5})
            assert [server["name"] for server in await client.servers()] == ["more", "notes"]
            await client.add_server("most", NOTES)
            assert [server["name"] for server in await client.servers()] == ["more", "most", "notes"]
    assert (tmp_path / "state.json").exists() is keeps


@real_loop()
async def test_a_file_is_read_again_by_a_reload(tmp_path: Path) -> None:
    path = tmp_path / "callmux.json"
    path.write_text(json.dumps(CONFIG))
    async with Listener(path, env=ENV) as listener:
        path.write_text(json.dumps({"servers": {"one": NOTES, "two": NOTES}}))
        await listener.reload()
        assert set(listener.health()["downstream"]["servers"]) == {"one", "two"}


@real_loop()
async def test_its_states_and_facts_are_told_from_the_start_to_the_end() -> None:
    """Also to those who subscribed before it was started, and again when it is started again."""
    listener, told = Listener(CONFIG, env=ENV), list[tuple[str, bool]]()
    listener.subscribe(facts.ListenerChanged, lambda fact: told.append((fact.state, fact.reason is None)))
    events = listener.events(facts.ServerUp, facts.ListenerChanged)
    async with listener:
        await listener.ready()
        with pytest.raises(ConfigError):
            await listener.reload({"servers": {"notes": {}}})
        await listener.reload(CONFIG)
    assert told == [
        ("starting", True),
        ("running", True),
        ("reloading", True),
        ("running", False),
        ("reloading", True),
        ("running", True),
        ("stopped", True),
    ]
    read = [fact async for fact in events]
    assert [fact.server for fact in read if isinstance(fact, facts.ServerUp)] == ["notes"]
    assert len(read) == len(told) + 1
    del told[:]
    async with listener:
        pass
    assert [state for state, _ in told] == ["starting", "running", "stopped"]


@real_loop()
async def test_a_server_that_is_lost_makes_it_degraded_and_one_that_comes_back_makes_it_running() -> None:
    listener, told = Listener(CONFIG, env=ENV), list[str]()
    listener.subscribe(facts.ListenerChanged, lambda fact: told.append(fact.state))
    async with listener:
        await listener.ready()
        await listener.reload({"servers": {**CONFIG["servers"], "gone": {"command": "/nonexistent/server"}}})
        assert told[-1] == listener.health()["state"] == "degraded"
        await listener.reload(CONFIG)
        assert told[-1] == "running"


@real_loop()
async def test_one_that_cannot_start_says_why_and_is_stopped() -> None:
    told: list[Any] = []
    for wrong in (
        Listener({"servers": {"notes": {}}}, env=ENV),
        Listener(CONFIG, host="0.0.0.0", env=ENV),
        Listener({"servers": {"x": {"command": "/nonexistent/server"}}, "strictStartup": True}, env=ENV),
    ):
        wrong.subscribe(facts.ListenerChanged, told.append)
        with pytest.raises(CallmuxError) as caught:
            await wrong.start()
        assert (told[-1].state, told[-1].reason) == ("stopped", caught.value.message)
        assert wrong.health()["state"] == "stopped"
        assert wrong.health()["reason"] == caught.value.message


@real_loop()
async def test_a_listener_that_is_slow_to_read_slows_no_call_and_learns_what_it_missed() -> None:
    async with Listener(CONFIG, env=ENV) as listener:
        events = listener.events(facts.CallEnded, room=2)
        async with listener.gateway() as gateway:
            for _ in range(5):
                assert not (await gateway.call_tool("add", {"text": "milk"})).is_error
        found = [await anext(events) for _ in range(3)]
        assert found[2] == facts.Dropped(count=3)
        events.close()


@real_loop()
async def test_what_no_file_keeps_lasts_over_a_stop_and_a_start_too(tmp_path: Path) -> None:
    """Weak spot C11 of callmux (npm): a restart forgets the changes, and the next one writes over them."""
    config = {**CONFIG, "management": MANAGED}
    listener = Listener(config, env=ENV, base_dir=tmp_path)
    for round in ("first", "second"):
        async with listener:
            await listener.ready()
            async with ManagementClient(f"{listener.url}/management/v1", TOKEN) as client:
                await client.add_server(round, NOTES)
                await listener.reload()
                assert round in [server["name"] for server in await client.servers()]
    assert set(listener.health()) >= {"state", "stoppedAt"}
    async with listener:
        await listener.ready()
        assert set(listener.health()["downstream"]["servers"]) == {"first", "notes", "second"}
        await listener.reload({**config, "cacheTtlSeconds": 5})
        assert set(listener.health()["downstream"]["servers"]) == {"first", "notes", "second"}
    assert list(tmp_path.iterdir()) == []


@real_loop()
async def test_a_stop_that_is_given_up_leaves_no_server_and_no_port() -> None:
    """Whoever gave it up cannot ask once more."""

    listener = Listener(CONFIG, env=ENV)
    await listener.start()
    assert await listener.ready() == "ok"
    parts = listener._parts
    assert parts is not None
    assert parts.sessions is not None
    servers = list(parts.host.runtime.servers.values())
    drains = asyncio.Event()

    async def drain(seconds: float) -> None:
        drains.set()
        await asyncio.Event().wait()

    parts.sessions.drain = drain  # type: ignore[method-assign]
    stopping = asyncio.ensure_future(listener.stop())
    async with asyncio.timeout(SECONDS):
        await drains.wait()
        stopping.cancel()
        await asyncio.wait({stopping})
    assert stopping.cancelled()
    assert listener.health()["state"] == "stopped"
    assert [server.main_line.connection for server in servers] == [None]
    async with Listener(CONFIG, port=listener.port, env=ENV) as next_one:
        assert next_one.port == listener.port
