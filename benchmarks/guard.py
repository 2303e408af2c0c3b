"""What a guarded listener costs beside one without guards, in callmux and in callmux (npm), in one run.

    python benchmarks/guard.py --against "node .../callmux.js" [--plain] [--rounds 12] [--calls 400]

Four listeners run at once, each product with and without `paths.GUARDED` (token, rules, limits, audit log)
and `metrics`; each round sends some calls to each of them in turn, one at a time. Processor time of the
listener is what counts: it depends less than latency on what else the machine does. Medians of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shlex
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from http_client import HttpClient
from listener import Product, one_server
from paths import GUARDED, TOKEN

BARE: dict[str, Any] = {"metrics": {"enabled": False}}


def full(*, plain: bool) -> dict[str, Any]:
    """Everything that guards, in the configuration of both."""
    token = {"id": "bench", **({"token": TOKEN} if plain else {"tokenRef": "env:BENCH_TOKEN"})}
    return {**GUARDED, "auth": {"mode": "bearer", "tokens": [token]}, "metrics": {"enabled": True}}


class Side:
    """One listener and its clients."""

    def __init__(self, url: str, token: str, process: psutil.Process) -> None:
        self._url, self._token, self._process = url, token, process
        self.cpu: list[float] = []
        self.latency: list[float] = []

    async def round(self, calls: int) -> None:
        """So many calls, in microseconds each, by a new client: connections that rest are closed."""
        client = await HttpClient(self._url, self._token).open()
        tool = await client.tool("get_item")
        took = []
        before = self._spent()
        for n in range(calls):
            began = time.perf_counter()
            await client.request("tools/call", {"name": tool, "arguments": {"id": n}})
            took.append(time.perf_counter() - began)
        self.cpu.append((self._spent() - before) / calls * 1e6)
        self.latency.append(median(took) * 1e6)
        await client.close()

    def _spent(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


async def measured(
    commands: dict[str, str], guards: dict[str, Any], rounds: int, calls: int, folder: Path
) -> dict[str, Side]:
    """The four listeners after all rounds."""
    async with contextlib.AsyncExitStack() as stack:
        sides: dict[str, Side] = {}
        for name, command in commands.items():
            for kind, more in (("bare", BARE), ("guarded", guards)):
                product = Product(shlex.split(command), folder / f"{name}-{kind}")
                product.env["BENCH_TOKEN"] = TOKEN
                config = product.config(one_server(), **more)
                url, process, _ = await stack.enter_async_context(product.listener(config))
                side = sides[f"{name} {kind}"] = Side(url, TOKEN if kind == "guarded" else "", process)
                await side.round(calls)
                side.cpu.clear()
                side.latency.clear()
        for _ in range(rounds):
            for side in sides.values():
                await side.round(calls)
        return sides


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--callmux", default=f"{shlex.quote(sys.executable)} -m callmux")
    parser.add_argument("--against", required=True, help="what starts the other product")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--calls", type=int, default=400, help="calls to each listener in a round")
    parser.add_argument(
        "--plain", action="store_true", help="the token stands in the configuration, unhashed"
    )
    parser.add_argument("--json", type=Path, help="where to write all figures")
    options = parser.parse_args()
    guards = full(plain=options.plain)
    commands = {"npm": options.against, "callmux": options.callmux}
    with tempfile.TemporaryDirectory(prefix="callmux-bench-") as folder:
        sides = asyncio.run(measured(commands, guards, options.rounds, options.calls, Path(folder)))
    print(f"{'us a call':12}{'':10}{'bare':>8}{'guarded':>9}{'added':>8}")
    added = {}
    for name in commands:
        for what in ("cpu", "latency"):
            bare, guarded = (getattr(sides[f"{name} {kind}"], what) for kind in ("bare", "guarded"))
            more = median(b - a for a, b in zip(bare, guarded, strict=True))
            added[name, what] = more
            print(f"{name:12}{what:10}{median(bare):>8.0f}{median(guarded):>9.0f}{more:>8.0f}")
    for what in ("cpu", "latency"):
        other = added["npm", what]
        print(f"added {what}, callmux / npm: " + (f"{added['callmux', what] / other:.2f}x" if other else "-"))
    if options.json:
        figures = {name: {"cpu": side.cpu, "latency": side.latency} for name, side in sides.items()}
        options.json.write_text(json.dumps(figures, indent=2), "utf-8")


if __name__ == "__main__":
    main()
