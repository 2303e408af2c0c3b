"""callmux for Node on one side, this one on the other: bridges, shell verbs, and who has the port."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import free_port

from .harness import (
    Client,
    callmux,
    environment,
    python_server,
    run,
    stdio,
    swept,
    text_of,
    until,
    write_config,
)

OURS = [sys.executable, "-m", "callmux"]
SERVERS = ("a", "b")
SECONDS = 60.0
SIDES = [
    pytest.param("original", "ours", id="theirs-to-ours"),
    pytest.param("ours", "original", id="ours-to-theirs"),
]


@pytest.fixture
def programs(original: list[str]) -> dict[str, list[str]]:
    return {"ours": OURS, "original": original}


class Port:
    """One port, and whichever listener has it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self.number = free_port()
        self.url = f"http://127.0.0.1:{self.number}/mcp"
        self.ledger = folder / "ledger"
        self.ledger.touch()
        server = stdio(python_server("ledger_server.py", self.ledger))
        self.config = write_config(folder / "callmux.json", dict.fromkeys(SERVERS, server))
        self._process: asyncio.subprocess.Process | None = None

    async def give(self, program: list[str]) -> None:
        """A listener of this program has the port from now on."""
        await self.end()
        with (self.folder / "listener.log").open("ab") as log:
            self._process = process = await asyncio.create_subprocess_exec(
                *program,
                *("--config", str(self.config), "--listen", str(self.number)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment(self.folder, self.mark),
                cwd=self.folder,
            )
        await until("it listens", lambda: self._listens() or process.returncode is not None, SECONDS)
        assert process.returncode is None, (self.folder / "listener.log").read_text()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.number)) == 0

    async def end(self) -> None:
        """Nobody has the port any more."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(self._process.wait(), SECONDS)
            self._process = None

    def effects(self, token: str) -> int:
        return sum(row.split()[:2] == ["done", token] for row in self.ledger.read_text().splitlines())


@contextlib.asynccontextmanager
async def port(folder: Path) -> AsyncIterator[Port]:
    here = Port(folder)
    with swept(here.mark):
        try:
            yield here
        finally:
            await here.end()


async def works(client: Client, here: Port) -> None:
    """Every server is reached, alone and together, and each write happens once."""
    tokens = []
    for server in SERVERS:
        tokens.append(uuid.uuid4().hex)
        said = await client.call(f"{server}__write", {"token": tokens[-1]}, SECONDS)
        assert json.loads(text_of(said))["token"] == tokens[-1]
    calls = []
    for server in SERVERS:
        tokens.append(uuid.uuid4().hex)
        calls.append({"server": server, "tool": "write", "arguments": {"token": tokens[-1]}})
    said = await client.call("callmux_parallel", {"calls": calls}, SECONDS)
    assert not said.get("isError"), said
    assert [here.effects(token) for token in tokens] == [1] * len(tokens)


async def leaves(client: Client, bridge: str) -> None:
    """The original's bridge does not end with its input: whoever started it ends it."""
    if bridge == "ours":
        assert await client.leave() == 0


@pytest.mark.parametrize(("one", "other"), SIDES)
def test_a_bridge_of_the_one_serves_an_agent_of_the_others_listener(
    one: str, other: str, programs: dict[str, list[str]], tmp_path: Path
) -> None:
    async def story() -> None:
        async with port(tmp_path) as here:
            await here.give(programs[other])
            agent = callmux(tmp_path, "bridge", "--url", here.url, program=programs[one])
            async with agent as client:
                greeting = await client.initialize()
                assert greeting["serverInfo"]["name"].startswith("callmux")
                assert {f"{server}__write" for server in SERVERS} <= await client.names()
                await works(client, here)
                await leaves(client, one)

    run(story(), 3 * SECONDS)


@pytest.mark.parametrize(("one", "other"), SIDES)
def test_shell_verbs_of_the_one_call_tools_of_the_others_listener(
    one: str, other: str, programs: dict[str, list[str]], tmp_path: Path
) -> None:
    async def verb(here: Port, *words: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(
            subprocess.run,
            [*programs[one], *words, "--url", here.url],
            env=environment(tmp_path, here.mark),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            cwd=tmp_path,
        )

    async def story() -> None:
        async with port(tmp_path) as here:
            await here.give(programs[other])
            done = await verb(here, "call", "a__write", '{"token": "single"}')
            assert done.returncode == 0, done.stderr
            assert "single" in done.stdout
            done = await verb(here, "parallel", 'a__write {"token": "first"}', 'b__write {"token": "second"}')
            assert done.returncode == 0, done.stderr
            assert [here.effects(token) for token in ("single", "first", "second")] == [1, 1, 1]
            done = await verb(here, "tools", "list", "--json")
            assert done.returncode == 0, done.stderr
            assert "b__read" in done.stdout
            done = await verb(here, "call", "no_such_tool")
            assert done.returncode == 1, (done.stdout, done.stderr)

    run(story(), 5 * SECONDS)


@pytest.mark.parametrize("bridge", ["ours", "original"])
@pytest.mark.parametrize(("one", "other"), SIDES)
def test_the_port_is_taken_over_under_an_open_session(
    one: str, other: str, bridge: str, programs: dict[str, list[str]], tmp_path: Path
) -> None:
    """A listener of the one ends, one of the other begins: the agent behind its bridge notices nothing."""

    async def story() -> None:
        async with port(tmp_path) as here:
            await here.give(programs[one])
            agent = callmux(tmp_path, "bridge", "--url", here.url, program=programs[bridge])
            async with agent as client:
                await client.initialize()
                before = await client.names()
                await works(client, here)
                await here.give(programs[other])
                await works(client, here)
                assert await client.names() == before
                await leaves(client, bridge)

    run(story(), 5 * SECONDS)
