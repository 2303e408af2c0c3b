"""What the dashboard shows at addresses of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callmux.observe.facts import Reloaded
from tests.dashboard.tab import Tab
from tests.dashboard.test_pages import called
from tests.management.place import Place
from tests.support import real_loop

ON = {"enabled": True}


@real_loop()
async def test_events_are_read_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(tmp_path, monkeypatch, dashboard=ON)
    await place.host.runtime.settled()
    for n in range(5):
        place.host.bus.publish(Reloaded(error=f"no {n}"))
    tab = Tab(place)
    total = (await tab.get("/data?events=0")).json["summary"]["totalEvents"]
    first = (await tab.get("/recent?limit=2")).json
    assert [event["error"] for event in first["events"]] == ["no 4", "no 3"]
    assert first["next"] == total - 1
    rest = (await tab.get(f"/recent?before={first['next']}&limit=nonsense")).json
    assert [event.get("error") for event in rest["events"]][:3] == ["no 2", "no 1", "no 0"]
    assert rest["next"] is None
    assert "events" not in (await tab.get("/data?events=0")).json
    assert "events" in (await tab.get("/data")).json
    await place.close()


@real_loop()
async def test_tools_are_listed_without_schemas_and_shown_whole_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch, dashboard=ON)
    tab = Tab(place)
    tools = (await tab.get("/tools")).json["tools"]
    assert [tool["name"] for tool in tools][:2] == ["t", "u"]
    assert "callmux_call" in [tool["name"] for tool in tools]
    assert not any("inputSchema" in tool for tool in tools)
    whole = (await tab.get("/tool?name=t")).json
    assert (whole["server"], whole["original"]["inputSchema"]) == ("a", {"type": "object"})
    assert whole["listed"]["name"] == "t"
    own = (await tab.get("/tool?name=callmux_call")).json
    assert own["listed"]["name"] == "callmux_call"
    missing = await tab.get("/tool?name=zzz")
    assert (missing.status, "zzz" in missing.json["error"]) == (404, True)
    await place.close()


@real_loop()
async def test_where_only_meta_tools_are_listed_the_others_are_shown_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch, dashboard=ON, metaOnly=True)
    whole = (await Tab(place).get("/tool?name=t")).json
    assert whole["listed"] is None
    assert whole["original"]["name"] == "t"
    await place.close()


@real_loop()
async def test_sessions_and_the_lines_of_a_server_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch, dashboard=ON)
    await called(place)
    tab = Tab(place)
    (session,) = (await tab.get("/sessions")).json["sessions"]
    assert (session["client"], session["transport"], session["active"]) == ("me", "streamable-http", 0)
    assert session["revision"] == "2025-11-25"
    for text in ("one", "two password=hunter2hunter2"):
        place.host.output.add("a", text)
    found = (await tab.get("/log?server=a")).json
    assert [line["number"] for line in found["lines"]] == [1, 2]
    assert "hunter2" not in str(found)
    later = (await tab.get("/log?server=a&after=1")).json
    assert [line["number"] for line in later["lines"]] == [2]
    assert (await tab.get("/log")).json["lines"] == []
    await place.close()


@real_loop()
async def test_looking_is_asked_for_at_each_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.dashboard.tab import CLIENTS, DEV

    rules = [{"effect": "allow", "principals": ["bearer:dev"], "tools": ["a__*"]}]
    place = Place(
        tmp_path,
        monkeypatch,
        dashboard=ON,
        auth=CLIENTS,
        authorization={"rules": rules, "defaultEffect": "deny"},
    )
    paths = ("data", "events", "series", "drilldown", "recent", "live", "sessions", "changes", "tools")
    views: Any = [*paths, "tool?name=t", "waiting", "log?server=a"]
    tab = Tab(place)
    for path in views:
        assert (await tab.get(f"/{path}")).status == 401, path
    await tab.sign_in(DEV)
    for path in views:
        refused = await tab.get(f"/{path}")
        assert (refused.status, "callmux_dashboard" in refused.json["error"]) == (403, True), path
    assert (await tab.post("/call", {"name": "t"})).status == 403
    assert (await tab.session())["why"]["look"]
    await tab.enter()
    assert (await tab.get("/data")).status == 200
    await place.close()
