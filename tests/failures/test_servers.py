"""A server that does not work is no dead end: status says the next step, and that step mends it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil
import pytest

from callmux.failures.servers import FAILURES
from tests.live.harness import run, until
from tests.live.test_stdio_session import Scripted, tool
from tests.support import SECONDS

from .scene import STORIES, Scene, program, status_of, story

LATE = {"late": {"command": "./late", "args": []}}


def test_every_state_is_provoked() -> None:
    assert not {f.id for f in FAILURES} - STORIES.keys()


@pytest.mark.parametrize("id", [f.id for f in FAILURES])
def test_its_next_step_leads_to_a_server_that_works(id: str, tmp_path: Path) -> None:
    run(Scene(tmp_path, dict(STORIES[id].more)).play(STORIES[id]))


async def stands(s: Scene, server: str, state: str) -> str:
    """Waits until status says that a server is in this state; the next step it gives there."""
    async with asyncio.timeout(SECONDS):
        while (facts := status_of(await s.works("callmux_status"), server)).get("state") != state:
            await asyncio.sleep(0.01)
    return str(facts["nextStep"])


async def mended(s: Scene, step: str) -> None:
    """The step names a command: it fails as long as the program is not there, and works from then on."""
    words = step.rsplit(": callmux ", 1)[1].split()
    assert (await s.shell(*words)).returncode != 0
    program(s.folder, Scripted(s.folder, "third").has(tool("x")))
    tried = await s.shell(*words)
    assert tried.returncode == 0, tried.stdout + tried.stderr
    await s.in_the_end("callmux_call", {"server": "late", "tool": "x"})


@story("server_reconnecting", followed=True, servers=LATE)
async def reconnecting(s: Scene) -> None:
    await mended(s, await stands(s, "late", "reconnecting"))


@story("server_failed", followed=True, servers=LATE, reconnectPolicy={"initialDelayMs": 10, "maxAttempts": 1})
async def failed(s: Scene) -> None:
    await mended(s, await stands(s, "late", "failed"))


@story("server_disconnected", followed=True, reconnectPolicy={"initialDelayMs": 60000, "maxDelayMs": 60000})
async def disconnected(s: Scene) -> None:
    """Status shows this state for a moment only: the call that its step advises connects the server."""
    for pid in s.one.pids():
        psutil.Process(pid).kill()
    await until("it is noticed", lambda: "disconnected" in s.client.said)
    await s.works("callmux_call", {"server": "one", "tool": "a"})


SLOW = {"command": "/bin/sh", "args": ["-c", "while [ ! -e go ]; do sleep 0.05; done; exec ./late"]}


@story("server_starting", followed=True, servers={"slow": SLOW})
async def starting(s: Scene) -> None:
    """A server that is slow to say its first word: a call waits for it, as the step says. Only `/ready` shows
    this state: `callmux_status` waits, too."""
    program(s.folder, Scripted(s.folder, "third").has(tool("x")))
    asked = {"name": "callmux_call", "arguments": {"server": "slow", "tool": "x"}}
    waiting = s.client.send("tools/call", asked)
    (s.folder / "go").touch()
    assert not (await waiting)["result"].get("isError")
