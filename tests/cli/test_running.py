"""`callmux.cli.running`: what the processes that run with a configuration say."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from callmux.cli.running import asked, running_servers
from callmux.errors import InvalidArguments
from callmux.process.control import served
from tests.support import run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Unix sockets")


def _during(path: Path, env: dict[str, str], answer: Any, question: Any) -> Any:
    async def scene() -> Any:
        async with served(path, env, answer):
            return await asyncio.to_thread(question)

    return run(scene())


def test_each_process_tells_the_state_of_its_servers(tmp_path: Path) -> None:
    path, env = tmp_path / "c.json", {"XDG_STATE_HOME": str(tmp_path / "s")}

    async def answer(request: Mapping[str, Any]) -> dict[str, Any]:
        assert request == {"method": "servers"}
        return {"servers": [{"name": "a", "state": "connected", "toolCount": 3}]}

    expected = {"a": [{"pid": os.getpid(), "name": "a", "state": "connected", "toolCount": 3}]}
    assert _during(path, env, answer, lambda: running_servers(path, env)) == expected


def test_a_process_that_does_not_know_the_question_is_left_out(tmp_path: Path) -> None:
    path, env = tmp_path / "c.json", {"XDG_STATE_HOME": str(tmp_path / "s")}

    async def answer(request: Mapping[str, Any]) -> dict[str, Any]:
        raise InvalidArguments("a request must be a restart")

    assert _during(path, env, answer, lambda: asked(path, env, {"method": "servers"}, 5)) == {}


def test_where_nothing_runs_nobody_is_asked(tmp_path: Path) -> None:
    assert running_servers(tmp_path / "c.json", {"XDG_STATE_HOME": str(tmp_path / "s")}) == {}
