"""The bytes of the listing over restarts, crashes, wakes and reloads that change nothing: one hash.

    python benchmarks/steady.py [--events 1000] [--seed 1] [--json FILE]

Three servers finish starting in random order, each after up to `MOST_SECONDS`; a fourth one always fails.
What happens next is drawn: callmux is ended and started, killed and started, started with nothing kept, a
server is killed, stopped until its next call, restarted, or the configuration is written anew, with other
white space. After each, the listing is asked for once, and its bytes are counted.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psutil
from stdio_client import StdioClient

MOST_SECONDS = 0.4
LIST_ID = 7
NAMES = ("alpha", "beta", "gamma")
SERVER = """
import json, os, random, sys, time
name = sys.argv[1]
time.sleep(random.random() * float(sys.argv[2]))
for line in sys.stdin:
    message = json.loads(line)
    result = {}
    if message.get("method") == "initialize":
        about = {"name": name, "version": "1"}
        result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": about}
    elif message.get("method") == "tools/list":
        more = {"inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}
        result = {"tools": [{"name": f"{name}_{n}", **more} for n in range(5)]}
    elif message.get("method") == "tools/call":
        result = {"content": [{"type": "text", "text": str(os.getpid())}]}
    if "id" in message:
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""


def words(process: psutil.Process) -> list[str]:
    """The command of a process; nothing where it has ended."""
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


class Place:
    """callmux, its servers, and what happens to them.

    Args:
        folder: Where everything is.
        chance: Draws.

    Attributes:
        hashes: How often each hash of the listing was seen.
        told: How often a client was told that lists have changed.
        failed: Calls that failed.
    """

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder, self.chance = folder, chance
        self.hashes: Counter[str] = Counter()
        self.told, self.failed, self.spaces = 0, 0, 0
        (folder / "server.py").write_text(SERVER, "utf-8")
        self.config = folder / "callmux.json"
        home = folder / "home"
        home.mkdir()
        self.env = {"PATH": os.environ["PATH"], "HOME": str(home), "XDG_STATE_HOME": str(folder / "state")}
        self.env |= {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), "XDG_RUNTIME_DIR": str(folder)}
        self.write()
        self.client: StdioClient | None = None
        self.stack = AsyncExitStack()

    def write(self) -> None:
        """The configuration, as it is, with other white space."""
        self.spaces += 1
        run = [sys.executable, "-I", str(self.folder / "server.py")]
        servers: dict[str, Any] = {
            name: {"command": run[0], "args": [*run[1:], name, str(MOST_SECONDS)]} for name in NAMES
        }
        servers["fails"] = {"command": sys.executable, "args": ["-c", "raise SystemExit('no')"]}
        beside = self.config.with_suffix(".new")
        # alpha is started with callmux, the others by their first call.
        for name in NAMES[1:]:
            servers[name]["start"] = "lazy"
        beside.write_text(json.dumps({"servers": servers}) + "\n" * self.spaces, "utf-8")
        beside.replace(self.config)

    async def start(self) -> None:
        command = [sys.executable, "-m", "callmux", "--config", str(self.config)]
        self.client = await self.stack.enter_async_context(
            StdioClient(command, self.env, self.folder / "log")
        )
        await self.client.greet()

    async def end(self) -> None:
        if self.client is not None:
            self.told += self.client.changes
        await self.stack.aclose()
        self.client = None

    async def restarted(self) -> None:
        await self.end()
        await self.start()

    async def killed(self) -> None:
        assert self.client is not None
        os.kill(self.client.process.pid, signal.SIGKILL)
        await self.restarted()

    async def begun_anew(self) -> None:
        """Nothing is kept of any earlier session."""
        await self.end()
        shutil.rmtree(self.folder / "state", ignore_errors=True)
        await self.start()

    async def server_killed(self) -> None:
        assert self.client is not None
        await self.called()
        mine = psutil.Process(self.client.process.pid).children(recursive=True)
        servers = [one for one in mine if str(self.folder / "server.py") in words(one)]
        if servers:
            self.chance.choice(servers).kill()

    async def ordered(self, order: str, name: str) -> None:
        """`callmux server ORDER NAME`."""
        command = [sys.executable, "-m", "callmux", "server", order, name, "--config", str(self.config)]
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(*command, env=self.env, stdout=quiet, stderr=quiet)
        async with asyncio.timeout(60):
            await process.wait()

    async def stopped_and_woken(self) -> None:
        name = self.chance.choice(NAMES)
        await self.ordered("stop", name)
        await self.listed()
        await self.called(name)

    async def server_restarted(self) -> None:
        await self.ordered("restart", self.chance.choice(NAMES))

    async def reloaded(self) -> None:
        self.write()
        await asyncio.sleep(0.3)

    async def called(self, name: str | None = None) -> None:
        assert self.client is not None
        name = name or self.chance.choice(NAMES)
        try:
            await self.client.call(f"{name}__{name}_{self.chance.randrange(5)}")
        except RuntimeError as error:
            self.failed += 1
            print(f"a call failed: {error}", file=sys.stderr)

    async def listed(self) -> None:
        assert self.client is not None
        await self.client.request("tools/list", {}, LIST_ID)
        self.hashes[hashlib.sha256(self.client.raw).hexdigest()[:16]] += 1


async def run(events: int, seed: int) -> dict[str, Any]:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), chance)
        await place.start()
        await place.listed()
        kinds = [
            place.restarted,
            place.killed,
            place.begun_anew,
            place.server_killed,
            place.stopped_and_woken,
            place.server_restarted,
            place.reloaded,
            place.called,
        ]
        happened: Counter[str] = Counter()
        began = time.perf_counter()
        try:
            for n in range(events):
                if n and not n % 100:
                    print(f"{n} events, {len(place.hashes)} hash", file=sys.stderr)
                kind = chance.choice(kinds)
                happened[kind.__name__] += 1
                await kind()
                await place.listed()
        finally:
            await place.end()
        seconds = round(time.perf_counter() - began)
        facts = {"events": events, "seed": seed, "seconds": seconds, "listings": place.hashes.total()}
        return {**facts, "hashes": dict(place.hashes), "told": place.told, "failed": place.failed, **happened}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--events", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = asyncio.run(run(options.events, options.seed))
    print("\n".join(f"{name:20}{value}" for name, value in found.items()))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2), "utf-8")
    sys.exit(len(found["hashes"]) != 1)


if __name__ == "__main__":
    main()
