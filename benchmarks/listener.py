"""The listener and bridge rows of the budgets, many sessions on one listener, and what whole trees hold.

    python benchmarks/listener.py [--against "node .../callmux.js"] [--rounds 3] [--calls 2000]
                                  [--sessions 1000] [--trees] [--agents 6] [--json FILE]

Each product gets a listener of its own in front of the same server, in turns; medians over the rounds are
compared. `--trees` counts processes and memory of the agents with 5 servers each, servers and wrappers
such as `npx` included: direct, through each product, in a directory each and with `cwdMode: global`.
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
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from driver import Driver
from http_client import HttpClient
from peers.budgets import budget
from peers.products import BRIDGE, LISTENER
from ports import free_port, listens

SERVER = Path(__file__).with_name("server.py")
SERVERS = 5
IN_FLIGHT = 16

ROWS = (
    # the figure here, in words, and what the budgets call it: ratios against the other product
    ("p50_us", "latency p50, us", "p50_us"),
    ("per_s", "calls/s, 16 in flight", "per_s"),
    ("mb", "resident memory, MB", "pss_mb"),
    ("start_ms", "start to tools/list, ms", "start_ms"),
)

Figures = dict[str, float]


class Product:
    """One multiplexer and its configuration.

    Args:
        command: What starts it.
        folder: A home of its own.
    """

    def __init__(self, command: list[str], folder: Path) -> None:
        self.command = command
        self.folder = folder
        folder.mkdir()
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        }

    def config(self, servers: dict[str, Any], **more: Any) -> Path:
        path = self.folder / "config.json"
        path.write_text(json.dumps({"servers": servers, **more}), "utf-8")
        return path

    @contextlib.asynccontextmanager
    async def listener(self, config: Path) -> AsyncIterator[tuple[str, psutil.Process, float]]:
        """A running listener: its URL, its process, and when it was started."""
        port = free_port()
        words = [*self.command, "--config", str(config), "--listen", str(port)]
        began = time.perf_counter()
        quiet = subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(
            *words, env=self.env, stdin=quiet, stdout=quiet, stderr=quiet
        )
        try:
            while not listens(port):
                if process.returncode is not None or time.perf_counter() - began > 60:
                    raise RuntimeError(f"{' '.join(words)} does not listen")
                await asyncio.sleep(0.002)
            yield f"http://127.0.0.1:{port}/mcp", psutil.Process(process.pid), began
        finally:
            for end in (process.terminate, process.kill):
                with contextlib.suppress(ProcessLookupError):
                    end()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(10):
                        await process.wait()
                        break


def one_server() -> dict[str, Any]:
    return {"bench": {"command": sys.executable, "args": [str(SERVER), "--tools", "10"]}}


async def listener_round(product: Product, calls: int) -> Figures:
    async with product.listener(product.config(one_server())) as (url, process, began):
        first = await HttpClient(url).open()
        tool = await first.tool("get_item")
        figures = {"start_ms": (time.perf_counter() - began) * 1000}
        clients = [first, *[await HttpClient(url).open() for _ in range(IN_FLIGHT - 1)]]
        await _calls(first, tool, max(1, calls // 10))
        figures["p50_us"] = median(await _calls(first, tool, calls)) * 1e6
        start = time.perf_counter()
        await asyncio.gather(*(_calls(client, tool, calls // 4) for client in clients))
        figures["per_s"] = IN_FLIGHT * (calls // 4) / (time.perf_counter() - start)
        figures["mb"] = process.memory_info().rss / 2**20
        for client in clients:
            await client.close()
    return figures


async def bridge_round(product: Product, calls: int) -> Figures:
    async with product.listener(product.config(one_server())) as (url, _, _):
        warm = await HttpClient(url).open()
        await warm.tool("get_item")
        await warm.close()
        async with Driver([*product.command, "bridge", "--url", url]) as driver:
            await driver.calls(max(1, calls // 10))
            took = await driver.calls(calls)
            per_s = await driver.throughput(calls * 2, IN_FLIGHT)
            return {
                "p50_us": median(took) * 1e6,
                "per_s": per_s,
                "mb": driver.megabytes(),
                "start_ms": driver.start_ms,
            }


async def _calls(client: HttpClient, tool: str, number: int) -> list[float]:
    took = []
    for n in range(number):
        began = time.perf_counter()
        await client.request("tools/call", {"name": tool, "arguments": {"id": n}})
        took.append(time.perf_counter() - began)
    return took


async def many_sessions(product: Product, number: int) -> Figures:
    """One listener with so many sessions, each calling now and then."""
    async with product.listener(product.config(one_server())) as (url, process, _):
        first = await HttpClient(url).open()
        tool = await first.tool("get_item")
        await _calls(first, tool, 50)
        empty = process.memory_info().rss
        clients: list[HttpClient] = []
        for _ in range(0, number, 20):
            clients += await asyncio.gather(*(HttpClient(url).open() for _ in range(20)))
        full = process.memory_info().rss
        errors = 0
        took: list[float] = []
        gate = asyncio.Semaphore(IN_FLIGHT)

        async def session(client: HttpClient) -> None:
            nonlocal errors
            for _ in range(5):
                async with gate:
                    try:
                        took.extend(await _calls(client, tool, 1))
                    except (RuntimeError, OSError, TimeoutError):
                        errors += 1

        await asyncio.gather(*(session(client) for client in clients))
        took.sort()
        for client in [first, *clients]:
            await client.close()
        return {
            "sessions": len(clients),
            "errors": errors,
            "kb_per_session": (full - empty) / 1024 / max(1, len(clients)),
            "p50_ms": took[len(took) // 2] * 1000,
            "p99_ms": took[int(len(took) * 0.99)] * 1000,
        }


def wrapped(n: int) -> dict[str, Any]:
    """A server as `npx` and `uvx` start it: a wrapper that stays, and the server as its child."""
    words = shlex.join([sys.executable, str(SERVER), "--tools", "10"])
    return {"command": "/bin/sh", "args": ["-c", f"{words}; exit $?"], "env": {"NUMBER": str(n)}}


async def trees(product: Product | None, same_directory: bool, folder: Path, agents: int) -> Figures:
    """What so many agents with 5 servers each hold, all processes of theirs together."""
    servers = {f"s{n}": wrapped(n) for n in range(SERVERS)}
    async with contextlib.AsyncExitStack() as stack:
        roots: list[psutil.Process] = []
        if product is None:
            for _ in range(agents):
                for entry in servers.values():
                    driver = await stack.enter_async_context(Driver([entry["command"], *entry["args"]]))
                    roots.append(driver.process)
        else:
            more = {"cwdMode": "global"} if same_directory else {}
            config = product.config({name: {**entry, **more} for name, entry in servers.items()})
            url, process, _ = await stack.enter_async_context(product.listener(config))
            roots.append(process)
            for n in range(agents):
                place = folder / f"project{n}"
                place.mkdir(exist_ok=True)
                words = [*product.command, "bridge", "--url", url, "--cwd", str(place)]
                driver = await stack.enter_async_context(Driver(words, prefix="s0__"))
                roots.append(driver.process)
                for server in servers:
                    call = {"name": f"{server}__get_item", "arguments": {"id": 1}}
                    await driver.request("tools/call", call)
        return held(*roots)


def held(*roots: psutil.Process) -> Figures:
    """What these processes and all below them are and hold together: a page that some share counts once."""
    family = {p.pid: p for root in roots for p in [root, *root.children(recursive=True)]}
    return {"processes": len(family), "mb": sum(map(_proportional, family.values())) / 2**20}


def _proportional(process: psutil.Process) -> int:
    """Its memory, with what it shares divided among those that share it."""
    try:
        return int(process.memory_full_info().pss)
    except (psutil.Error, AttributeError):
        return 0


def print_rows(title: str, found: dict[str, Figures]) -> None:
    compared = len(found) > 1
    print(
        f"\n{title:26}"
        + "".join(f"{head:>12}" for head in found)
        + ("       ratio     floor     aim" if compared else "")
    )
    for figure, words, name in ROWS:
        values = [figures[figure] for figures in found.values()]
        line = f"{words:26}" + "".join(f"{value:>12,.0f}" for value in values)
        if compared:
            ratio = values[0] / values[1]
            wanted = budget(title, name)
            line += f"{ratio:>11.2f}x{wanted.floor:>9.2f}x{wanted.aim:>7.2f}x"
            line += "" if wanted.meets(ratio, wanted.floor) else "  below the floor"
        print(line)


async def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    products = {"callmux": Product(shlex.split(options.callmux), folder / "ours")}
    if options.against:
        products["other"] = Product(shlex.split(options.against), folder / "other")
    shown: dict[str, Any] = {}
    for title, round_of in ((LISTENER, listener_round), (BRIDGE, bridge_round)):
        samples: dict[str, list[Figures]] = {name: [] for name in products}
        for n in range(options.rounds):
            order = list(products) if n % 2 == 0 else list(reversed(products))
            for name in order:
                samples[name].append(await round_of(products[name], options.calls))
        shown[title] = {
            name: {key: median(s[key] for s in of) for key in of[0]} for name, of in samples.items()
        }
        print_rows(title, shown[title])
    if options.sessions:
        shown["sessions"] = {}
        for name, product in products.items():
            figures = shown["sessions"][name] = await many_sessions(product, options.sessions)
            said = ", ".join(f"{key} {value:,.1f}" for key, value in figures.items())
            print(f"\n{name}: {said}", end="")
        print()
    if options.trees:
        shown["trees"] = {}
        print(f"\n{options.agents} agents, {SERVERS} servers{'processes':>24}{'MB':>10}")
        cases: list[tuple[str, Product | None, bool]] = [("direct", None, False)]
        for name, product in products.items():
            cases += [
                (f"{name}, {options.agents} directories", product, False),
                (f"{name}, cwdMode global", product, True),
            ]
        for title, which, same in cases:
            figures = shown["trees"][title] = await trees(which, same, folder, options.agents)
            print(f"{title:30}{figures['processes']:>15,.0f}{figures['mb']:>10,.0f}")
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--callmux", default=f"{shlex.quote(sys.executable)} -m callmux")
    parser.add_argument("--against", help="a second product, such as callmux (npm)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--sessions", type=int, default=0, help="also so many sessions on one listener")
    parser.add_argument("--trees", action="store_true", help="also processes and memory of whole trees")
    parser.add_argument("--agents", type=int, default=6, help="agents of the trees")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="callmux-bench-") as folder:
        shown = asyncio.run(measure(options, Path(folder)))
    if options.json:
        options.json.write_text(json.dumps(shown, indent=2), "utf-8")


if __name__ == "__main__":
    main()
