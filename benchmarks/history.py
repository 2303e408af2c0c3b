"""What history and the event store cost a call, at several rates, and what a listener holds over many events.

    python benchmarks/history.py [--rates 1,10,100,500,1000,5000] [--seconds 4] [--rounds 3] [--json FILE]
    python benchmarks/history.py --events 1000000 [--json FILE]

For the first, facts are published in an event loop as calls of clients publish them, so many a second, each
after some work such as a call is. `way` is the processor time of the loop's thread, less that of a loop in
which nobody listens and no fact is made; `writer` is that of the thread that writes. The event store is full
before it begins, so that each row pushes out another one. Figures are medians of the rounds.

For the second, clients call a tool of a real listener that has everything on: dashboard with a reader, event
store, metrics, audit log.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

from http_client import HttpClient
from listener import Product, one_server

RATES = (1, 10, 100, 500, 1000, 5000)
KINDS = ("nothing", "history", "store", "both")
BODY = {
    "jsonrpc": "2.0",
    "id": 7,
    "method": "tools/call",
    "params": {"name": "t", "arguments": {"a": ["b"] * 20}},
}
THREADS = ("MainThread", "scribe")
KEPT = 2000
"""Rows of the event store that are there at the beginning, which is all that it may have."""
TICK_SECONDS = 0.01
CLIENTS = 16


def child(kind: str, rate: float, seconds: float, folder: Path) -> dict[str, float]:
    """Microseconds of processor time a call, of the loop and of what writes."""
    import uvloop

    return uvloop.run(_child(kind, rate, seconds, folder))


def work() -> None:
    """About as much as a call is: whoever counts does not begin with a cold processor."""
    for _ in range(4):
        json.loads(json.dumps(BODY))
        urlsplit("http://127.0.0.1:4860/mcp?a=b").hostname  # noqa: B018


def spent(name: str) -> float:
    """Microseconds of processor time of the threads of this name."""
    found = 0.0
    for thread in threading.enumerate():
        if thread.name == name:
            found += (
                float(Path(f"/proc/self/task/{thread.native_id}/schedstat").read_text().split()[0]) / 1000
            )
    return found


async def _child(kind: str, rate: float, seconds: float, folder: Path) -> dict[str, float]:
    from callmux.clock import Clock
    from callmux.config.model import Config
    from callmux.config.observing import Dashboard, EventStore
    from callmux.observe.bus import Bus
    from callmux.observe.chronicle import Chronicle
    from callmux.observe.facts import CallEnded, RequestEnded

    bus, clock = Bus(), Clock()
    chronicle = Chronicle(bus, clock, folder)
    dashboard = Dashboard(enabled=kind in ("history", "both"))
    store = EventStore(enabled=kind in ("store", "both"), path=str(folder / "e.sqlite"), max_rows=KEPT)
    chronicle.configure(Config(dashboard=dashboard, event_store=store))

    def call(n: int) -> None:
        work()
        if bus.calls:
            tool = f"tool_{n % 10}"
            bus.publish(
                CallEnded(
                    *("notes", "tools/call", tool, f"notes__{tool}", 0.0123),
                    sent=120,
                    received=900,
                    session_id=f"s{n % 8}",
                    request_id=f"r{n}",
                    request=n,
                )
            )
        if bus.requests:
            bus.publish(
                RequestEnded(
                    method="tools/call",
                    name=f"notes__tool_{n % 10}",
                    calls=1,
                    seconds=0.0125,
                    size=900,
                    session_id=f"s{n % 8}",
                    request_id=f"r{n}",
                    client="bench",
                    request=n,
                )
            )

    if chronicle.store is not None:
        for n in range(KEPT):
            call(n)
            if n % 50 == 49:
                await asyncio.to_thread(chronicle.store.flush)
    tick = max(TICK_SECONDS, 1 / rate)
    before, made, began = {name: spent(name) for name in THREADS}, 0, time.perf_counter()
    while (elapsed := time.perf_counter() - began) < seconds:
        due = int(elapsed * rate) + 1
        for n in range(made, due):
            call(n)
        made = due
        await asyncio.sleep(tick)
    if chronicle.store is not None:
        await asyncio.to_thread(chronicle.store.flush)
    took = {name: (spent(name) - before[name]) / made for name in THREADS}
    await asyncio.to_thread(chronicle.close)
    return {"way": took["MainThread"], "writer": took["scribe"]}


def measure(rates: list[float], seconds: float, rounds: int) -> dict[str, dict[str, float]]:
    """Microseconds a call by kind and rate, beside nothing at all."""
    found: dict[tuple[str, float], list[dict[str, float]]] = {}
    for _ in range(rounds):
        for rate in rates:
            for kind in KINDS:
                with tempfile.TemporaryDirectory(prefix="callmux-bench-") as folder:
                    words = [sys.executable, __file__, "--child", kind, str(rate), str(seconds), folder]
                    done = subprocess.run(words, check=True, capture_output=True, text=True)
                found.setdefault((kind, rate), []).append(json.loads(done.stdout))

    def typical(kind: str, rate: float, part: str) -> float:
        return median(figures[part] for figures in found[kind, rate])

    rows: dict[str, dict[str, float]] = {}
    for kind in KINDS[1:]:
        for part in ("way", "writer"):
            base = {rate: typical("nothing", rate, "way") if part == "way" else 0.0 for rate in rates}
            if part == "way" or kind != "history":
                rows[f"{kind}, {part}"] = {
                    f"{rate:g}": round(typical(kind, rate, part) - base[rate], 2) for rate in rates
                }
    return rows


async def hold(events: int, command: list[str], folder: Path) -> list[dict[str, float]]:
    """The memory of a listener while so many events happen."""
    product = Product(command, folder / "product")
    everything: dict[str, Any] = {
        "dashboard": {"enabled": True},
        "eventStore": {"enabled": True},
        "metrics": {"enabled": True},
        "auditLog": {"enabled": True, "path": "audit.jsonl", "maxFileBytes": 2**24, "maxFiles": 1},
    }
    seen: list[dict[str, float]] = []
    async with product.listener(product.config(one_server(), **everything)) as (url, process, _):
        at = urlsplit(url)
        base = f"http://{at.netloc}/dashboard"
        watching = asyncio.create_task(_watch(at.hostname or "", at.port or 0))
        clients = [await HttpClient(url).open() for _ in range(CLIENTS)]
        tool = await clients[0].tool("get_item")
        began, happened = time.perf_counter(), 0
        while happened < events:
            await asyncio.gather(*(_calls(client, tool, 500) for client in clients))
            summary, store = await asyncio.to_thread(_state, f"{base}/data")
            happened = summary["totalEvents"]
            seen.append(
                {
                    "events": happened,
                    "mb": round(process.memory_info().rss / 2**20, 1),
                    "seconds": round(time.perf_counter() - began, 1),
                    "descriptors": process.num_fds(),
                    "lost": store["lost"],
                    "summed": store["summedRows"],
                }
            )
            print(" ".join(f"{key} {value:g}" for key, value in seen[-1].items()), flush=True)
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        for client in clients:
            await client.close()
    return seen


async def _calls(client: HttpClient, tool: str, number: int) -> None:
    for n in range(number):
        await client.request("tools/call", {"name": tool, "arguments": {"id": n}})


def _state(url: str) -> tuple[dict[str, Any], dict[str, Any]]:
    import urllib.request

    with urllib.request.urlopen(url, timeout=60) as answer:
        found = json.load(answer)
    return found["summary"], found["eventStore"]


async def _watch(host: str, port: int) -> None:
    """A browser that has the dashboard open."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET /dashboard/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    while await reader.read(65536):
        pass


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rates", default=",".join(map(str, RATES)), help="calls a second")
    parser.add_argument("--seconds", type=float, default=4, help="how long each rate lasts")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, help="how many events a listener goes through")
    parser.add_argument("--callmux", default=f"{shlex.quote(sys.executable)} -m callmux")
    parser.add_argument("--json", type=Path, help="where to write all figures")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        kind, rate, seconds, folder = options.child
        print(json.dumps(child(kind, float(rate), float(seconds), Path(folder))))
        return
    figures: Any
    if options.events:
        with tempfile.TemporaryDirectory(prefix="callmux-bench-") as folder:
            figures = asyncio.run(hold(options.events, shlex.split(options.callmux), Path(folder)))
    else:
        rates = [float(rate) for rate in options.rates.split(",")]
        figures = measure(rates, options.seconds, options.rounds)
        print(f"{'us a call':18}" + "".join(f"{f'{rate:g}/s':>9}" for rate in rates))
        for kind, row in figures.items():
            print(f"{kind:18}" + "".join(f"{took:>9.1f}" for took in row.values()))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2), "utf-8")


if __name__ == "__main__":
    main()
