"""What several agents in several repositories hold, and how soon a first session lists after setup.

    python benchmarks/directories.py [--agents 6] [--against "node .../callmux.js"] [--rounds 3] [--json FILE]
    python benchmarks/directories.py --first-listing [--servers 15] [--slow 20] [--json FILE]

Each agent is in a repository of its own, has five real servers from npm, and calls each of them once: direct,
and through each product. Ours has the servers as `callmux setup --yes --listener URL` leaves them; the other
product has the same commands. `as before` is our listener without what setup decides. Processes and memory
(shared pages divided) are those of all agents' children and of the listener together. The servers are those
of `--npm DIR`, which npm has installed (see `PACKAGES`), and node starts them; `--npx` starts them as most
people do, with two more processes each. `--local` takes servers in Python that need no registry.

`--first-listing` lets setup add many servers, one of which takes long to start, and times a first session.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from listener import SERVER, Figures, Product, held
from stdio_client import ANSWER_SECONDS, StdioClient

SETUP_SECONDS = 300
NPM_CACHE = "npm_config_cache"
THOUGHT = {"thought": "x", "thoughtNumber": 1, "totalThoughts": 1, "nextThoughtNeeded": False}
REAL = {
    "filesystem": ("list_allowed_directories", {}),
    "memory": ("read_graph", {}),
    "everything": ("echo", {"message": "x"}),
    "sequential-thinking": ("sequentialthinking", THOUGHT),
    "context7": ("resolve-library-id", {"query": "x", "libraryName": "x"}),
}
"""Servers from npm, and a call of each. The last one goes to the network, and may fail."""
PACKAGES = {
    "filesystem": "@modelcontextprotocol/server-filesystem",
    "memory": "@modelcontextprotocol/server-memory",
    "everything": "@modelcontextprotocol/server-everything",
    "sequential-thinking": "@modelcontextprotocol/server-sequential-thinking",
    "context7": "@upstash/context7-mcp",
}


def environment(home: Path) -> dict[str, str]:
    """The variables of a user with this home; what npm has fetched is kept where it always is."""
    cache = os.environ.get(NPM_CACHE, str(Path.home() / ".npm"))
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        NPM_CACHE: cache,
        "npm_config_prefer_offline": "true",
        "npm_config_update_notifier": "false",
    }


def npx(package: str) -> dict[str, Any]:
    """The entry of a server as most people have it."""
    return {"command": "npx", "args": ["-y", package]}


def installed(folder: Path, package: str) -> dict[str, Any]:
    """The entry of a server that npm has installed there."""
    place = folder.absolute() / "node_modules" / package
    programs = json.loads((place / "package.json").read_text("utf-8"))["bin"]
    script = programs if isinstance(programs, str) else next(iter(programs.values()))
    return {"command": "node", "args": [str(place / script)]}


def set_up(command: list[str], home: Path, entries: dict[str, Any], *words: str) -> dict[str, Any]:
    """The servers of Claude Code as setup leaves them, by name."""
    line = [*command, "setup", "--yes", "--json", "--clients", "claude", "--no-project", *words]
    (home / ".claude.json").write_text(json.dumps({"mcpServers": entries}), "utf-8")
    env = environment(home)
    done = subprocess.run(line, env=env, cwd=home, capture_output=True, timeout=SETUP_SECONDS, check=False)
    if done.returncode:
        raise RuntimeError(f"setup failed: {done.stderr.decode()[-500:]}")
    skipped = json.loads(done.stdout)["skipped"]
    if skipped:
        raise RuntimeError(f"setup left servers out: {skipped}")
    document = json.loads((home / ".config" / "callmux" / "config.json").read_text("utf-8"))
    servers: dict[str, Any] = document["servers"]
    return servers


def repositories(folder: Path, number: int) -> list[Path]:
    found = [folder / "work" / f"repo{n}" for n in range(number)]
    for place in found:
        place.mkdir(parents=True, exist_ok=True)
        subprocess.run(["git", "init", "-q", str(place)], check=True)
    return found


async def agent(
    stack: contextlib.AsyncExitStack, command: Sequence[str], place: Path, env: Mapping[str, str]
) -> tuple[StdioClient, psutil.Process]:
    """A client in a directory, which it declares as its root as coding agents do; and what it talks to."""
    client = await stack.enter_async_context(StdioClient(command, env, place=place))
    await client.greet()
    return client, psutil.Process(client.process.pid)


async def direct(
    servers: dict[str, Any], calls: dict[str, Any], places: list[Path], env: Mapping[str, str], settle: float
) -> Figures:
    """Every agent starts every server itself."""
    async with contextlib.AsyncExitStack() as stack:
        roots = []
        for place in places:
            for name, entry in servers.items():
                words = [entry["command"], *entry.get("args", ())]
                client, process = await agent(stack, words, place, env)
                roots.append(process)
                await client.tools()
                tool, arguments = calls[name]
                await client.request("tools/call", {"name": tool, "arguments": arguments})
        await asyncio.sleep(settle)
        return held(*roots)


async def behind(
    product: Product, servers: dict[str, Any], calls: dict[str, Any], places: list[Path], settle: float
) -> Figures:
    """Every agent has a bridge to one listener."""
    product.env = environment(product.folder)
    async with contextlib.AsyncExitStack() as stack:
        url, listener, _ = await stack.enter_async_context(product.listener(product.config(servers)))
        roots = [listener]
        for place in places:
            words = [*product.command, "bridge", "--url", url, "--cwd", str(place)]
            client, process = await agent(stack, words, place, product.env)
            roots.append(process)
            await _until_listed(client, servers)
            for name in servers:
                tool, arguments = calls[name]
                await client.request("tools/call", {"name": f"{name}__{tool}", "arguments": arguments})
        await asyncio.sleep(settle)
        return held(*roots)


async def _until_listed(client: StdioClient, servers: dict[str, Any]) -> None:
    async with asyncio.timeout(ANSWER_SECONDS):
        while {tool.partition("__")[0] for tool in await client.tools()} < servers.keys():
            await asyncio.sleep(0.1)


def local_servers(number: int) -> dict[str, Any]:
    """Servers that need no registry."""
    return {
        f"s{n}": {"command": sys.executable, "args": [str(SERVER), "--tools", "10", "--number", str(n)]}
        for n in range(number)
    }


async def agents(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    places = repositories(folder, options.agents)
    if not options.local:
        entries: dict[str, Any] = {
            name: npx(package) if options.npx else installed(options.npm, package)
            for name, package in PACKAGES.items()
        }
        entries["filesystem"]["args"].append(str(folder / "work"))
    products = {"callmux": Product(shlex.split(options.callmux), folder / "ours")}
    ours = products["callmux"]
    if options.local:
        plain = local_servers(5)
        left = {name: {**entry, "cwdMode": "global"} for name, entry in plain.items()}
        calls: dict[str, Any] = dict.fromkeys(plain, ("get_item", {"id": 1}))
    else:
        calls = REAL
        plain = entries
        left = set_up(ours.command, ours.folder, entries, "--listener", "http://127.0.0.1:4860/mcp")
    cases = ["direct", "callmux", "callmux, as before"]
    if options.against:
        products["other"] = Product(shlex.split(options.against), folder / "other")
        cases.append("other")
    rounds: dict[str, list[Figures]] = {case: [] for case in cases}
    for n in range(options.rounds):
        for case in cases if n % 2 == 0 else reversed(cases):
            if case == "direct":
                found = await direct(plain, calls, places, environment(ours.folder), options.settle)
            else:
                servers = left if case == "callmux" else plain
                found = await behind(products[case.partition(",")[0]], servers, calls, places, options.settle)
            rounds[case].append(found)
            print(
                f"  round {n + 1}, {case}: {found['processes']:.0f} processes, {found['mb']:.0f} MB",
                flush=True,
            )
    medians = {case: {key: median(f[key] for f in of) for key in of[0]} for case, of in rounds.items()}
    modes = {name: entry.get("cwdMode") for name, entry in left.items()}
    print(f"{options.agents} agents in {options.agents} repositories; setup left {modes}")
    print(f"{'':24}{'processes':>12}{'MB':>8}")
    for case, figures in medians.items():
        print(f"{case:24}{figures['processes']:>12,.0f}{figures['mb']:>8,.0f}")
    return {"agents": medians, "cwdMode": modes}


async def first_listing(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Setup adds the servers; then one session after the other starts callmux and lists."""
    home = folder / "home"
    home.mkdir()
    (place,) = repositories(folder, 1)
    command = shlex.split(options.callmux)
    entries: dict[str, Any] = {}
    for n in range(options.servers):
        words = [sys.executable, str(SERVER), "--tools", "10", "--first", f"first_{n}"]
        if n == 0:
            words = ["/bin/sh", "-c", f"sleep {options.slow}; exec {shlex.join(words)}"]
        entries[f"s{n}"] = {"command": words[0], "args": words[1:]}
    began = time.perf_counter()
    set_up(command, home, entries)
    took = time.perf_counter() - began
    wanted = {f"s{n}__first_{n}" for n in range(options.servers)}
    times, after = [], []
    missing = 0
    for _ in range(options.rounds):
        began = time.perf_counter()
        async with StdioClient(command, environment(home), place=place) as client:
            await client.greet()
            greeted = time.perf_counter()
            missing = max(missing, len(wanted - set(await client.tools())))
            times.append(time.perf_counter() - began)
            after.append(time.perf_counter() - greeted)
    print(
        f"{options.servers} servers, one of which takes {options.slow:g} s to start; setup took {took:.0f} s"
    )
    shown = ", ".join(f"{t * 1000:.0f}" for t in times)
    print(f"start to the first tools/list: {shown} ms, {missing} servers missing")
    print(f"of that, behind the greeting: {', '.join(f'{t * 1000:.0f}' for t in after)} ms")
    found = {"first_listing_ms": [t * 1000 for t in times], "list_ms": [t * 1000 for t in after]}
    return {**found, "missing": missing, "setup_s": took}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--callmux", default=f"{shlex.quote(sys.executable)} -m callmux")
    parser.add_argument("--against", help="a second product, such as callmux (npm)")
    parser.add_argument("--agents", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--settle", type=float, default=3.0, help="seconds between the last call and the look"
    )
    parser.add_argument("--npm", type=Path, default=Path(".cache/five"), help="where npm has installed them")
    parser.add_argument("--npx", action="store_true", help="npx starts them")
    parser.add_argument("--local", action="store_true", help="servers in Python, without a registry")
    parser.add_argument("--first-listing", action="store_true")
    parser.add_argument("--servers", type=int, default=15)
    parser.add_argument("--slow", type=float, default=20.0)
    parser.add_argument("--json", type=Path, help="where to write all figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="callmux-bench-") as name:
        folder = Path(name)
        shown = asyncio.run((first_listing if options.first_listing else agents)(options, folder))
    if options.json:
        options.json.write_text(json.dumps(shown, indent=2), "utf-8")


if __name__ == "__main__":
    main()
