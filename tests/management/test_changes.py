"""A change takes effect as a whole, and is kept, or nothing has changed."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from pathlib import Path
from typing import Any

import pytest

from callmux.clock import Clock
from callmux.config.overlay import Overlay
from callmux.config.sources import Sources
from callmux.errors import ConfigError, StoreUnavailable
from callmux.management import changes as changes_module
from callmux.management.changes import Changes, NotSaved
from callmux.observe.facts import Reloaded, ServersManaged
from tests.management.place import Place
from tests.support import real_loop, until

NEW = {"name": "b", "config": {"command": "b"}}


@real_loop()
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), OSError("odd")])
async def test_a_change_that_cannot_be_saved_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    """The original has applied it by then, and answers with an error all the same.

    Weak spot L37 of callmux (npm).
    """
    place = Place(tmp_path, monkeypatch)
    facts: list[ServersManaged] = []
    place.host.bus.subscribe(ServersManaged, facts.append)

    def full(path: Path, data: bytes) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(changes_module, "write_private", full)
        refused = await place.ask("POST", "servers", NEW)
        disabled = await place.ask("PATCH", "servers/a", {"disabled": True})
    assert (refused.status, disabled.status) == (400, 400)
    assert "Nothing was changed" in refused.json["error"]
    assert [fact.error for fact in facts] == [refused.json["error"], disabled.json["error"]]
    assert await place.tools() == {"a": ["t", "u"]}
    assert (await place.ask("POST", "servers", NEW)).status == 201
    await place.close()


@real_loop()
async def test_a_drive_that_does_not_answer_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch)
    answers = threading.Event()
    monkeypatch.setattr(changes_module, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(changes_module, "write_private", lambda path, data: answers.wait(60))
    refused = await place.ask("POST", "servers", NEW)
    answers.set()
    assert refused.status == 400
    assert "in time" in refused.json["error"]
    assert await place.tools() == {"a": ["t", "u"]}
    await place.close()


@real_loop()
async def test_what_is_kept_is_for_its_owner_only_and_has_references_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weak spot L26 of callmux (npm)."""
    place = Place(tmp_path, monkeypatch)
    (tmp_path / "secret.txt").write_text("from-a-file-1")
    entry = {"command": "b", "args": ["${file:secret.txt}"], "envRefs": {"KEY": "env:KEY"}}
    assert (await place.ask("POST", "servers", {"name": "b", "config": entry})).status == 201
    assert place.state.stat().st_mode & 0o777 == 0o600
    assert json.loads(place.state.read_text())["servers"]["b"]["config"] == entry
    status = (await place.ask("GET", "status")).json["management"]
    assert status["statePath"] == str(place.state)
    assert (status["persistent"], status["overlayServers"]) == (True, ["b"])
    assert status["overlayUpdatedAt"]
    # It is there after a start, and after an edit of the file.
    again = place.load(Sources())
    assert list(again.servers) == ["a", "b"]
    await place.close()


@real_loop()
async def test_a_file_that_is_broken_meanwhile_lets_nothing_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch)
    place.path.write_text("{ broken")
    refused = await place.ask("POST", "servers", NEW)
    assert refused.status == 400
    assert "invalid JSON" in refused.json["error"]
    assert not place.state.exists()
    assert await place.tools() == {"a": ["t", "u"]}
    await place.close()


@real_loop()
async def test_a_server_that_is_down_is_added_unless_all_must_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch)
    reloads: list[Reloaded] = []
    place.host.bus.subscribe(Reloaded, reloads.append)
    assert (await place.ask("POST", "servers", {"name": "bad", "config": {"command": "x"}})).status == 201
    shown = {s["name"]: s["runtime"]["state"] for s in (await place.ask("GET", "servers")).json["servers"]}
    assert shown["bad"] != "connected"
    assert [reload.error for reload in reloads] == [None]
    await place.close()
    place.state.unlink()
    place = Place(tmp_path, monkeypatch, strictStartup=True)
    refused = await place.ask("POST", "servers", {"name": "bad", "config": {"command": "x"}})
    assert refused.status == 400
    assert not place.state.exists()
    await place.close()


@real_loop()
@pytest.mark.parametrize("seed", range(4))
async def test_whatever_is_changed_at_once_what_runs_is_what_is_kept_and_nothing_else_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Adds, changes, removals, restarts, dry runs, reloads and edits of the file, in waves.

    Weak spots L36 and L37 of callmux (npm).
    """
    place, dice = Place(tmp_path, monkeypatch), random.Random(seed)
    names = ["a", "b", "c", "bad"]

    async def act(kind: str, name: str) -> int:
        entry = {"command": name, "args": [str(dice.randrange(3))]}
        match kind:
            case "add":
                answer = await place.ask("POST", "servers", {"name": name, "config": entry})
            case "dry":
                answer = await place.ask("POST", "servers", {"name": name, "config": entry, "dryRun": True})
            case "change":
                answer = await place.ask("PATCH", f"servers/{name}", {"disabled": dice.random() < 0.5})
            case "tools":
                answer = await place.ask("PATCH", f"servers/{name}", {"removeTools": ["u"]})
            case "remove":
                answer = await place.ask("DELETE", f"servers/{name}")
            case "restart":
                answer = await place.ask("POST", f"servers/{name}/restart")
            case "look":
                answer = await place.ask("GET", "status")
            case _:
                place.write({**place.document, "cacheTtlSeconds": dice.randrange(1, 99)})
                await place.host.reload(lambda: place.reading.read(Sources()))
                return 200
        return answer.status

    kinds = ("add", "dry", "change", "tools", "remove", "restart", "look", "reload")
    for _ in range(8):
        wave = [act(dice.choice(kinds), dice.choice(names)) for _ in range(6)]
        assert set(await asyncio.gather(*wave)) <= {200, 201, 400, 404, 409}
    await place.host.runtime.settled()
    kept = json.loads(place.state.read_text())["servers"] if place.state.exists() else {}
    expected: dict[str, Any] = dict(place.document["servers"])
    for name, change in kept.items():
        expected.pop(name, None)
        if not change.get("deleted"):
            expected[name] = change["config"]
    shown = (await place.ask("GET", "servers")).json["servers"]
    assert {server["name"]: server["config"] for server in shown} == expected
    assert set(place.load(Sources()).servers) == expected.keys()
    wanted = {name for name, entry in expected.items() if not entry.get("disabled")}
    up = {server["name"] for server in shown if server["runtime"]["state"] == "connected"}
    assert up == wanted - {"bad"}
    open_links = [name for name, link in place.all_links if not link.closed]
    assert sorted(open_links) == sorted(up)
    await place.close()


class Everywhere:
    """What several listeners share, in memory."""

    def __init__(self) -> None:
        self.number, self.text, self.away = 0, b"", False

    def _check(self) -> None:
        if self.away:
            raise StoreUnavailable("Redis is away")

    async def version(self) -> int:
        self._check()
        return self.number

    async def read(self) -> tuple[int, bytes]:
        self._check()
        return self.number, self.text

    async def write(self, text: bytes, after: int) -> int:
        self._check()
        if after != self.number:
            return 0
        self.number, self.text = after + 1, text
        return self.number


def sharing(folder: Path, monkeypatch: pytest.MonkeyPatch, shared: Everywhere) -> tuple[Place, Changes]:
    folder.mkdir(exist_ok=True)
    place = Place(folder, monkeypatch)
    return place, Changes(place.host, place.reading, Clock(), shared)


@real_loop()
async def test_a_change_at_one_listener_is_made_at_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes_module, "FOLLOW_SECONDS", 0.01)
    shared = Everywhere()
    (one, here), (other, there) = (sharing(tmp_path / name, monkeypatch, shared) for name in "xy")
    following = [asyncio.get_running_loop().create_task(changes.follow()) for changes in (here, there)]
    await here.change("add_server", "b", lambda entry: {"command": "b"}, "ann")
    await until(lambda: "b" in other.host.runtime.servers, "the server")
    assert json.loads(other.state.read_text())["servers"]["b"]["config"] == {"command": "b"}
    await there.change("delete_server", "b", lambda entry: None, "bob")
    await until(lambda: "b" not in one.host.runtime.servers, "the end of it")
    # What Redis has lost it is told again.
    shared.number, shared.text = 0, b""
    await until(lambda: shared.number, "the changes")
    assert b'"deleted": true' in shared.text
    for task in following:
        task.cancel()
    await asyncio.wait(following)
    for place in (one, other):
        await place.close()


@real_loop()
async def test_a_change_that_others_could_not_know_of_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = Everywhere()
    place, changes = sharing(tmp_path / "x", monkeypatch, shared)
    shared.away = True
    with pytest.raises(NotSaved, match="Other listeners could not know"):
        await changes.change("add_server", "b", lambda entry: {"command": "b"}, "ann")
    assert "b" not in place.host.runtime.servers
    shared.away = False
    read = shared.read

    async def overtaken() -> tuple[int, bytes]:
        found = await read()
        shared.number += 1
        return found

    monkeypatch.setattr(shared, "read", overtaken)
    with pytest.raises(NotSaved, match="another listener was faster"):
        await changes.change("add_server", "b", lambda entry: {"command": "b"}, "ann")
    assert not place.state.exists()
    monkeypatch.setattr(shared, "read", read)
    shared.text = Overlay().with_entry("c", {"command": "c"}, "now").dump()
    await changes.change("add_server", "b", lambda entry: {"command": "b"}, "ann")
    assert {"b", "c"} <= set(place.host.runtime.servers), "what another listener has changed is kept"
    await place.close()


@real_loop()
async def test_what_another_listener_has_changed_and_cannot_be_here_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(changes_module, "FOLLOW_SECONDS", 0.001)
    shared = Everywhere()
    place, changes = sharing(tmp_path / "x", monkeypatch, shared)
    shared.number, shared.text = 1, b'{"version": 99}'
    following = asyncio.get_running_loop().create_task(changes.follow())
    await until(lambda: "could not take over" in caplog.text, "the warning")
    shared.away = True
    await asyncio.sleep(0.02)
    shared.away = False
    shared.number, shared.text = 2, Overlay().with_entry("c", {"command": "c"}, "now").dump()
    await until(lambda: "c" in place.host.runtime.servers, "the next change")
    assert caplog.text.count("could not take over") == 1
    following.cancel()
    await asyncio.wait({following})
    await place.close()


@real_loop()
async def test_a_change_of_another_listener_is_made_also_where_an_own_one_fails_just_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes_module, "FOLLOW_SECONDS", 0.001)
    shared = Everywhere()
    place, changes = sharing(tmp_path / "x", monkeypatch, shared)
    shared.number, shared.text = 1, Overlay().with_entry("c", {"command": "c"}, "now").dump()
    with pytest.raises(ConfigError):
        await changes.change("add_server", "b", lambda entry: {"command": 7}, "ann")
    assert "c" in place.host.runtime.servers
    assert "c" in json.loads(place.state.read_text())["servers"]
    await place.close()


@real_loop()
async def test_an_own_change_does_not_undo_one_of_another_listener_that_cannot_be_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(changes_module, "FOLLOW_SECONDS", 0.001)
    shared = Everywhere()
    place, changes = sharing(tmp_path / "x", monkeypatch, shared)
    theirs = shared.number, shared.text = 1, b'{"version": 99}'
    following = asyncio.get_running_loop().create_task(changes.follow())
    await until(lambda: "could not take over" in caplog.text, "the warning")
    with pytest.raises(NotSaved, match=r"another listener has changed cannot be taken over: .*version 1"):
        await changes.change("add_server", "b", lambda entry: {"command": "b"}, "ann")
    assert (shared.number, shared.text) == theirs
    assert "b" not in place.host.runtime.servers
    following.cancel()
    await asyncio.wait({following})
    await place.close()


@real_loop()
async def test_whoever_cannot_write_a_change_down_that_others_make_says_so_and_makes_it_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes_module, "FOLLOW_SECONDS", 0.001)
    shared = Everywhere()
    place, changes = sharing(tmp_path / "x", monkeypatch, shared)

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(changes_module, "write_private", full)
        with pytest.raises(
            NotSaved, match=r"No space .* Other listeners make this change, this one does not"
        ):
            await changes.change("add_server", "b", lambda entry: {"command": "b"}, "ann")
    assert shared.number == 1
    assert "b" not in place.host.runtime.servers
    following = asyncio.get_running_loop().create_task(changes.follow())
    await until(lambda: "b" in place.host.runtime.servers, "the change")
    following.cancel()
    await asyncio.wait({following})
    await place.close()
