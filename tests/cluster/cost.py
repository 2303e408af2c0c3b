"""What nodes cost, beside a single listener, in one run: `python -m tests.cluster.cost`.

Latency and processor time of a call at a listener without `state`, at the node that owns the session, and at
one that passes the call on; how many calls a second one listener and three nodes answer, and what is busy
then; what a session takes in Redis, and what a node asks of Redis while nothing happens; that clients of
2026-07-28 leave nothing there. Whatever is compared takes turns, so that all else that the machine does
concerns all of it; one way stands there twice, to show how exact the figures are.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.live.harness import environment, stdio, write_config
from tests.redis_server import RedisServer, connected

from .front import listens
from .place import Cluster

ROUNDS, CALLS = 60, 100
CLIENTS, SECONDS, TURNS = 24, 2.0, 3
SESSIONS, IDLE_SECONDS = 1000, 10.0
SERVER = Path(__file__).parents[2] / "benchmarks" / "server.py"
HEAD = "Host: 127.0.0.1\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
GREETING = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "c", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
OLD_HEAD = "MCP-Protocol-Version: 2025-06-18\r\n"
MODERN_HEAD = "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: get_item\r\n"


class Wire:
    """One connection to a listener."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def open(self) -> Wire:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def ask(self, method: str, params: Any, session: str = "", more: str = OLD_HEAD) -> str:
        """Asks; gives the session."""
        body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).encode()
        named = f"Mcp-Session-Id: {session}\r\n" if session else ""
        head = f"POST /mcp HTTP/1.1\r\n{HEAD}{more}{named}Content-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        async with asyncio.timeout(60):
            told = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = told.partition("content-length: ")[2].partition("\r\n")[0]
            answer = await self._reader.readexactly(int(length))
        assert b'"result"' in answer, answer[:300]
        return told.partition("mcp-session-id: ")[2].partition("\r\n")[0]

    def close(self) -> None:
        self._writer.close()


@dataclass(slots=True)
class Way:
    """One way to a tool: each call takes the next of its connections."""

    name: str
    wires: list[Wire]
    session: str
    processes: list[psutil.Process]
    head: str = OLD_HEAD
    medians: list[float] = field(default_factory=list)
    spent: list[float] = field(default_factory=list)

    async def call(self, n: int) -> None:
        params = {"name": "get_item", "arguments": {"id": n}}
        more = {"_meta": MODERN} if self.head is MODERN_HEAD else {}
        await self.wires[n % len(self.wires)].ask("tools/call", {**params, **more}, self.session, self.head)

    async def turn(self) -> None:
        """Some calls, one after the other."""
        before, seconds = used(self.processes), []
        for n in range(CALLS):
            began = time.perf_counter()
            await self.call(n)
            seconds.append(time.perf_counter() - began)
        self.medians.append(statistics.median(seconds))
        self.spent.append((used(self.processes) - before) / CALLS)


def used(processes: Sequence[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


async def greeted(wire: Wire) -> str:
    return await wire.ask("initialize", GREETING)


async def way(name: str, ports: Sequence[int], owner: int, processes: list[psutil.Process]) -> Way:
    """A way over some listeners; the session begins at the port `owner`."""
    first = await Wire(owner).open()
    session = await greeted(first)
    first.close()
    return Way(name, [await Wire(port).open() for port in ports], session, processes)


async def latency(alone: tuple[int, psutil.Process], here: Cluster) -> None:
    """Prints what a call takes, one after the other."""
    ports = [node.port for node in here.nodes]
    owner, other = (psutil.Process(process(here, n)) for n in (0, 1))
    ways = [
        await way("a listener alone", [alone[0]], alone[0], [alone[1]]),
        await way("the same once more", [alone[0]], alone[0], [alone[1]]),
        await way("the owner", ports[:1], ports[0], [owner]),
        await way("another node", ports[1:2], ports[0], [owner, other]),
        Way("2026-07-28, alone", [await Wire(alone[0]).open()], "", [alone[1]], MODERN_HEAD),
        Way("2026-07-28, any node", [await Wire(ports[1]).open()], "", [other], MODERN_HEAD),
    ]
    chance, order = random.Random(7), list(ways)
    for _ in range(ROUNDS):
        # What comes after a way that is busy for longer finds other caches: by chance, that is nobody's.
        chance.shuffle(order)
        for one in order:
            await one.turn()
    for one in ways:
        base = ways[4 if one.head is MODERN_HEAD else 0]
        ratios = sorted(mine / its for mine, its in zip(one.medians, base.medians, strict=True))
        low, middle, high = (ratios[len(ratios) * part // 4] for part in (1, 2, 3))
        p50, spent = statistics.median(one.medians), statistics.mean(one.spent)
        print(
            f"{one.name:21} p50 {p50 * 1e6:5.0f} us, {middle:.2f}x (quartiles {low:.2f} to {high:.2f})"
            f"  processor {spent * 1e6:4.0f} us"
        )
        for wire in one.wires:
            wire.close()


async def throughput(alone: tuple[int, psutil.Process], here: Cluster) -> None:
    """Prints how many calls a second are answered, and what is busy then."""
    ports = [node.port for node in here.nodes]
    nodes = [psutil.Process(process(here, n)) for n in range(len(here.nodes))]
    ways: dict[str, tuple[list[psutil.Process], Callable[[int], tuple[list[int], int]]]] = {
        "a listener alone": ([alone[1]], lambda n: ([alone[0]], alone[0])),
        "one node of three": (nodes[:1], lambda n: (ports[:1], ports[0])),
        "three nodes, each owner": (nodes, lambda n: ([ports[n % 3]], ports[n % 3])),
        "three nodes, in turns": (nodes, lambda n: (ports[n % 3 :] + ports[: n % 3], ports[n % 3])),
    }
    figures: dict[str, list[list[float]]] = {name: [] for name in ways}
    for _ in range(TURNS):
        for name, (listeners, choose) in ways.items():
            clients = [await way(name, *choose(n), []) for n in range(CLIENTS)]
            own, servers = psutil.Process(), [c for node in listeners for c in node.children(recursive=True)]
            before = [used(some) for some in (listeners, servers, [own])]
            began = time.perf_counter()
            ends, counts = began + SECONDS, [0] * CLIENTS

            async def work(n: int, client: Way, ends: float, counts: list[int]) -> None:
                while time.perf_counter() < ends:
                    await client.call(counts[n])
                    counts[n] += 1

            await asyncio.gather(*(work(n, client, ends, counts) for n, client in enumerate(clients)))
            seconds, total = time.perf_counter() - began, sum(counts)
            after = [used(some) for some in (listeners, servers, [own])]
            spent = [(b - a) / seconds for a, b in zip(before, after, strict=True)]
            figures[name].append([total / seconds, *spent])
            for client in clients:
                for wire in client.wires:
                    wire.close()
    base = statistics.median(row[0] for row in figures["a listener alone"])
    for name, rows in figures.items():
        rate, busy, server, driver = (statistics.median(column) for column in zip(*rows, strict=True))
        print(
            f"{name:24} {rate:6.0f} calls a second ({rate / base:.2f}x); of {os.cpu_count()} processors:"
            f" listeners {busy:.2f}, their servers {server:.2f}, this driver {driver:.2f}"
        )


async def in_redis(here: Cluster) -> None:
    """Prints what stands in Redis and what it is asked."""
    ports = [node.port for node in here.nodes]
    async with connected(here.redis.url, "callmux:") as redis:

        async def figure(section: str, key: str) -> int:
            return int((await redis.run("INFO", section))[key])

        before = await figure("stats", "total_commands_processed")
        await asyncio.sleep(IDLE_SECONDS)
        asked = (await figure("stats", "total_commands_processed") - before) / IDLE_SECONDS
        print(
            f"a node that does nothing: {asked / len(ports):.1f} commands a second (scripts and what they do)"
        )
        wire = await Wire(ports[1]).open()
        keys = await redis.run("DBSIZE")
        for n in range(SESSIONS):
            meta = {"name": "get_item", "arguments": {"id": n}, "_meta": MODERN}
            await wire.ask("tools/call", meta, "", MODERN_HEAD)
        print(f"{SESSIONS} calls of 2026-07-28: {await redis.run('DBSIZE') - keys} keys in Redis")
        size, keys = await figure("memory", "used_memory"), await redis.run("DBSIZE")
        for _ in range(SESSIONS):
            await greeted(wire)
        grown, more = await figure("memory", "used_memory") - size, await redis.run("DBSIZE") - keys
        print(f"a session in Redis: {grown / SESSIONS:.0f} bytes, {more / SESSIONS:.1f} keys")
        wire.close()


def process(here: Cluster, n: int) -> int:
    started = here.nodes[n].process
    assert started is not None
    return started.pid


async def measured(folder: Path) -> None:
    """Starts all of it, and prints."""
    redis = RedisServer()
    here = Cluster(folder, 3, redis)
    servers = {"s": stdio([sys.executable, str(SERVER), "--tools", "10", "--reads"], cwdMode="global")}
    given = json.loads(here.config.read_text())
    write_config(here.config, servers, **{key: given[key] for key in given if key != "servers"})
    alone = folder / "alone.json"
    write_config(alone, servers, maxConcurrency=given["maxConcurrency"], listenerMaxSessions=5000)
    port = here.nodes[0].port + 7
    command = [sys.executable, "-m", "callmux", "--config", str(alone), "--listen", str(port)]
    (folder / "alone").mkdir()
    env, quiet = environment(folder / "alone", here.mark), asyncio.subprocess.DEVNULL
    single = await asyncio.create_subprocess_exec(*command, env=env, stderr=quiet)
    try:
        await asyncio.gather(*(node.start(here.config, ready=True) for node in here.nodes))
        async with asyncio.timeout(30):
            while not listens(port):
                await asyncio.sleep(0.05)
        await asyncio.sleep(2)
        print(f"load of the machine before: {os.getloadavg()[0]:.1f}")
        await latency((port, psutil.Process(single.pid)), here)
        await throughput((port, psutil.Process(single.pid)), here)
        await in_redis(here)
        print(f"load of the machine after: {os.getloadavg()[0]:.1f}")
    finally:
        single.terminate()
        await asyncio.wait_for(single.wait(), 20)
        await here.end()
        redis.close()


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="callmux-cost-") as folder:
        await measured(Path(folder))


if __name__ == "__main__":
    asyncio.run(main())
