"""A server is restarted once its files have changed and are still."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from callmux.config.check import check_document
from callmux.errors import ServerNotFound
from callmux.process import rebuilds
from callmux.process.rebuilds import Watched, restart_rebuilt, wanted_of
from tests.support import real_loop, until

WANTED = (("*",), Path("/"))


class FakeHost:
    """A host that keeps which servers were restarted, and why."""

    def __init__(self, **servers: Any) -> None:
        self.runtime = SimpleNamespace()
        self.configure(**servers)
        self.restarts: list[tuple[str, str]] = []
        self.refusal: Exception | None = None

    def configure(self, **servers: Any) -> None:
        entries = {name: {"command": "x", **more} for name, more in servers.items()}
        self.runtime.config = check_document({"servers": entries}).config

    async def restart(self, name: str, why: str) -> None:
        self.restarts.append((name, why))
        if self.refusal is not None:
            raise self.refusal


@asynccontextmanager
async def watched(host: Any, base: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[FakeHost]:
    """`restart_rebuilt` at work, once it has looked for the first time."""
    caplog.set_level("INFO")
    task = asyncio.create_task(restart_rebuilt(host, base))
    await until(lambda: caplog.messages, "the first look")
    try:
        yield host
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuilds, "INTERVAL_SECONDS", 0.01)


def test_a_change_counts_once_the_files_are_still() -> None:
    files = Watched(WANTED, {"a": (1, 1, 1), "b": (1, 1, 1)})
    assert files.changed({"a": (1, 1, 1), "b": (1, 1, 1)}) == []
    assert files.changed({"a": (1, 2, 2), "b": (1, 1, 1)}) == []
    assert files.changed({"a": (1, 3, 3), "c": (1, 1, 1)}) == []
    assert files.changed({"a": (1, 3, 3), "c": (1, 1, 1)}) == ["a", "b", "c"]
    assert files.changed({"a": (1, 3, 3), "c": (1, 1, 1)}) == []


def test_files_that_are_again_what_they_were_are_no_change() -> None:
    """A build that wrote nothing new in the end."""
    same = {"a": (1, 1, 1)}
    files = Watched(WANTED, same)
    assert files.changed({}) == []
    assert files.changed(same) == []
    assert files.changed(same) == []


def test_patterns_start_where_the_server_runs_or_else_beside_the_configuration(tmp_path: Path) -> None:
    host: Any = FakeHost(
        a={"watch": ["x"]},
        b={"watch": ["x"], "cwd": "/srv"},
        c={"watch": ["x"], "disabled": True},
        d={},
        e={"watch": ["x"], "cwd": "rel"},
    )
    assert wanted_of(host, tmp_path) == {
        "a": (("x",), tmp_path),
        "b": (("x",), Path("/srv")),
        "e": (("x",), Path.cwd() / "rel"),
    }


@real_loop()
async def test_a_rebuilt_server_is_restarted_and_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.js").write_text("1")
    (tmp_path / "b.js").write_text("1")

    async with watched(FakeHost(a={"watch": ["a.js"]}, b={"watch": ["b.js"]}), tmp_path, caplog) as host:
        (tmp_path / "a.js").write_text("22")
        await until(lambda: host.restarts, "the restart")
        assert host.restarts == [("a", f"{tmp_path / 'a.js'} changed")]
        (tmp_path / "b.js").unlink()
        await until(lambda: len(host.restarts) == 2, "the other one")
        assert 'watching 1 files of "a"' in caplog.messages


@real_loop()
async def test_what_is_watched_follows_the_configuration(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with watched(FakeHost(a={"watch": ["no*"]}), tmp_path, caplog) as host:
        assert 'could not watch files of "a": its "watch" matches none yet' in caplog.text
        (tmp_path / "new.js").write_text("1")
        host.configure(a={"watch": ["*.js"]})
        await until(lambda: 'watching 1 files of "a"' in caplog.messages, "the new pattern")
        assert host.restarts == []
        host.refusal = ServerNotFound("gone")
        (tmp_path / "more.js").write_text("1")
        await until(lambda: '"a" is not restarted: gone' in caplog.messages, "the refusal")
        host.configure(a={})
        host.refusal = None
        (tmp_path / "b.js").write_text("1")
        host.configure(a={"watch": ["*.js"]})
        (tmp_path / "b.js").write_text("22")
        await until(lambda: len(host.restarts) == 2 or caplog.messages.count('watching 3 files of "a"'))
