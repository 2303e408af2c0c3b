"""A process has its servers, and ends all that works for them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from callmux.clock import Clock
from callmux.config.servers import HttpServer
from callmux.config.traffic import ReconnectPolicy
from callmux.observe.bus import Bus
from callmux.process import servers as servers_module
from callmux.process.servers import supply
from callmux.upstream.belongings import Belongings, running
from callmux.upstream.leftovers import MARK
from callmux.upstream.opening.reconnect import Timing
from tests.support import real_loop, until


async def test_a_server_of_the_pool_is_tried_again_once_somebody_has_signed_in(tmp_path: Path) -> None:
    made = supply({"XDG_STATE_HOME": str(tmp_path)}, tmp_path, lambda *_: None, Clock(), Bus())
    server = made.pool.lease("s", HttpServer(url="x"), Timing(1.0, ReconnectPolicy()))
    await server.settled()
    assert server.health.attempts == 1
    made.pool.retry("another")
    made.pool.retry("s")
    await server.settled()
    await made.close()
    assert made.private == set()


@real_loop()
@pytest.mark.skipif(sys.platform == "win32", reason="marks are looked for on POSIX systems")
async def test_what_belongs_to_nobody_any_more_ends_as_soon_as_there_are_servers(tmp_path: Path) -> None:
    gone, lives = Belongings(folder := running(tmp_path / "callmux")), Belongings(folder)
    gone.begin()
    lives.begin()
    children = [
        subprocess.Popen(["sleep", "300"], env={**os.environ, MARK: mark}, start_new_session=True)  # noqa: ASYNC220
        for mark in (gone.mark(), lives.mark())
    ]
    gone.close(left=True)
    made = supply({"XDG_STATE_HOME": str(tmp_path)}, tmp_path, lambda *_: None, Clock(), Bus())
    try:
        await until(lambda: children[0].poll() is not None, "the end of what was left")
        assert children[1].poll() is None
    finally:
        await made.close()
        for child in children:
            child.kill()
            child.wait()
        lives.close(left=False)


@real_loop()
@pytest.mark.skipif(sys.platform == "win32", reason="records are kept on POSIX systems")
async def test_nobody_waits_for_the_end_of_what_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container engine may do so, and the process is to end all the same."""
    began, may_end = threading.Event(), threading.Event()

    def hang(_: object) -> None:
        began.set()
        may_end.wait()

    monkeypatch.setattr(servers_module, "sweep", hang)
    gone = Belongings(running(tmp_path / "callmux"))
    gone.begin()
    gone.close(left=True)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    made = supply({"XDG_STATE_HOME": str(tmp_path)}, tmp_path, lambda *_: None, Clock(), Bus())
    try:
        await until(began.is_set, "the begin of it")
        await made.close()
        await asyncio.get_running_loop().shutdown_default_executor()
    finally:
        may_end.set()


async def test_sign_ins_end_also_where_servers_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = supply({"XDG_STATE_HOME": str(tmp_path)}, tmp_path, lambda *_: None, Clock(), Bus())
    close = made.pool.close
    ended: list[str] = []

    async def fail() -> None:
        await close()
        raise OSError("gone")

    async def end() -> None:
        ended.append("sign-ins")

    monkeypatch.setattr(made.pool, "close", fail)
    monkeypatch.setattr(made.sign_ins, "close", end)
    with pytest.raises(OSError, match="gone"):
        await made.close()
    assert ended == ["sign-ins"]
