"""Many servers configured and none running: start to the first listing, memory, processes; and first calls.

    python benchmarks/sleeping.py [--servers 50] [--against "node .../callmux.js"] [--rounds 3] [--bare]
                                  [--npx] [--json FILE]

The servers are real ones (`real_servers.py`; with `--bare` the benchmarks' own). callmux starts them lazily,
with what an earlier session has kept, and eagerly; another product as it does by itself. The start counts
until a listing has every server's tools. First calls are those of servers that sleep, one of each kind,
beside the same call once more; `--npx` adds a server that `npx` has to fetch from npm first, into an empty
cache.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from listener import Figures, held
from real_servers import bare, fifty, missing, read_of
from stdio_client import StdioClient

START_SECONDS = 120.0
SETTLE_SECONDS = 5.0
NPX = "@modelcontextprotocol/server-memory@2026.8.31"

KINDS = {
    "memory1": "Node (memory)",
    "filesystem1": "Node (filesystem)",
    "everything1": "Node (everything)",
    "time1": "Python (time)",
    "git1": "Python (git)",
    "npx": "npx, cold",
    "bare0": "bare",
}
"""The servers that are called, and what each is."""


def environment(folder: Path) -> dict[str, str]:
    """A home of its own."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    given = {"PATH": os.environ["PATH"], "HOME": str(home), "npm_config_cache": str(folder / "npm")}
    return {**given, "PYTHONPATH": os.environ.get("PYTHONPATH", "")}


def configuration(folder: Path, name: str, servers: Mapping[str, Any], **more: Any) -> Path:
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"servers": servers, **more}), "utf-8")
    return path


async def at_rest(top: psutil.Process, seconds: float) -> Figures:
    """What a process and those below it hold, once their number has not changed for a while."""
    found, since = held(top), time.perf_counter()
    began = since
    while (now := time.perf_counter()) - since < seconds and now - began < START_SECONDS:
        await asyncio.sleep(0.5)
        before, found = found, await asyncio.to_thread(held, top)
        if found["processes"] != before["processes"]:
            since = time.perf_counter()
    return found


async def started(command: list[str], env: Mapping[str, str], servers: int, after: float) -> dict[str, float]:
    """One start: until every server is listed, and what runs once nothing has changed for so long."""
    async with StdioClient(command, env) as client:
        await client.greet()
        first = None
        while True:
            listed = {name.partition("__")[0] for name in await client.tools() if "__" in name}
            now = time.perf_counter() - client.began
            first = first or now
            if len(listed) >= servers or now > START_SECONDS:
                break
            await asyncio.sleep(0.01)
        rest = await at_rest(psutil.Process(client.process.pid), after)
        # callmux itself is none of those that it has started.
        counted = {"processes": rest["processes"] - 1, "mb": rest["mb"], "servers": len(listed)}
        return {"first_ms": first * 1000, "start_ms": now * 1000, **counted}


async def first_calls(
    command: list[str], env: Mapping[str, str], servers: Mapping[str, Any]
) -> dict[str, Any]:
    """By kind: the first call of a server that sleeps, and the next one, in ms."""
    found: dict[str, Any] = {}
    async with StdioClient(command, env) as client:
        await client.greet()
        await client.tools()
        for server in (one for one in KINDS if one in servers):
            tool, arguments = read_of(server, servers[server])
            took = []
            for _ in range(2):
                began = time.perf_counter()
                await client.call(f"{server}__{tool}", arguments)
                took.append((time.perf_counter() - began) * 1000)
            found[KINDS[server]] = took
    return found


async def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    servers = bare(folder, options.servers) if options.bare else fifty(folder, options.servers)
    env = environment(folder)
    ours = [sys.executable, "-m", "callmux", "--config"]
    lazy = configuration(folder, "lazy", servers, start="lazy")
    eager = configuration(folder, "eager", servers)
    ways = {"callmux, lazy": [*ours, str(lazy)], "callmux, eager": [*ours, str(eager)]}
    if options.against:
        theirs = configuration(folder, "theirs", servers)
        ways["other"] = [*shlex.split(options.against), "--config", str(theirs)]
    # What a first session keeps.
    learned = await started(ways["callmux, lazy"], env, len(servers), 0)
    found: dict[str, Any] = {"learned": learned, "calls": {}}
    rounds: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for n in range(options.rounds):
        names = [*ways][n % len(ways) :] + [*ways][: n % len(ways)]
        for way in names:
            rounds[way].append(await started(ways[way], env, len(servers), options.settle))
    found["ways"] = {
        way: {key: round(median(one[key] for one in all_of), 1) for key in all_of[0]}
        for way, all_of in rounds.items()
    }
    called = dict(servers)
    if options.npx:
        called["npx"] = {"command": "npx", "args": ["-y", NPX], "connectTimeoutMs": 120_000}
        called["npx"]["env"] = {"MEMORY_FILE_PATH": str(folder / "npx.json")}
        await keep_npx(folder, env, called)
    command = [*ours, str(configuration(folder, "called", called, start="lazy"))]
    calls = [await first_calls(command, env, {k: v for k, v in called.items() if k != "npx"})]
    calls += [await first_calls(command, env, called)] if options.npx else []
    for kind in calls[-1]:
        took = [one[kind] for one in calls if kind in one]
        found["calls"][kind] = [round(median(one[n] for one in took), 1) for n in range(2)]
    return found


async def keep_npx(folder: Path, env: Mapping[str, str], servers: Mapping[str, Any]) -> None:
    """Has what the server of `npx` lists kept, with another cache than the one of the call."""
    apart = {**env, "npm_config_cache": str(folder / "npm-before")}
    config = configuration(folder, "called", servers, start="lazy")
    await started([sys.executable, "-m", "callmux", "--config", str(config)], apart, len(servers), 0)


def shown(found: Mapping[str, Any]) -> list[str]:
    lines = [f"{'':16}{'first list':>12}{'complete':>12}{'processes':>12}{'MB':>10}{'servers':>10}"]
    for way, one in {"learning": found["learned"], **found["ways"]}.items():
        lines.append(
            f"{way:16}{one['first_ms']:9.0f} ms{one['start_ms']:9.0f} ms"
            f"{one['processes']:12.0f}{one['mb']:10.0f}{one['servers']:10.0f}"
        )
    lines.append("")
    for kind, (first, again) in found["calls"].items():
        lines.append(f"{kind:20} first call {first:8.0f} ms, the next {again:6.1f} ms")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--servers", type=int, default=50)
    parser.add_argument("--against", default="")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--settle", type=float, default=SETTLE_SECONDS, help="seconds without a change")
    parser.add_argument("--bare", action="store_true")
    parser.add_argument("--npx", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not options.bare and (absent := missing()):
        parser.error(f"run scripts/interop first: {absent[0]} is not there")
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(options, Path(folder)))
    print("\n".join(shown(found)))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2), "utf-8")


if __name__ == "__main__":
    main()
