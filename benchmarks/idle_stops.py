"""Random use of servers that are stopped when idle: no call may fail because of it, no bound be passed.

    python benchmarks/idle_stops.py [--minutes 60] [--sessions 20] [--idle 5] [--pause 10] [--bare]
                                    [--per-server 4] [--all 12] [--seed 1] [--json FILE]

So many sessions at a time at one listener, which declare ten different `capabilities` in turns, use five
real servers (`real_servers.py`) by chance: they call, list, pause, leave, and others come. Servers start
lazily and are stopped after `--idle` seconds; there are bounds on the processes of each and of all. The
processes are counted from outside five times a second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from listener import Product
from real_servers import bare, fifty, missing, read_of

HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
LOOK_SECONDS = 0.2
LEFT_SECONDS = 30.0
SERVERS = 5

CAPABILITIES: list[dict[str, Any]] = [
    {},
    {"roots": {"listChanged": True}},
    {"sampling": {}},
    {"elicitation": {}},
    {"elicitation": {"form": {}}},
    {"elicitation": {"form": {}, "url": {}}},
    {"sampling": {}, "elicitation": {}},
    {"experimental": {"bench": {}}},
    {"sampling": {}, "roots": {}, "experimental": {"bench": {}}},
    {"tasks": {"list": {}}},
]


class Account:
    """What was done and seen.

    Attributes:
        calls, lists, sessions: How many there were.
        failures: What failed, in words, and how often.
        took: Milliseconds of each call.
        most: The most processes seen at a time, by server and in all.
        over: How often a bound was seen to be passed.
        starts: Processes of servers that were seen.
    """

    def __init__(self) -> None:
        self.calls, self.lists, self.sessions, self.over = 0, 0, 0, 0
        self.failures: Counter[str] = Counter()
        self.took: list[float] = []
        self.most: Counter[str] = Counter()
        self.starts: set[tuple[int, float]] = set()
        self.counts: list[int] = []


class Agent:
    """One session after another."""

    def __init__(
        self, http: aiohttp.ClientSession, url: str, account: Account, servers: dict[str, Any], n: int
    ) -> None:
        self.http, self.url, self.account, self.servers = http, url, account, servers
        self.chance = random.Random(n)
        self.capabilities = CAPABILITIES[n % len(CAPABILITIES)]
        self.headers: dict[str, str] = {}
        self.id = 0

    async def post(self, method: str, params: dict[str, Any], *, note: bool = False) -> dict[str, Any]:
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
        if not note:
            self.id += 1
            message["id"] = self.id
        async with self.http.post(self.url, data=json.dumps(message), headers=self.headers) as answer:
            if "Mcp-Session-Id" in answer.headers:
                self.headers["Mcp-Session-Id"] = answer.headers["Mcp-Session-Id"]
            text = await answer.text()
        if note:
            return {}
        lines = [line[5:] for line in text.splitlines() if line.startswith("data:")] or [text]
        for line in lines:
            found: Any = json.loads(line) if line.strip() else {}
            if found.get("id") == self.id and "method" not in found:
                return dict(found)
        return {"error": {"message": f"no answer: {text[:200]}"}}

    async def run(self, end: float, pause: float) -> None:
        while time.perf_counter() < end:
            await self.session(end, pause)

    async def session(self, end: float, pause: float) -> None:
        self.headers, self.account.sessions = dict(HEADERS), self.account.sessions + 1
        about = {"name": "soak", "version": "1"}
        given = {"protocolVersion": "2025-11-25", "capabilities": self.capabilities, "clientInfo": about}
        await self.post("initialize", given)
        await self.post("notifications/initialized", {}, note=True)
        for _ in range(self.chance.randrange(3, 40)):
            if time.perf_counter() > end:
                break
            if self.chance.random() < 0.1:
                self.account.lists += 1
                answer = await self.post("tools/list", {})
                if "result" not in answer:
                    self.account.failures[f"tools/list: {answer}"[:300]] += 1
            else:
                await self.call()
            rest = max(end - time.perf_counter(), 0)
            await asyncio.sleep(min(self.chance.expovariate(1 / pause), rest))
        async with self.http.delete(self.url, headers=self.headers):
            pass

    async def call(self) -> None:
        server = self.chance.choice([*self.servers])
        tool, arguments = read_of(server, self.servers[server])
        self.account.calls += 1
        began = time.perf_counter()
        answer = await self.post("tools/call", {"name": f"{server}__{tool}", "arguments": arguments})
        self.account.took.append((time.perf_counter() - began) * 1000)
        if "result" not in answer or answer["result"].get("isError"):
            self.account.failures[f"{server}: {json.dumps(answer)}"[:600]] += 1


def running(top: psutil.Process, servers: dict[str, Any]) -> list[tuple[str, psutil.Process]]:
    """The processes of servers, each with the server's name."""
    found = []
    for one in top.children(recursive=True):
        with suppress(psutil.Error):
            words = {*one.cmdline()}
            for name, entry in servers.items():
                marks = {entry["command"], *entry.get("args", [])} - {sys.executable}
                if marks <= words and one.status() != psutil.STATUS_ZOMBIE:
                    found.append((name, one))
                    break
    return found


def words(process: psutil.Process) -> str:
    """The command of a process."""
    try:
        return f"{' '.join(process.cmdline())} ({process.status()})"
    except psutil.Error:
        return "gone"


async def watch(
    top: psutil.Process, servers: dict[str, Any], account: Account, bounds: tuple[int, int]
) -> None:
    """Counts processes again and again."""
    while True:
        seen = await asyncio.to_thread(running, top, servers)
        account.counts.append(len(seen))
        account.starts |= {(one.pid, one.create_time()) for _, one in seen if one.is_running()}
        count = Counter(name for name, _ in seen)
        for name, held in [*count.items(), ("all", len(seen))]:
            account.most[name] = max(account.most[name], held)
        account.over += len(seen) > bounds[1] or any(held > bounds[0] for held in count.values())
        await asyncio.sleep(LOOK_SECONDS)


async def soak(options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        product = Product([sys.executable, "-m", "callmux"], Path(folder) / "home")
        made = bare(Path(folder), SERVERS) if options.bare else fifty(Path(folder), SERVERS)
        servers = {name: {**entry, "cwdMode": "global"} for name, entry in made.items()}
        bounds = options.per_server, options.all
        config = product.config(
            servers,
            start="lazy",
            idleStopSeconds=options.idle,
            maxProcessesPerServer=bounds[0],
            maxProcesses=bounds[1],
        )
        account = Account()
        async with product.listener(config) as (url, process, _):
            timeout = aiohttp.ClientTimeout(total=240)
            async with aiohttp.ClientSession(timeout=timeout) as http:
                # What the servers list is learned once, before anything is counted.
                first = Agent(http, url, Account(), servers, 0)
                await first.session(time.perf_counter() + min(5, options.minutes * 60), 1)
                await idle(process, servers)
                before = len(running(process, servers))
                # The guardian among them.
                own = {one.pid for one in process.children(recursive=True)}
                watching = asyncio.create_task(watch(process, servers, account, bounds))
                began = time.perf_counter()
                end = began + options.minutes * 60
                agents = [
                    Agent(http, url, account, servers, options.seed * 1000 + n)
                    for n in range(options.sessions)
                ]
                await asyncio.gather(*(agent.run(end, options.pause) for agent in agents))
                seconds = time.perf_counter() - began
            left = await idle(process, servers)
            watching.cancel()
            rest = [words(one) for one in process.children(recursive=True) if one.pid not in own]
            memory = process.memory_info().rss / 2**20
        took = sorted(account.took) or [0.0]
        return {
            "seconds": round(seconds),
            "sessions": account.sessions,
            "calls": account.calls,
            "lists": account.lists,
            "failed": account.failures.total(),
            "failures": dict(account.failures.most_common(20)),
            "processes before": before,
            "processes during, mean": round(sum(account.counts) / max(len(account.counts), 1), 1),
            "processes during, most": dict(account.most),
            "processes after": left,
            "looks": len(account.counts),
            "looks over a bound": account.over,
            "other processes left": rest,
            "starts of servers seen": len(account.starts),
            "p50 ms": round(took[len(took) // 2], 1),
            "p99 ms": round(took[len(took) * 99 // 100], 1),
            "slowest ms": round(took[-1], 1),
            "listener MB": round(memory, 1),
        }


async def idle(process: psutil.Process, servers: dict[str, Any]) -> int:
    """Waits until no server runs any more, for a while; gives how many still do."""
    end = time.perf_counter() + LEFT_SECONDS
    while (left := len(running(process, servers))) and time.perf_counter() < end:
        await asyncio.sleep(LOOK_SECONDS)
    return left


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--idle", type=int, default=5)
    parser.add_argument("--pause", type=float, default=10.0)
    parser.add_argument("--per-server", type=int, default=4)
    parser.add_argument("--all", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bare", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not options.bare and (absent := missing()):
        parser.error(f"run scripts/interop first: {absent[0]} is not there")
    found = asyncio.run(soak(options))
    print("\n".join(f"{name:26}{value}" for name, value in found.items()))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2), "utf-8")
    sys.exit(bool(found["failed"] or found["looks over a bound"] or found["processes after"]))


if __name__ == "__main__":
    main()
