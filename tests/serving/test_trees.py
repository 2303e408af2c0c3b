"""The pages below a path are those that the configuration in force asks for."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from callmux.config.sources import Sources
from callmux.management.changes import Changes
from tests.management.place import MANAGED, Place
from tests.support import SECONDS, real_loop


@real_loop()
async def test_the_interface_comes_moves_and_goes_with_reloads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch, management={"enabled": False})

    async def reload(**management: object) -> None:
        place.write({**place.document, "management": management})
        await place.host.reload(lambda: place.reading.read(Sources()))

    async def statuses() -> list[int]:
        return [(await place.ask("GET", path)).status for path in ("/management/v1/status", "/admin/status")]

    assert await statuses() == [404, 404]
    await reload(**MANAGED)
    assert await statuses() == [200, 404]
    options = await place.ask("OPTIONS", "status")
    assert options.headers["Allow"] == "GET, POST, PATCH, DELETE, OPTIONS"
    await reload(**MANAGED, path="/admin")
    assert await statuses() == [404, 200]
    await reload(enabled=False)
    assert await statuses() == [404, 404]
    await place.close()


@real_loop()
async def test_what_was_changed_is_in_force_after_the_file_was_edited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch)
    assert (await place.ask("POST", "servers", {"name": "b", "config": {"command": "b"}})).status == 201
    place.write({**place.document, "servers": {"c": {"command": "c"}}})
    await place.host.reload(lambda: place.reading.read(Sources()))
    assert sorted(await place.tools()) == ["b", "c"]
    assert list(json.loads(place.state.read_text())["servers"]) == ["b"]
    await place.close()


@real_loop()
async def test_changes_of_other_listeners_are_followed_once_a_reload_brings_the_interface(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    following = asyncio.Event()

    async def follow(changes: Changes) -> None:
        following.set()

    monkeypatch.setattr(Changes, "follow", follow)
    place = Place(tmp_path, monkeypatch, management={"enabled": False})
    await place.trees.follow()
    monkeypatch.setattr(place.trees, "_shared", object())
    task = asyncio.create_task(place.trees.follow())
    await asyncio.sleep(0)
    assert not following.is_set()
    place.write({**place.document, "management": MANAGED})
    await place.host.reload(lambda: place.reading.read(Sources()))
    await asyncio.wait_for(task, SECONDS)
    assert following.is_set()
    await place.close()
