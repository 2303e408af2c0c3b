"""The parts of a listener are wired, and all of them follow reloads."""

from __future__ import annotations

from pathlib import Path

import pytest

from callmux.config.sources import Sources
from tests.management.place import Place
from tests.support import real_loop


@real_loop()
async def test_limits_pages_and_the_gate_follow_a_reload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch)
    assert (await place.ask("GET", "/metrics", token=None)).status == 200
    assert (await place.ask("GET", "/ready", token=None)).json["downstream"]["listener"]["sessions"] == []
    tokens = [{"id": "dev", "token": "dev-token-1234"}]
    place.write(
        {**place.document, "metrics": {"enabled": False}, "auth": {"mode": "bearer", "tokens": tokens}}
    )
    await place.host.reload(lambda: place.reading.read(Sources()))
    assert (await place.ask("GET", "/metrics", token="dev-token-1234")).status == 404
    assert (await place.ask("GET", "/health", token=None)).status == 401
    await place.close()


@real_loop()
async def test_a_reload_says_that_another_state_waits_for_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    place = Place(tmp_path, monkeypatch)
    place.write({**place.document, "metrics": {"enabled": False}})
    await place.host.reload(lambda: place.reading.read(Sources()))
    assert "next start" not in caplog.text
    for n in (1, 2):
        place.write({**place.document, "maxConcurrency": n, "state": {"url": "redis://elsewhere"}})
        await place.host.reload(lambda: place.reading.read(Sources()))
    assert caplog.text.count("it takes effect with the next start") == 1
    await place.close()


@real_loop()
async def test_a_session_is_known_to_the_host_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch)
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {"roots": {}},
            "clientInfo": {"name": "me", "version": "1"},
        },
    }
    kinds = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    greeted = await place.ask("POST", "/mcp", hello, None, **kinds)
    assert greeted.status == 200
    shown = (await place.ask("GET", "status")).json["runtime"]["listener"]
    assert shown["activeSessions"] == 1
    assert shown["sessions"][0]["client"] == "me"
    id = greeted.headers["mcp-session-id"]
    assert (await place.ask("DELETE", "/mcp", None, None, **{"mcp-session-id": id})).status == 200
    assert (await place.ask("GET", "status")).json["runtime"]["listener"]["activeSessions"] == 0
    refused = await place.ask("POST", "/mcp/p/nothing", hello, None, **kinds)
    assert refused.status == 404
    await place.close()
