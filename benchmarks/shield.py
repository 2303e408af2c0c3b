"""What a large result costs everybody else: the worst delay of 1 KB calls while 50 MB are shielded and paged,
and while a child of a fan-out brings 20 MB.

    python benchmarks/shield.py [--megabytes 50] [--fan-out 20] [--pages 20] [--rounds 3] [--callmux "..."]
                                [--json FILE]
    python benchmarks/shield.py --against "node .../callmux.js"     a shielded 1 MB result beside another's

Two servers stand behind callmux: one answers small calls at once, the other has rows. Small calls go on all
the time, one after the other; the delay is what the slowest of them took: the median over the rounds, and the
least. Needs the development dependencies.
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
from pathlib import Path
from statistics import median
from typing import Any

import orjson
from driver import Driver

QUICK = Path(__file__).with_name("server.py")
ROW = {"name": "a row of a table", "text": "lorem ipsum dolor sit amet, consectetur adipiscing elit " * 2}
SMALL = 1000


def rows(megabytes: float) -> bytes:
    """A result of about that size: JSON in a text, as most servers send it."""
    count = int(megabytes * 1_000_000 / 190)
    text = orjson.dumps([{"id": n, **ROW} for n in range(count)]).decode()
    return orjson.dumps({"content": [{"type": "text", "text": text}]})


def serve() -> None:
    """The server with the rows: `rows {"mb": 50}`."""
    ready: dict[float, bytes] = {}
    buffer = b""
    while data := os.read(0, 1 << 20):
        *lines, buffer = (buffer + data).split(b"\n")
        for line in lines:
            message = orjson.loads(line)
            method, key = message.get("method"), message.get("id")
            if key is None or method is None:
                continue
            result = b"{}"
            if method == "initialize":
                version = message["params"]["protocolVersion"]
                about = {"name": "rows", "version": "1"}
                result = orjson.dumps(
                    {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about}
                )
            elif method == "tools/list":
                result = orjson.dumps({"tools": [{"name": "rows", "inputSchema": {"type": "object"}}]})
            elif method == "tools/call":
                size = message["params"]["arguments"]["mb"]
                if size not in ready:
                    ready[size] = rows(size)
                result = ready[size]
                if message["params"]["arguments"].get("prepare"):
                    result = b'{"content":[]}'
            out = memoryview(b'{"jsonrpc":"2.0","id":%s,"result":%s}\n' % (orjson.dumps(key), result))
            while out:
                out = out[os.write(1, out) :]


def config(folder: Path, *, shield: bool = True) -> Path:
    path = folder / f"config-{shield}.json"
    servers = {
        "quick": {"command": sys.executable, "args": [str(QUICK)], "prefix": ""},
        "big": {"command": sys.executable, "args": [__file__, "--serve"]},
    }
    path.write_text(json.dumps({"servers": servers, "responseShield": {"enabled": shield}}))
    return path


async def call(driver: Driver, name: str, **arguments: Any) -> dict[str, Any]:
    return await driver.request("tools/call", {"name": name, "arguments": arguments})


class Others:
    """Small calls, one after the other, while something else happens."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._stop = False
        self.took: list[float] = []

    async def run(self) -> None:
        while not self._stop:
            self.took += await self._driver.calls(1, SMALL)

    async def during(self, work: Any) -> tuple[Any, float, float]:
        """What `work` gives; the worst and the median delay, in milliseconds, of the calls beside it."""
        self._stop, self.took = False, []
        task = asyncio.create_task(self.run())
        result = await work
        self._stop = True
        await task
        return result, max(self.took) * 1000, median(self.took) * 1000


async def one_round(command: list[str], megabytes: float, pages: int, fan_out: float) -> dict[str, float]:
    async with Driver(command) as driver:
        await call(driver, "big__rows", mb=megabytes, prepare=True)
        await driver.calls(200, SMALL)
        others = Others(driver)
        _, idle, usual = await others.during(asyncio.sleep(1))
        began = time.perf_counter()
        answer, shielding, _ = await others.during(call(driver, "big__rows", mb=megabytes))
        took = time.perf_counter() - began
        ref = json.loads(answer["content"][0]["text"])["_callmux"]["ref"]

        async def page_through() -> None:
            for n in range(pages):
                await call(driver, "callmux_get_result", ref=ref, offset=n * 50)
            await call(driver, "callmux_get_result", ref=ref, search='"id":777')

        _, paging, _ = await others.during(page_through())
        entries = [{"tool": "big__rows", "arguments": {"mb": part}} for part in (fan_out, 0.001)]
        await call(driver, "big__rows", mb=fan_out, prepare=True)
        began = time.perf_counter()
        _, fanning, _ = await others.during(call(driver, "callmux_parallel", calls=entries))
        return {
            "fan_out_ms": (time.perf_counter() - began) * 1000,
            "fan_out_worst_ms": fanning,
            "idle_worst_ms": idle,
            "usual_ms": usual,
            "shield_ms": took * 1000,
            "shielding_worst_ms": shielding,
            "paging_worst_ms": paging,
            "mb": driver.megabytes(),
        }


async def one_megabyte(command: list[str]) -> float:
    """Milliseconds of a call whose result of 1 MB is shielded."""
    async with Driver(command) as driver:
        took = []
        for _ in range(12):
            began = time.perf_counter()
            await call(driver, "big__rows", mb=1)
            took.append((time.perf_counter() - began) * 1000)
        return median(took[2:])


async def main() -> None:
    parser = argparse.ArgumentParser(description="Worst delay of small calls beside a large result.")
    parser.add_argument("--megabytes", type=float, default=50)
    parser.add_argument("--fan-out", type=float, default=20, help="megabytes of a child of callmux_parallel")
    parser.add_argument("--pages", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--callmux", default=f"{sys.executable} -m callmux")
    parser.add_argument("--against")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = config(Path(folder))
        command = [*shlex.split(options.callmux), "--config", str(path)]
        sizes = options.megabytes, options.pages, options.fan_out
        found = [await one_round(command, *sizes) for _ in range(options.rounds)]
        figures = {key: round(median(one[key] for one in found), 2) for key in found[0]}
        for key in ("shielding_worst_ms", "paging_worst_ms", "fan_out_worst_ms"):
            # A busy machine delays everybody: the quietest round tells what is ours.
            figures[f"{key}_least"] = round(min(one[key] for one in found), 2)
        figures["1mb_ms"] = round(await one_megabyte(command), 2)
        if options.against:
            other = [*shlex.split(options.against), "--config", str(path)]
            figures["1mb_other_ms"] = round(await one_megabyte(other), 2)
    for key, value in figures.items():
        print(f"{key:20} {value:10.2f}")
    if options.json:
        options.json.write_text(json.dumps(figures))


if __name__ == "__main__":
    if "--serve" in sys.argv:
        serve()
    else:
        asyncio.run(main())
