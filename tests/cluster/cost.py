"""What nodes cost, beside a single listener, in one run: `python -m tests.cluster.cost`.

Prints medians of latency and processor time a call, for a listener without `state`, for the node that owns
the session, and for a node that passes the call on; and what a session takes in Redis. The three take turns,
so that whatever else the machine does concerns all of them.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from tests.live.harness import environment, write_config
from tests.redis_server import connected

from .front import listens
from .place import Cluster, cluster

ROUNDS, CALLS, SESSIONS = 20, 100, 1000
HEADERS = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}


class Way:
    """One way to a tool.

    Attributes:
        seconds: Of each call.
        spent: Processor time of the listeners, for each call.
    """

    def __init__(self, name: str, url: str, session: str, processes: list[psutil.Process]) -> None:
        self.name = name
        self.url = url
        self.session = session
        self._processes = processes
        self.seconds: list[float] = []
        self.spent: list[float] = []

    async def turn(self, http: aiohttp.ClientSession) -> None:
        """Some calls, one after the other."""
        before = self._used()
        for n in range(CALLS):
            began = time.perf_counter()
            await posted(http, self.url, self.session, 10 + n, "tools/call", call(n))
            self.seconds.append(time.perf_counter() - began)
        self.spent.append((self._used() - before) / CALLS)

    def _used(self) -> float:
        return sum(sum(process.cpu_times()[:2]) for process in self._processes)


def call(n: int) -> dict[str, Any]:
    return {"name": "read", "arguments": {"token": f"t{n}", "ms": 0}}


async def posted(
    http: aiohttp.ClientSession, url: str, session: str, id: int, method: str, params: dict[str, Any]
) -> str:
    """Asks; gives the session."""
    headers = {**HEADERS, **({"mcp-session-id": session} if session else {})}
    body = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
    async with http.post(url, json=body, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        await answer.read()
        return str(answer.headers.get("mcp-session-id", ""))


async def greeted(http: aiohttp.ClientSession, url: str) -> str:
    params = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "c", "version": "1"},
    }
    return await posted(http, url, "", 1, "initialize", params)


async def measured(here: Cluster, folder: Path) -> None:
    """Prints it."""
    alone = folder / "alone.json"
    given = json.loads(here.config.read_text())
    write_config(alone, given["servers"], maxConcurrency=400)
    port = here.nodes[0].port + 7
    command = [sys.executable, "-m", "callmux", "--config", str(alone), "--listen", str(port)]
    (folder / "alone").mkdir()
    env, quiet = environment(folder / "alone", here.mark), asyncio.subprocess.DEVNULL
    single = await asyncio.create_subprocess_exec(*command, env=env, stderr=quiet)
    try:
        while not listens(port):
            await asyncio.sleep(0.05)
        async with aiohttp.ClientSession() as http:
            urls = [f"http://127.0.0.1:{p}/mcp" for p in (port, *(node.port for node in here.nodes))]
            await asyncio.sleep(1)
            session = await greeted(http, urls[1])
            own = [psutil.Process(node.process.pid) for node in here.nodes if node.process is not None]
            ways = [
                Way("a listener alone", urls[0], await greeted(http, urls[0]), [psutil.Process(single.pid)]),
                Way("the owner", urls[1], session, own),
                Way("another node", urls[2], session, own),
            ]
            for _ in range(ROUNDS):
                for way in ways:
                    await way.turn(http)
            base = statistics.median(ways[0].seconds)
            for way in ways:
                p50, spent = statistics.median(way.seconds), statistics.mean(way.spent)
                print(f"{way.name:20} p50 {p50 * 1e6:7.0f} us ({p50 / base:.2f}x)  cpu {spent * 1e6:6.0f} us")
            async with connected(here.redis.url, "callmux:") as redis:
                before = await used(redis)
                for _ in range(SESSIONS):
                    await greeted(http, urls[1])
                print(f"a session in Redis: {(await used(redis) - before) / SESSIONS:.0f} bytes")
    finally:
        single.terminate()
        await asyncio.wait_for(single.wait(), 20)


async def used(redis: Any) -> int:
    found = await redis.run("INFO", "memory")
    return int(found["used_memory"])


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="callmux-cost-") as folder:
        async with cluster(Path(folder), 2, None) as here:
            try:
                await measured(here, Path(folder))
            finally:
                await here.end()


if __name__ == "__main__":
    asyncio.run(main())
