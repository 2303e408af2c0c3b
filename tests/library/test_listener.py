"""A program starts a listener, reloads it, listens to it, and stops it."""

from __future__ import annotations

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
from tests.support import real_loop

TOKEN = "manage-me-please-1"
MANAGED = {"enabled": True, "auth": {"mode": "bearer", "tokens": [{"id": "ops", "token": TOKEN}]}}


def read(url: str) -> Any:
    import asyncio

    def fetch() -> Any:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)

    return asyncio.to_thread(fetch)


@real_loop(seconds=60)
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


@real_loop(seconds=60)
async def test_a_server_that_is_down_makes_it_degraded_and_strict_ones_refuse() -> None:
    broken = {"servers": {"notes": NOTES, "gone": {"command": "/nonexistent/server"}}}
    async with Listener(broken, env=ENV) as listener:
        assert await listener.ready() == "degraded"
        health = listener.health()
        assert (health["state"], health["downstream"]["failed"]) == ("degraded", 1)
    strict = Listener({**broken, "strictStartup": True}, env=ENV)
    with pytest.raises(StartupFailed):
        await strict.start()
    assert strict.health()["state"] == "stopped"


@real_loop(seconds=60)
async def test_it_is_open_to_nobody_who_has_no_credential() -> None:
    with pytest.raises(InsecureListener):
        await Listener(CONFIG, host="0.0.0.0", env=ENV).start()
    async with Listener(CONFIG, env=ENV) as listener:
        with pytest.raises(CallmuxError, match="cannot listen"):
            await Listener(CONFIG, port=listener.port, env=ENV).start()


@real_loop(seconds=60)
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


@real_loop(seconds=60)
async def test_a_file_is_read_again_by_a_reload(tmp_path: Path) -> None:
    path = tmp_path / "callmux.json"
    path.write_text(json.dumps(CONFIG))
    async with Listener(path, env=ENV) as listener:
        path.write_text(json.dumps({"servers": {"one": NOTES, "two": NOTES}}))
        await listener.reload()
        assert set(listener.health()["downstream"]["servers"]) == {"one", "two"}
