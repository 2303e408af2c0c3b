"""The configuration file is reloaded once it has changed and is still, and on SIGHUP."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from callmux.clock import Clock
from callmux.config.load import load_config
from callmux.config.model import Config
from callmux.config.sources import Sources
from callmux.errors import StartupFailed
from callmux.observe.bus import Bus
from callmux.process import file_watch
from callmux.process.file_watch import reload, reload_on_change
from callmux.process.host import Host
from callmux.process.reloads import Reloads
from tests.support import real_loop, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGHUP is POSIX")


class FakeHost:
    """A host that keeps the configurations it was given."""

    def __init__(self) -> None:
        self.seen: list[list[str]] = []
        self.refusal: Exception | None = None
        self.bus = Bus()
        self.reloads = Reloads(Clock(), self.bus)

    async def reload(self, config: Any) -> None:
        read = config()
        if self.refusal is not None:
            raise self.refusal
        self.seen.append(list(read.servers))


def write(path: Path, *servers: str) -> None:
    path.write_text(json.dumps({"servers": {name: {"command": "x"} for name in servers}}))


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(file_watch, "INTERVAL_SECONDS", 0.01)
    path = tmp_path / "config.json"
    write(path, "a")
    return path


@asynccontextmanager
async def watched(path: Path, meanwhile: Callable[[], object] | None = None) -> AsyncIterator[FakeHost]:
    host = FakeHost()
    loop = asyncio.get_running_loop()

    def load(sources: Sources) -> Config:
        return load_config(path, {}, sources=sources).config

    load(sources := Sources())
    if meanwhile is not None:
        meanwhile()
    task = asyncio.create_task(reload_on_change(path, cast(Host, host), load, sources))
    await asyncio.sleep(0)
    try:
        yield host
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        loop.remove_signal_handler(signal.SIGHUP)


@real_loop()
async def test_a_changed_file_is_reloaded_once(path: Path) -> None:
    async with watched(path) as host:
        write(path, "a", "b")
        await until(lambda: host.seen, "the reload")
        write(path, "c")
        await until(lambda: len(host.seen) >= 2, "the second reload")
        assert host.seen == [["a", "b"], ["c"]]


@real_loop()
async def test_a_replaced_file_and_a_turned_link_are_seen(path: Path) -> None:
    link = path.with_name("link.json")
    link.symlink_to(path)
    async with watched(link) as host:
        other = path.with_name("other.json")
        write(other, "b")
        os.replace(other, path)
        await until(lambda: host.seen == [["b"]], "the replaced file")
        third = path.with_name("third.json")
        write(third, "c")
        turned = path.with_name("turned.json")
        turned.symlink_to(third)
        os.replace(turned, link)
        await until(lambda: host.seen == [["b"], ["c"]], "the turned link")


@real_loop()
async def test_a_broken_or_missing_file_leaves_everything_as_it_was(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with watched(path) as host:
        path.write_text("{broken")
        await until(lambda: "Config reload failed" in caplog.text, "the complaint")
        caplog.clear()
        path.unlink()
        await until(lambda: "Config reload failed" in caplog.text, "the second complaint")
        assert host.seen == []
        write(path, "b")
        await until(lambda: host.seen == [["b"]], "the file that is back")


@real_loop()
async def test_sighup_reloads_without_a_change(path: Path) -> None:
    async with watched(path) as host:
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: host.seen == [["a"]], "the reload")
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: host.seen == [["a"], ["a"]], "the second reload")


@real_loop()
async def test_a_change_between_the_reading_and_the_first_look_is_seen(path: Path) -> None:
    async with watched(path, meanwhile=lambda: write(path, "a", "b")) as host:
        await until(lambda: host.seen == [["a", "b"]], "the reload")


@real_loop()
async def test_a_changed_secret_is_a_reason_to_reload(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The file that a reference names is watched, from before the reference leads anywhere."""
    caplog.set_level("INFO")
    server = {"command": "x", "envRefs": {"TOKEN": "file:token"}}
    path.write_text(json.dumps({"servers": {"a": server}}))

    async with watched(path) as host:
        path.with_name("token").write_text("one")
        await until(lambda: len(host.seen) == 1, "the file that came")
        path.with_name("token").write_text("two, longer")
        await until(lambda: len(host.seen) == 2, "the file that changed")
        assert f"Reloaded config from {path} (secret change)" in caplog.messages
        write(path, "b")
        await until(lambda: len(host.seen) == 3, "the reload without it")
        path.with_name("token").unlink()
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: len(host.seen) == 4, "the reload on demand")
        assert "(secret change)" not in caplog.messages[-1]


@real_loop()
@pytest.mark.parametrize(
    ("error", "reason", "is_defect"),
    [
        (StartupFailed("a: no such command"), "a: no such command", False),
        (KeyError("of ours"), "an error in callmux: KeyError('of ours')", True),
    ],
)
async def test_a_reload_that_fails_is_logged_and_noted(
    path: Path, caplog: pytest.LogCaptureFixture, error: Exception, reason: str, is_defect: bool
) -> None:
    host = FakeHost()
    host.refusal = error
    load = lambda sources: load_config(path, {}, sources=sources).config  # noqa: E731
    await reload(path, cast(Host, host), load, Sources(), "SIGHUP")
    assert caplog.messages == [f"Config reload failed ({path}, SIGHUP): {reason}"]
    assert bool(caplog.records[0].exc_info) is is_defect
    assert host.reloads.facts()["configReload"]["lastReloadError"] == reason
