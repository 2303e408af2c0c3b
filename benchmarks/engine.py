"""What the engine saves: a cached call, a coalesced call, a shielded result, beside another multiplexer.

    python benchmarks/engine.py [--callmux "..."] [--against "node .../callmux.js"] [--rounds 5] [--json FILE]

Both run the same configuration over the same server in one run, a fresh process per round, in changing order;
medians over the rounds are compared. Needs the development dependencies.

- cached: a read that was made before, one after the other (microseconds)
- coalesced: 64 equal reads at once, of a server that takes 20 ms for one (milliseconds for all, and how many
  calls the server saw)
- shielded: a result of 1 MB that is shortened (milliseconds)
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shlex
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

import orjson
from driver import Driver
from shield import rows

DELAY = 0.02
TOGETHER = 64
READ = {"readOnlyHint": True, "idempotentHint": True}
TOOLS = [
    {"name": name, "inputSchema": {"type": "object"}, "annotations": READ}
    for name in ("get_item", "slow_item", "count", "rows")
]


def serve() -> None:
    """The server: a quick read, a slow one, how often the slow one was called, and rows."""
    large = rows(1)
    slow = 0
    lock = threading.Lock()

    def answer(key: Any, result: bytes) -> None:
        out = memoryview(b'{"jsonrpc":"2.0","id":%s,"result":%s}\n' % (orjson.dumps(key), result))
        with lock:
            while out:
                out = out[os.write(1, out) :]

    buffer = b""
    while data := os.read(0, 1 << 20):
        *lines, buffer = (buffer + data).split(b"\n")
        for line in lines:
            message = orjson.loads(line)
            method, key = message.get("method"), message.get("id")
            if key is None or method is None:
                continue
            if method == "initialize":
                version = message["params"]["protocolVersion"]
                about = {"name": "engine", "version": "1"}
                capabilities: dict[str, Any] = {"tools": {}}
                found = {"protocolVersion": version, "capabilities": capabilities, "serverInfo": about}
                answer(key, orjson.dumps(found))
            elif method == "tools/list":
                answer(key, orjson.dumps({"tools": TOOLS}))
            elif method == "tools/call":
                name = message["params"]["name"]
                text = str(slow) if name == "count" else "x" * 1000
                result = orjson.dumps({"content": [{"type": "text", "text": text}]})
                if name == "slow_item":
                    slow += 1
                    threading.Timer(DELAY, answer, (key, result)).start()
                else:
                    answer(key, large if name == "rows" else result)
            else:
                answer(key, b"{}")


async def call(driver: Driver, name: str, **arguments: Any) -> dict[str, Any]:
    return await driver.request("tools/call", {"name": name, "arguments": arguments})


async def timed(driver: Driver, count: int, name: str, **arguments: Any) -> float:
    """The median of `count` calls, in seconds."""
    took = []
    for _ in range(count):
        began = time.perf_counter()
        await call(driver, name, **arguments)
        took.append(time.perf_counter() - began)
    return median(took)


async def one_round(product: str, folder: Path) -> dict[str, float]:
    base = {"servers": {"e": {"command": sys.executable, "args": [__file__, "--serve"]}}}
    plain, cached = folder / "plain.json", folder / "cached.json"
    plain.write_text(json.dumps(base))
    cached.write_text(
        json.dumps({**base, "cacheTtlSeconds": 600, "cachePolicy": {"allowTools": ["get_item"]}})
    )
    figures = {}
    async with Driver([*shlex.split(product), "--config", str(cached)]) as driver:
        await timed(driver, 50, "get_item", id=1)
        figures["cached_us"] = await timed(driver, 500, "get_item", id=1) * 1e6
    async with Driver([*shlex.split(product), "--config", str(plain)]) as driver:
        await timed(driver, 50, "get_item", id=1)
        figures["uncached_us"] = await timed(driver, 300, "get_item", id=1) * 1e6
        together = []
        for n in range(5):
            began = time.perf_counter()
            await asyncio.gather(*(call(driver, "slow_item", n=n) for _ in range(TOGETHER)))
            together.append(time.perf_counter() - began)
        figures["coalesced_ms"] = median(together) * 1000
        seen = await call(driver, "count")
        figures["coalesced_calls"] = int(seen["content"][0]["text"]) / 5
        await timed(driver, 2, "rows")
        figures["shielded_1mb_ms"] = await timed(driver, 8, "rows") * 1000
    return figures


async def main() -> None:
    parser = argparse.ArgumentParser(description="A cached, a coalesced and a shielded call.")
    parser.add_argument("--callmux", default=f"{sys.executable} -m callmux")
    parser.add_argument("--against")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    products = {"callmux": options.callmux, **({"other": options.against} if options.against else {})}
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in products}
    with tempfile.TemporaryDirectory() as folder:
        for n in range(options.rounds):
            for name in sorted(products, reverse=bool(n % 2)):
                rounds[name].append(await one_round(products[name], Path(folder)))
    figures = {
        name: {key: median(one[key] for one in found) for key in found[0]} for name, found in rounds.items()
    }
    print(
        f"{'':16}" + "".join(f"{name:>12}" for name in figures) + ("       ratio" if options.against else "")
    )
    for key, ours in figures["callmux"].items():
        row = f"{key:16}" + "".join(f"{found[key]:12.2f}" for found in figures.values())
        print(row + (f"{ours / figures['other'][key]:11.2f}x" if options.against else ""))
    if options.json:
        options.json.write_text(json.dumps(figures))


if __name__ == "__main__":
    if "--serve" in sys.argv:
        serve()
    else:
        asyncio.run(main())
