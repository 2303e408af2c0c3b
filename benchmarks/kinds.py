"""A soak: many sessions of many kinds at one listener, half of them dropped without a word.

    python benchmarks/kinds.py [--sessions 2000] [--kinds 30] [--json FILE]

Each session declares one of `--kinds` different capabilities, calls both of two servers, and then ends with
DELETE or is left alone. Processes, descriptors and memory of the listener are shown once every kind has been
there, at a tenth of the way, in the middle and at the end: they must not grow with the number of sessions.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from listener import SERVER, Product

MOST_SESSIONS = 50
MOST_CONNECTIONS = 12
AT_ONCE = 8
IN_A_ROW = 4
"""Sessions of one kind, one after the other: each kind comes round again and again."""
SETTLE_SECONDS = 4.0
MOMENTS = ("at the start", "at a tenth", "in the middle", "at the end")

HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


async def session(http: aiohttp.ClientSession, url: str, n: int, kinds: int) -> int:
    """One session; gives how many of its calls failed."""
    headers = dict(HEADERS)

    async def post(method: str, params: dict[str, Any], id: int | None) -> str:
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        body = json.dumps(message if id is None else {**message, "id": id})
        async with http.post(url, data=body, headers=headers) as answer:
            headers["Mcp-Session-Id"] = answer.headers.get(
                "Mcp-Session-Id", headers.get("Mcp-Session-Id", "")
            )
            return await answer.text()

    capabilities: dict[str, Any] = {"experimental": {f"kind-{n // IN_A_ROW % kinds}": {}}}
    about = {"name": "soak", "version": "1"}
    greeting = {"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": about}
    await post("initialize", greeting, 0)
    await post("notifications/initialized", {}, None)
    failed = 0
    for id, server in enumerate(("one", "two"), 1):
        said = await post("tools/call", {"name": f"{server}__get_item", "arguments": {"id": n}}, id)
        failed += '"isError":true' in said or '"error":' in said
    if n % 2:
        async with http.delete(url, headers=headers):
            pass
    return failed


def count(process: psutil.Process) -> dict[str, float]:
    """What the listener holds now."""
    return {
        "processes": len(process.children(recursive=True)),
        "descriptors": process.num_fds(),
        "mb": round(process.memory_info().rss / 2**20, 1),
    }


async def soak(sessions: int, kinds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        product = Product([sys.executable, "-m", "callmux"], Path(folder) / "home")
        entry = {"command": sys.executable, "args": [str(SERVER)], "cwdMode": "global"}
        config = product.config(
            {"one": entry, "two": entry},
            listenerMaxSessions=MOST_SESSIONS,
            maxScopedClients=MOST_CONNECTIONS,
        )
        async with product.listener(config) as (url, process, _), aiohttp.ClientSession() as http:
            found: dict[str, Any] = {"failed": 0, "sessions": sessions, "kinds": kinds}
            marks = {
                min(kinds * IN_A_ROW, sessions) - 1: "at the start",
                sessions // 10: "at a tenth",
                sessions // 2: "in the middle",
            }
            began = time.perf_counter()
            for n in range(0, sessions, AT_ONCE):
                batch = range(n, min(n + AT_ONCE, sessions))
                found["failed"] += sum(
                    await asyncio.gather(*(session(http, url, one, kinds) for one in batch))
                )
                for one in batch:
                    if one in marks:
                        found[marks[one]] = count(process)
            found["seconds"] = round(time.perf_counter() - began)
            await asyncio.sleep(SETTLE_SECONDS)
            found["at the end"] = count(process)
            return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sessions", type=int, default=2000)
    parser.add_argument("--kinds", type=int, default=30)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = asyncio.run(soak(options.sessions, options.kinds))
    print(
        f"{options.sessions} sessions of {options.kinds} kinds in {found['seconds']} s, "
        f"{found['failed']} failed calls"
    )
    for when in MOMENTS:
        print(f"{when:14}", *(f"{name} {value}" for name, value in found.get(when, {}).items()))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2), "utf-8")


if __name__ == "__main__":
    main()
