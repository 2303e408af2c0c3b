"""The dashboard's addresses: what they give, to whom, and what goes out as it happens."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from callmux.config.sources import Sources
from callmux.dashboard import pages as module
from callmux.dashboard import past
from callmux.observe.facts import Reloaded
from tests.management.place import Place
from tests.support import real_loop, until
from tests.transport.http.asgi import Call

ON = {"enabled": True}
TOKENS = [{"id": "ops", "token": "ops-token-1234"}, {"id": "dev", "token": "dev-token-1234"}]
AUTH = {"mode": "bearer", "tokens": TOKENS}
KINDS = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


async def called(place: Place, name: str = "t", arguments: Any = None) -> None:
    """A client calls a tool."""
    await place.host.runtime.settled()
    params = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "me", "version": "1"},
    }
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    greeted = await place.ask("POST", "/mcp", hello, None, **KINDS)
    session = {**KINDS, "mcp-session-id": greeted.headers["mcp-session-id"]}
    message = {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "tools/call",
        "params": {"name": name, "arguments": arguments or {}},
    }
    answer = await place.ask("POST", "/mcp", message, None, **session)
    assert answer.status == 200


@real_loop()
async def test_a_snapshot_has_all_and_no_argument(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(tmp_path, monkeypatch, dashboard=ON)
    await called(place, "t", {"title": "very-private-words"})
    await called(place, "callmux_parallel", {"calls": [{"tool": "t"}, {"tool": "zzz"}]})
    answer = await place.ask("GET", "/dashboard/data", token=None)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    assert b"very-private-words" not in answer.body
    shown = answer.json
    assert shown["summary"]["passthroughToolCalls"] == 1
    assert shown["summary"]["callmuxMetaToolCalls"] == 1
    assert shown["metrics"]["totals"]["calls"] == 2
    assert [server["name"] for server in shown["managementServers"]] == ["a"]
    assert shown["status"]["listener"]["activeSessions"] == 2
    assert shown["approvals"] == []
    assert {event["type"] for event in shown["events"]} >= {"http_request", "tool_call", "server_up"}
    assert "problems" not in shown
    await place.close()


@real_loop()
async def test_the_page_and_what_is_no_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(tmp_path, monkeypatch, dashboard={"enabled": True, "path": "/relay/"})
    for path, status in (
        ("/relay", 200),
        ("/relay/", 200),
        ("/relay/data", 200),
        ("/relay//data", 404),
        ("/relay/other", 404),
        ("/dashboard", 404),
    ):
        assert (await place.ask("GET", path)).status == status, path
    for method in ("POST", "DELETE", "HEAD"):
        refused = await place.ask(method, "/relay/data")
        assert (refused.status, refused.headers["Allow"]) == (405, "GET, OPTIONS")
    page = await place.ask("GET", "/relay")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert place.observers.totals is not None
    assert ("GET", "/relay/data", 200) in place.observers.totals.http
    await place.close()


@real_loop()
async def test_counts_over_time_and_the_drill_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(tmp_path, monkeypatch, dashboard=ON, eventStore={"enabled": True})
    await called(place)
    await called(place, "zzz")
    for asked in ("1h", "today", "yesterday", "7d", "30d", "nonsense"):
        answer = await place.ask("GET", f"/dashboard/series?range={asked}")
        assert answer.json["range"] == ("1h" if asked == "nonsense" else asked)
    found = (await place.ask("GET", "/dashboard/drilldown?range=1h&limit=1")).json
    assert found["enabled"] is True
    assert (found["totals"]["calls"], found["totals"]["errors"]) == (2, 1)
    assert len(found["byTool"]) == 1
    monkeypatch.setattr(past, "drilldown", broken)
    told = (await place.ask("GET", "/dashboard/drilldown")).json
    assert told["enabled"] is False
    assert "cannot be read" in told["reason"]
    go = threading.Event()
    monkeypatch.setattr(past, "drilldown", lambda *_: go.wait(20))
    monkeypatch.setattr(past, "QUERY_SECONDS", 0.0)
    assert "in time" in (await place.ask("GET", "/dashboard/drilldown")).json["reason"]
    go.set()
    await place.close()


def broken(*_: Any) -> Any:
    """Weak spot L47 of callmux (npm): it says that the store is off where it only failed."""
    import sqlite3

    raise sqlite3.DatabaseError("file is not a database")


@real_loop()
async def test_without_a_store_the_drill_down_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch, dashboard=ON)
    told = (await place.ask("GET", "/dashboard/drilldown")).json
    assert told == {"enabled": False, "reason": "eventStore.enabled is false"}
    await place.close()


@real_loop()
async def test_with_auth_a_credential_is_asked_for_and_with_rules_the_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is shown is of everybody: a client with a few tools sees nothing of it."""
    place = Place(tmp_path, monkeypatch, dashboard=ON, auth=AUTH)
    for page in ("/dashboard", "/dashboard/data", "/dashboard/events", "/dashboard/series"):
        assert (await place.ask("GET", page, token=None)).status == 401
    assert (await place.ask("GET", "/dashboard/data", token="dev-token-1234")).status == 200
    await place.close()
    rules = [
        {"effect": "allow", "principals": ["bearer:ops"], "tools": ["*"]},
        {"effect": "allow", "principals": ["bearer:dev"], "tools": ["a__*"]},
    ]
    place = Place(
        tmp_path,
        monkeypatch,
        dashboard=ON,
        auth=AUTH,
        authorization={"rules": rules, "defaultEffect": "deny"},
    )
    assert (await place.ask("GET", "/dashboard/data", token="ops-token-1234")).status == 200
    refused = await place.ask("GET", "/dashboard/data", token="dev-token-1234")
    assert (refused.status, "callmux_dashboard" in refused.json["error"]) == (403, True)
    await place.close()


class Reader:
    """Reads the stream of events."""

    def __init__(self, place: Place, **headers: str) -> None:
        kind = {"accept": "text/event-stream"}
        self.call = Call("GET", "/dashboard/events", {"host": "localhost", **kind, **headers})
        self.task = asyncio.create_task(place.app(self.call.scope, self.call.receive, self.call.send))

    @property
    def frames(self) -> list[Any]:
        lines = self.call.body.decode().splitlines()
        return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]

    async def leave(self) -> None:
        self.call.leave()
        await self.task


async def watched(place: Place, **headers: str) -> Reader:
    """A browser that has its snapshot, of servers that are up."""
    await place.host.runtime.settled()
    browser = Reader(place, **headers)
    await browser.call.until_sent(b"\n\n")
    return browser


@real_loop()
async def test_the_stream_begins_with_a_snapshot_and_goes_on_with_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch, dashboard=ON)
    browser = await watched(place)
    assert browser.call.body.startswith(b"event: snapshot\ndata: ")
    place.host.bus.publish(Reloaded(error="bad"))
    await browser.call.until_sent(b"config_reload")
    assert browser.frames[-1]["success"] is False
    await browser.leave()
    chronicle = place.observers.chronicle
    assert chronicle is not None
    assert chronicle.recent is not None
    assert chronicle.recent._listeners == []
    await place.close()


@pytest.mark.parametrize("bound", ["MOST_STREAMS", "MOST_OF_ONE"])
@real_loop()
async def test_more_pages_than_a_listener_can_tell_are_asked_to_come_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(module, bound, 1)
    place = Place(tmp_path, monkeypatch, dashboard=ON)
    first = await watched(place)
    refused = await place.ask("GET", "/dashboard/events", token=None)
    assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
    await first.leave()
    again = await watched(place)
    await again.leave()
    await place.close()


@real_loop()
async def test_a_browser_that_reads_slowly_is_told_to_begin_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    place = Place(tmp_path, monkeypatch, dashboard=ON)
    browser = await watched(place)
    for _ in range(5):
        place.host.bus.publish(Reloaded())
    await browser.call.until_sent(b"behind")
    assert browser.frames[-1] == {"type": "stream_reset", "reason": "behind", "dropped": 5}
    await browser.leave()
    await place.close()


@real_loop()
async def test_frames_that_are_too_large_or_cannot_be_said_are_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch, dashboard=ON)
    browser = await watched(place)
    monkeypatch.setattr(module, "MOST_FRAME", 10)
    place.host.bus.publish(Reloaded())
    await browser.call.until_sent(b"frame_too_large")
    monkeypatch.setattr(module, "words_of", lambda at, event: {"type": object()})
    place.host.bus.publish(Reloaded())
    await browser.call.until_sent(b"serialization_failed")
    await browser.leave()
    await place.close()


@real_loop()
async def test_a_silent_stream_gives_signs_of_life_and_ends_with_its_credential(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEEPALIVE_SECONDS", 0.01)
    place = Place(tmp_path, monkeypatch, dashboard=ON)
    browser = await watched(place)
    await browser.call.until_sent(b": alive")
    page: Any = next(tree for path, tree in place.app._trees.items() if path == "/dashboard")
    page._is_let_in = lambda exchange: False
    await until(lambda: browser.call.complete, "the stream's end")
    await browser.task
    await place.close()


@real_loop()
async def test_a_stream_that_is_given_up_leaves_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch, dashboard=ON)
    await place.host.runtime.settled()
    before = asyncio.all_tasks()
    browser = await watched(place)
    await asyncio.sleep(0)
    browser.task.cancel()
    await asyncio.wait({browser.task})
    await until(lambda: asyncio.all_tasks() <= before, "the end of those that waited")
    await place.close()


ALLOWED = {"rules": [{"effect": "allow", "principals": ["bearer:ops"], "tools": ["*"]}]}
DENIED = {"rules": [{"effect": "allow", "principals": ["bearer:dev"], "tools": ["*"]}]}


@pytest.mark.parametrize(
    "changed", [{"dashboard": {"enabled": False}}, {"authorization": {**DENIED, "defaultEffect": "deny"}}]
)
@real_loop()
async def test_a_stream_ends_with_the_dashboard_and_with_the_right_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]
) -> None:
    monkeypatch.setattr(module, "KEEPALIVE_SECONDS", 0.01)
    rules = {**ALLOWED, "defaultEffect": "deny"}
    place = Place(tmp_path, monkeypatch, dashboard=ON, auth=AUTH, authorization=rules)
    browser = await watched(place, authorization="Bearer ops-token-1234")
    place.write({**place.document, **changed})
    await place.host.reload(lambda: place.reading.read(Sources()))
    await until(lambda: browser.call.complete, "the stream's end")
    await browser.task
    await place.close()
