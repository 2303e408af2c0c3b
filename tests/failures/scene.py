"""A callmux in which things fail, and a record of which failure was provoked and how it was mended.

A story provokes one row of `callmux.failures.registry`, takes the step that the row names, and shows that the
call then succeeds. `story` says which row, and whether the step was taken by its own command line or tool
call, as an agent or a person would.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple

from callmux.failures.registry import ALL, filled
from tests.live.harness import Client, Json, callmux, error_of, write_config
from tests.live.test_stdio_session import Scripted, tool
from tests.support import SECONDS

Play = Callable[["Scene"], Coroutine[Any, Any, None]]


class Story(NamedTuple):
    """How one failure comes about and ends.

    Attributes:
        play: Provokes it, takes the next step, and shows that the same thing then works.
        followed: The step is the row's own command or call, run as it stands.
        more: Further keys of the configuration, and servers beside `one` and `two`.
    """

    play: Play
    followed: bool
    more: Json


STORIES: dict[str, Story] = {}
"""By the id of the failure."""


def story(id: str, *, followed: bool = False, **more: Any) -> Callable[[Play], Play]:
    """Registers how a failure is provoked."""

    def register(play: Play) -> Play:
        assert id in ALL, f"{id} is no failure"
        STORIES[id] = Story(play, followed, more)
        return play

    return register


class Scene:
    """Two servers and a client.

    Attributes:
        one: A server with the tools `a`, `same` and `large`.
        two: A server with the tools `d` and `same`.
        client: The client of a callmux in front of both.
    """

    def __init__(self, folder: Path, more: Json) -> None:
        self.folder = folder
        self.one = Scripted(folder, "one").has(tool("a"), tool("same"), tool("large"))
        self.two = Scripted(folder, "two").has(tool("d"), tool("same"))
        self.settings = {"reconnectPolicy": {"initialDelayMs": 20, "maxDelayMs": 100}, **more}
        self.servers: Json = {
            "one": self.one.entry,
            "two": self.two.entry,
            **self.settings.pop("servers", {}),
        }
        self.config = folder / "callmux.json"
        self.client: Client

    def write(self) -> None:
        """Writes the configuration as it stands here."""
        write_config(self.config, self.servers, **self.settings)

    async def play(self, what: Story) -> None:
        self.write()
        env = environment_of(self.folder)
        async with callmux(self.folder, "--config", self.config, env=env) as self.client:
            await self.client.initialize()
            if "slow" not in self.servers:
                await self.client.tools()
            await what.play(self)

    async def fails(self, tool: str, arguments: Json | None = None, **more: Any) -> Json:
        """The error of a call that must fail."""
        result = await self.client.call(tool, arguments or {}, **more)
        assert result.get("isError"), result
        return error_of(result)

    async def works(self, tool: str, arguments: Json | None = None, **more: Any) -> Json:
        """The structured content, or else the text, of a call that must not fail."""
        result = await self.client.call(tool, arguments or {}, **more)
        assert not result.get("isError"), result
        return dict(result.get("structuredContent") or {"text": result["content"][0]["text"]})

    async def in_the_end(self, tool: str, arguments: Json | None = None) -> None:
        """A call works once what was changed has taken effect."""
        async with asyncio.timeout(SECONDS):
            while (await self.client.call(tool, arguments or {})).get("isError"):
                await asyncio.sleep(0.02)

    async def follow(self, error: Json) -> subprocess.CompletedProcess[str]:
        """Runs the command line of an error's row, filled with the error's details."""
        command = filled(ALL[error["code"]].command, error.get("details", {}))
        return await self.shell(*command.removeprefix("callmux ").split())

    async def shell(self, *words: str, config: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Runs a command of callmux on this scene's configuration, or another one."""
        return await asyncio.to_thread(shell, self.folder, *words, "--config", str(config or self.config))


def shell(
    folder: Path, *words: str, stdin: str = "", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command of callmux for a user whose home is `folder`."""
    return subprocess.run(
        [sys.executable, "-m", "callmux", *words],
        env=environment_of(folder) | (env or {}),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=folder,
    )


def environment_of(folder: Path) -> dict[str, str]:
    """The environment of a user whose home is `folder`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CALLMUX_")}
    return kept | {
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder / "xdg"),
        "XDG_STATE_HOME": str(folder / "state"),
    }


def status_of(payload: Json, server: str) -> Json:
    """What status says of one server; nothing where it does not know it yet."""
    known = [*payload["servers"], *payload["failedServers"]]
    return next((dict(facts) for facts in known if facts["name"] == server), {})


def program(folder: Path, scripted: Scripted) -> Path:
    """Makes the program that a server's entry names and that was not there."""
    path = folder / "late"
    words = [scripted.entry["command"], *scripted.entry["args"]]
    path.write_text(f"#!/bin/sh\nexec {shlex.join(words)}\n")
    path.chmod(0o755)
    return path
