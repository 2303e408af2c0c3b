"""A server that takes long to start holds up no first listing: what it listed the last time is shown."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from tests.support import real_loop

from .harness import Client, Json, callmux, stdio, text_of, until, write_config

SERVER = """
import json, pathlib, sys, time
here = pathlib.Path(sys.argv[1])
if (here / "broken").exists():
    sys.exit("cannot start")
for line in sys.stdin:
    message = json.loads(line)
    result = {}
    if message.get("method") == "initialize":
        while not (here / "gate").exists():
            time.sleep(0.01)
            if (here / "broken").exists():
                sys.exit("cannot start")
        about = {"name": "slow", "version": "1"}
        result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": about}
        result["instructions"] = "Slow but sure."
    elif message.get("method") == "tools/list":
        result = {"tools": json.loads((here / "tools").read_text())}
    elif message.get("method") == "tools/call":
        result = {"content": [{"type": "text", "text": "called " + message["params"]["name"]}]}
    if "id" in message:
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""


class Slow:
    """A server that answers `initialize` once its gate is open."""

    def __init__(self, tmp_path: Path) -> None:
        self._folder = tmp_path
        (tmp_path / "slow.py").write_text(SERVER)
        self.entry = stdio([sys.executable, "-I", str(tmp_path / "slow.py"), str(tmp_path)])
        self.has("one", "two").opens()

    def has(self, *names: str) -> Slow:
        tools = [{"name": name, "inputSchema": {"type": "object"}} for name in names]
        (self._folder / "tools").write_text(json.dumps(tools))
        return self

    def opens(self) -> Slow:
        (self._folder / "gate").touch()
        return self

    def shuts(self) -> Slow:
        (self._folder / "gate").unlink()
        return self

    def breaks(self) -> Slow:
        (self._folder / "broken").touch()
        return self

    @property
    def kept(self) -> list[bytes]:
        """What is kept of its tools; the file that says how to speak to it lies beside it."""
        files = (self._folder / "state" / "callmux" / "listings").glob("*.json")
        return [text for text in map(Path.read_bytes, files) if b'"tools"' in text]


@contextlib.asynccontextmanager
async def greeted(tmp_path: Path, slow: Slow, **more: object) -> AsyncIterator[Client]:
    policy = {"initialDelayMs": 20, "maxDelayMs": 50}
    config = write_config(tmp_path / "c.json", {"slow": slow.entry}, reconnectPolicy=policy, **more)
    async with callmux(
        tmp_path, "--config", config, env={"XDG_STATE_HOME": str(tmp_path / "state")}
    ) as client:
        client.greeting = await client.initialize()  # type: ignore[attr-defined]
        yield client


async def listing(client: Client) -> Json:
    """The names a client sees, without ours."""
    found: Json = await client.request("tools/list")
    return found


async def once_before(tmp_path: Path, slow: Slow) -> Json:
    """A first process, in which the server comes up."""
    async with greeted(tmp_path, slow) as client:
        found = await listing(client)
        await until("the listing is kept", lambda: slow.kept)
        assert await client.leave() == 0
    return found


@real_loop()
async def test_the_next_process_lists_the_same_bytes_before_the_server_is_up(tmp_path: Path) -> None:
    """And a call waits for it; nobody is told of a change, for there is none."""

    slow = Slow(tmp_path)
    before = await once_before(tmp_path, slow)
    assert [tool["name"] for tool in before["tools"]][:2] == ["one", "two"]
    slow.shuts()
    async with greeted(tmp_path, slow) as client:
        assert "Slow but sure." in client.greeting["instructions"]  # type: ignore[attr-defined]
        assert json.dumps(await listing(client)) == json.dumps(before)
        call = asyncio.create_task(client.call("one"))
        found = await client.call("callmux_search_tools", {"query": "two"})
        assert found["structuredContent"]["results"][0]["name"] == "two"
        assert not call.done()
        slow.opens()
        assert text_of(await call) == "called one"
        assert json.dumps(await listing(client)) == json.dumps(before)
        assert client.changes() == 0


@real_loop()
async def test_clients_are_told_where_the_server_lists_something_else(tmp_path: Path) -> None:
    slow = Slow(tmp_path)
    await once_before(tmp_path, slow)
    slow.has("one", "three").shuts()
    async with greeted(tmp_path, slow) as client:
        assert await client.names() == {"one", "two"}
        slow.opens()
        await until("the client is told", client.changes)
        assert await client.names() == {"one", "three"}
        await until("the new listing is kept", lambda: b"three" in slow.kept[0])


@real_loop()
async def test_the_tools_go_where_the_server_cannot_be_started(tmp_path: Path) -> None:
    slow = Slow(tmp_path)
    await once_before(tmp_path, slow)
    slow.shuts()
    async with greeted(tmp_path, slow) as client:
        assert await client.names() == {"one", "two"}
        slow.breaks()
        await until("the client is told", client.changes)
        assert await client.names() == set()
    assert slow.kept, "what it listed when it was up is still worth something"


@real_loop()
async def test_nothing_is_kept_or_shown_where_the_configuration_forbids_it(tmp_path: Path) -> None:
    slow = Slow(tmp_path)
    await once_before(tmp_path, slow)
    slow.shuts()
    async with greeted(tmp_path, slow, keepListings=False) as client:
        asked = asyncio.create_task(client.names())
        await client.request("ping")
        assert not asked.done()
        slow.has("four").opens()
        assert await asked == {"four"}
    assert slow.kept
    assert b"four" not in slow.kept[0]
