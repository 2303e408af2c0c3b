"""Servers that run only while somebody needs them: real processes that come and go."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import psutil

from tests.support import real_loop

from .harness import Client, Json, callmux, marked, stdio, text_of, until, write_config

SERVER = """
import json, os, sys
name = sys.argv[1]
for line in sys.stdin:
    message = json.loads(line)
    result = {}
    if message.get("method") == "initialize":
        about = {"name": name, "version": "1"}
        result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": about}
    elif message.get("method") == "tools/list":
        result = {"tools": [{"name": name + "_tool", "inputSchema": {"type": "object"}}]}
    elif message.get("method") == "tools/call":
        result = {"content": [{"type": "text", "text": str(os.getpid())}]}
    if "id" in message:
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""


def configured(tmp_path: Path, count: int, **more: object) -> Path:
    (tmp_path / "server.py").write_text(SERVER)
    names = [f"s{n}" for n in range(count)]
    command = [sys.executable, "-I", str(tmp_path / "server.py")]
    return write_config(tmp_path / "c.json", {n: stdio([*command, n]) for n in names}, start="lazy", **more)


def servers_of(client: Client) -> list[int]:
    """The processes of servers that run."""
    return [p.pid for p in marked(client.mark) if any(word.endswith("server.py") for word in _words(p))]


def _words(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.NoSuchProcess:
        # It has ended meanwhile.
        return []


async def begun(client: Client) -> Json:
    await client.initialize()
    listed: Json = await client.request("tools/list")
    return listed


@real_loop()
async def test_a_lazy_server_costs_no_process_until_it_is_called(tmp_path: Path) -> None:
    """The first session learns what each lists; the second begins with none running, and the same bytes."""
    config = configured(tmp_path, 6)
    async with callmux(tmp_path, "--config", config) as client:
        before = await begun(client)
        await until("all sleep", lambda: not servers_of(client))
        assert await client.leave() == 0
    async with callmux(tmp_path, "--config", config) as client:
        assert json.dumps(await begun(client)) == json.dumps(before)
        assert servers_of(client) == []
        answers = await asyncio.gather(*(client.call("s3__s3_tool") for _ in range(5)))
        assert [int(pid) for pid in {text_of(answer) for answer in answers}] == servers_of(client)
        assert json.dumps(await client.request("tools/list")) == json.dumps(before)
        assert client.changes() == 0
        status = await client.call("callmux_status", {})
        states = {s["name"]: s["state"] for s in status["structuredContent"]["servers"]}
        assert states == {f"s{n}": "connected" if n == 3 else "sleeping" for n in range(6)}
        assert status["structuredContent"]["status"] == "ok"


@real_loop()
async def test_a_server_that_is_idle_is_stopped_and_the_next_call_starts_it(tmp_path: Path) -> None:
    config = configured(tmp_path, 2, idleStopSeconds=1)
    async with callmux(tmp_path, "--config", config) as client:
        await begun(client)
        first = text_of(await client.call("s0__s0_tool"))
        await until("it is stopped", lambda: not servers_of(client))
        assert text_of(await client.call("s0__s0_tool")) != first
        assert client.changes() == 0
        assert await client.leave() == 0
    assert marked(client.mark) == []


@real_loop()
async def test_there_are_never_more_processes_than_there_may_be(tmp_path: Path) -> None:
    """One that is idle makes room; no call fails."""
    config = configured(tmp_path, 4, maxProcesses=2, idleStopSeconds=600)
    async with callmux(tmp_path, "--config", config) as client:
        await begun(client)
        for n in (0, 1, 2, 3, 0):
            assert text_of(await client.call(f"s{n}__s{n}_tool")).isdigit()
            assert len(servers_of(client)) <= 2
