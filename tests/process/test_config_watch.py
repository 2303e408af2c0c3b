"""What runs beside a host ends with it, and takes the requests of commands and no others."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from callmux.clock import Clock
from callmux.config.load import load_config
from callmux.config.sources import Sources
from callmux.process.config_watch import watch_and_answer
from callmux.process.control_sockets import ProcessRefused, ask, sockets
from callmux.process.desk import Desk
from callmux.process.server_output import ServerOutput
from tests.process.test_rebuilds import FakeHost
from tests.support import real_loop, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Unix sockets and SIGHUP")


@real_loop()
async def test_files_are_watched_and_commands_answered_until_the_task_is_cancelled(tmp_path: Path) -> None:
    path, env = tmp_path / "c.json", {"XDG_STATE_HOME": str(tmp_path / "s")}
    path.write_text(json.dumps({"servers": {"a": {"command": "x"}}}))

    host: Any = FakeHost(a={})

    async def restart(name: str, why: str) -> dict[str, Any]:
        host.restarts.append((name, why))
        return {"name": name}

    host.restart = restart
    host.others = None
    host.desk = Desk(tmp_path, single=True, clock=Clock())
    host.server_records = lambda: [{"name": "a", "state": "connected", "toolCount": 2}]
    host.output = ServerOutput(lambda: 1.0)
    for text in ("one", "two", "three"):
        host.output.add("a", text)
    sources = Sources()
    sources.note(path)
    load = lambda new: load_config(path, env, sources=new).config  # noqa: E731
    invite = lambda person: {"listening": True, "person": person}  # noqa: E731
    task = asyncio.create_task(watch_and_answer(path, host, load, sources, env, invite=invite))
    try:
        await until(lambda: sockets(path, env), "the socket")
        (socket,) = sockets(path, env).values()
        request = {"method": "restart", "server": "a"}
        assert await asyncio.to_thread(ask, socket, request, 10) == {"name": "a"}
        assert host.restarts == [("a", "asked for by command")]
        assert await asyncio.to_thread(ask, socket, {"method": "servers"}, 10) == {
            "servers": [{"name": "a", "state": "connected", "toolCount": 2}]
        }
        assert host.desk.reachable
        assert await asyncio.to_thread(ask, socket, {"method": "approvals"}, 10) == {"waiting": []}
        asked = {"method": "dashboard", "person": True}
        assert await asyncio.to_thread(ask, socket, asked, 10) == {"listening": True, "person": True}
        unknown = {"method": "approve", "id": "abc", "choice": "once"}
        with pytest.raises(ProcessRefused, match="nothing with the id"):
            await asyncio.to_thread(ask, socket, unknown, 10)
        log = {"method": "log", "server": "a"}
        answer = await asyncio.to_thread(ask, socket, {**log, "lines": 1}, 10)
        assert answer == {"lines": [{"time": "1970-01-01T00:00:01.000Z", "text": "three"}], "last": 3}
        answer = await asyncio.to_thread(ask, socket, {**log, "after": {str(os.getpid()): 1}}, 10)
        assert [line["text"] for line in answer["lines"]] == ["two", "three"]
        for wrong in (
            {},
            {"method": "halt", "server": "a"},
            {"method": "stop"},
            {"method": "restart", "server": 7},
        ):
            with pytest.raises(ProcessRefused, match="a request must be"):
                await asyncio.to_thread(ask, socket, wrong, 10)
        assert len(host.restarts) == 1
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
    assert sockets(path, env) == {}
    assert asyncio.all_tasks() == {asyncio.current_task()}
