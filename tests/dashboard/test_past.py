"""Past calls over HTTP: by filters, page by page; how long they took; and what stands in the way."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from callmux.dashboard import past as module
from tests.dashboard.test_pages import ON, called
from tests.management.place import Place
from tests.support import real_loop, until

KEPT = {"enabled": True}
FAN_OUT = {"calls": [{"tool": "t"}, {"tool": "u"}]}


async def get(place: Place, page: str) -> Any:
    answer = await place.ask("GET", f"/dashboard/{page}", token=None)
    assert answer.status == 200, answer.body
    assert answer.headers["cache-control"] == "no-store"
    return answer.json


@real_loop()
async def test_calls_come_by_filters_and_page_by_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch, dashboard=ON, eventStore=KEPT)
    await called(place)
    await called(place, "zzz")
    await called(place, "callmux_parallel", FAN_OUT)
    found = await get(place, "calls?range=1h")
    assert (found["enabled"], found["next"]) == (True, None)
    assert [row["tool"] for row in found["rows"]] == ["callmux_parallel", "zzz", "t"]
    assert [row["tool"] for row in (await get(place, "calls?status=failed"))["rows"]] == ["zzz"]
    assert [row["tool"] for row in (await get(place, "calls?tool=u&server=a"))["rows"]] == [
        "callmux_parallel"
    ]
    first = await get(place, "calls?limit=2")
    second = await get(place, f"calls?limit=2&before={first['next']}")
    assert [row["tool"] for row in second["rows"]] == ["t"]
    refused = await place.ask("GET", "/dashboard/calls?before=soon", token=None)
    assert (refused.status, "before" in refused.json["error"]) == (400, True)
    measured = await get(place, "latency?range=7d")
    assert measured["totals"]["calls"] == 3
    assert sum(point["calls"] for point in measured["points"]) == 3
    await place.close()


@real_loop()
async def test_the_calls_of_a_fan_out_are_shown_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch, dashboard=ON)
    await called(place, "callmux_parallel", FAN_OUT)
    events = (await get(place, "data"))["events"]
    (event,) = [one for one in events if one.get("tool") == "callmux_parallel"]
    shown = await get(place, f"call?id={event['requestId']}")
    assert {child["tool"] for child in shown["children"]} == {"t", "u"}
    assert await get(place, "call?id=nothing") == {"children": []}
    await place.close()


@real_loop()
async def test_what_stands_in_the_way_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(tmp_path, monkeypatch, dashboard=ON)
    for page in ("calls", "latency"):
        assert await get(place, page) == {"enabled": False, "reason": "eventStore.enabled is false"}
    await place.close()
    place = Place(tmp_path, monkeypatch, dashboard=ON, eventStore=KEPT)
    await called(place)
    monkeypatch.setattr(module, "past_calls", broken)
    assert "cannot be read: file is not a database" in (await get(place, "calls"))["reason"]
    release, running, most = threading.Event(), set[int](), list[int]()

    def slow(*_: Any) -> Any:
        running.add(threading.get_ident())
        most.append(len(running))
        release.wait(60)
        running.discard(threading.get_ident())
        return {}

    monkeypatch.setattr(module, "latency", slow)
    many = [asyncio.ensure_future(get(place, "latency")) for _ in range(3 * module.AT_A_TIME)]
    await until(lambda: len(running) >= module.AT_A_TIME, "the first queries")
    release.set()
    assert all(found["enabled"] for found in await asyncio.gather(*many))
    assert (len(most), max(most)) == (3 * module.AT_A_TIME, module.AT_A_TIME)
    release.clear()
    monkeypatch.setattr(module, "latency", lambda *_: release.wait(60))
    monkeypatch.setattr(module, "QUERY_SECONDS", 0.01)
    assert "in time" in (await get(place, "latency"))["reason"]
    release.set()
    await place.close()


def broken(*_: Any) -> Any:
    import sqlite3

    raise sqlite3.DatabaseError("file is not a database")
