"""Servers and a client that greets before callmux is read in: started once, and nothing is left of them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest

from callmux.cli import single_client
from callmux.config.model import Config
from callmux.config.sources import Sources
from callmux.process import config_watch
from callmux.transport.stdio import StdioTransport
from callmux.upstream.links.head_start import HeadStarts
from tests.live.harness import environment, marked, swept
from tests.support import SECONDS, eventually, real_loop

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")

SERVER = """
import json, os, signal, sys
open("started", "a").write("x")
{first}
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    results = {{
        "initialize": {{"protocolVersion": "2025-06-18", "capabilities": {{"tools": {{}}}},
                        "serverInfo": {{"name": "s", "version": "1"}}}},
        "tools/list": {{"tools": [{{"name": "look", "inputSchema": {{"type": "object"}}}}]}},
    }}
    answer = {{"jsonrpc": "2.0", "id": message["id"]}}
    if message["method"] in results:
        answer["result"] = results[message["method"]]
    else:
        answer["error"] = {{"code": -32601, "message": "no"}}
    print(json.dumps(answer), flush=True)
"""
PARAMS = '{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}'
HELLO = f'{{"jsonrpc":"2.0","id":1,"method":"initialize","params":{PARAMS}}}\n'
LIST = (
    '{"jsonrpc":"2.0","method":"notifications/initialized"}\n{"jsonrpc":"2.0","id":2,"method":"tools/list"}\n'
)
DISCOVER = '{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{}}\n'
RUN = "import sys; from callmux.cli.main import main; sys.exit(main(sys.argv[1:]))"


def config(folder: Path, first: str = "", **more: object) -> Path:
    server = {"command": sys.executable, "args": ["-c", SERVER.format(first=first)]}
    path = folder / "callmux.json"
    path.write_text(json.dumps({"servers": {"a": server}, **more}))
    return path


def played(
    folder: Path, said: str, path: Path, mark: str, program: Sequence[str] = ("-c", RUN)
) -> subprocess.CompletedProcess[str]:
    """A callmux whose client has said all this before it starts, and leaves then."""
    read, write = os.pipe()
    try:
        os.write(write, said.encode())
        os.close(write)
        return subprocess.run(
            [sys.executable, *program, "--config", str(path)],
            stdin=read,
            capture_output=True,
            text=True,
            cwd=folder,
            env=environment(folder, mark),
            timeout=SECONDS,
            check=False,
        )
    finally:
        os.close(read)


@pytest.fixture
def mark() -> object:
    mark = uuid.uuid4().hex
    with swept(mark):
        yield mark


def starts(folder: Path) -> int:
    started = folder / "started"
    return len(started.read_text()) if started.exists() else 0


def test_a_client_that_greets_at_once_finds_its_servers_started_once(tmp_path: Path, mark: str) -> None:
    ended = played(tmp_path, HELLO + LIST, config(tmp_path, strictStartup=True), mark)
    answers = {message["id"]: message for message in map(json.loads, ended.stdout.splitlines())}
    assert "look" in [tool["name"] for tool in answers[2]["result"]["tools"]]
    assert starts(tmp_path) == 1
    assert (ended.returncode, marked(mark)) == (0, [])


@pytest.mark.parametrize("said", ["", DISCOVER, "nonsense\n", '{"jsonrpc":"2.0","id":1,"method":"ping"}\n'])
def test_for_whoever_does_not_greet_no_server_is_started(said: str, tmp_path: Path, mark: str) -> None:
    ended = played(tmp_path, said, config(tmp_path), mark)
    assert (ended.returncode, starts(tmp_path)) == (0, 0)


def test_a_greeting_that_is_refused_leaves_no_server_running(tmp_path: Path, mark: str) -> None:
    refused = '{"jsonrpc":"2.0","id":1,"method":"initialize","params":[]}\n'
    ended = played(tmp_path, refused, config(tmp_path), mark)
    assert '"error"' in ended.stdout
    assert (ended.returncode, marked(mark)) == (0, [])


def test_a_configuration_with_errors_starts_nothing(tmp_path: Path, mark: str) -> None:
    ended = played(tmp_path, HELLO, config(tmp_path, metaOnly="nope"), mark)
    assert "metaOnly" in ended.stderr
    assert (ended.returncode, starts(tmp_path)) == (1, 0)


def test_a_server_ends_where_the_rest_cannot_be_read_in(tmp_path: Path, mark: str) -> None:
    broken = f"import sys; sys.modules['callmux.cli.single_client'] = None; {RUN}"
    ended = played(tmp_path, HELLO, config(tmp_path), mark, ("-c", broken))
    assert "ModuleNotFoundError" in ended.stderr
    assert (ended.returncode, marked(mark)) == (1, [])


def test_a_server_ends_where_callmux_is_killed_while_it_starts(tmp_path: Path, mark: str) -> None:
    """By its server here, as soon as that runs."""
    path = config(tmp_path, "os.kill(os.getppid(), signal.SIGKILL)")
    ended = played(tmp_path, HELLO + LIST, path, mark)
    assert (ended.returncode, starts(tmp_path)) == (-9, 1)
    eventually(lambda: not marked(mark), "the end of the server")


@real_loop()
async def test_whoever_watches_the_configuration_ends_also_where_the_rest_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over: list[str] = []

    async def watch(*given: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            over.append("watch")

    async def open_nothing(self: StdioTransport, said: bytes) -> None:
        """Nobody is there."""

    async def fail(*given: object) -> None:
        await asyncio.sleep(0)
        raise OSError("gone")

    monkeypatch.setattr(config_watch, "watch_and_answer", watch)
    monkeypatch.setattr(StdioTransport, "open", open_nothing)
    monkeypatch.setattr(single_client, "stop_signals", asyncio.Event)
    monkeypatch.setattr(single_client, "first_of", fail)
    env = {"HOME": str(tmp_path)}
    ahead = HeadStarts(env, tmp_path)
    attending = single_client.attend(
        Config(), tmp_path / "c.json", lambda _: Config(), Sources(), env, lambda *_: None, ahead, b""
    )
    with pytest.raises(OSError, match="gone"):
        await attending
    assert over == ["watch"]
    await ahead.close()
