"""Seconds until real clients have the tools: Claude Code, Codex and Gemini CLI, direct and through callmux.

    python benchmarks/clients.py [--rounds 3] [--several 5] [--client claude] [--json FILE]

Needs what `scripts/interop` fetches with `CALLMUX_REQUIRE_CLIENTS=1`; no account and no network. Claude Code
and Codex get a prompt, and a model on this machine that refuses everything: what counts is the first request
to it that names every server's tool. Gemini CLI itself says when a server is connected (`gemini mcp list`).
Each client starts twice in a home of its own: callmux keeps the lists of its servers from one start to the
next. A client that asks its model without waiting for all tools has missed them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from aiohttp import web
from listener import SERVER, Product

MODULES = Path(__file__).parents[1] / ".cache" / "clients" / "node_modules"
CALLMUX = [sys.executable, "-m", "callmux"]
WAYS = ("direct", "stdio", "listener", "bridge")
TOOL = re.compile(r"item_of_\d+")
STARTS = ("first", "next")
LONGEST_SECONDS = 90.0

Entry = dict[str, Any]


def program(name: str) -> str | None:
    """The real client, or None where it is not here."""
    native = [str(path) for path in sorted(MODULES.glob("@anthropic-ai/claude-code-*"))]
    return shutil.which(name, path=os.pathsep.join([str(MODULES / ".bin"), *native]))


class Model:
    """A model that refuses everything, and notes which tools it was offered.

    Attributes:
        requests: When a request came, and the tools of servers in it.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[float, set[str]]] = []
        self.came = asyncio.Event()

    async def refuse(self, request: web.Request) -> web.Response:
        said = await request.text()
        if request.method == "POST":
            self.requests.append((time.perf_counter(), set(TOOL.findall(said))))
            self.came.set()
        error = {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}
        return web.json_response(error, status=400)

    async def offered(self, count: int) -> float:
        """When the first request with so many servers' tools came."""
        while True:
            for when, tools in self.requests:
                if len(tools) >= count:
                    return when
            self.came.clear()
            await self.came.wait()


@contextlib.asynccontextmanager
async def listening(answer: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    """The address of what a client takes for the server of its model."""
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def written(
    client: str, home: Path, servers: dict[str, Entry], model: str
) -> tuple[list[str], dict[str, str]]:
    """Writes the client's configuration; gives its words and its environment."""
    if client == "claude":
        path = home / "mcp.json"
        typed = {n: ({"type": "http"} if "url" in e else {}) | e for n, e in servers.items()}
        path.write_text(json.dumps({"mcpServers": typed}))
        words = ["-p", "hello", "--strict-mcp-config", "--mcp-config", str(path)]
        return words, {"ANTHROPIC_BASE_URL": model, "ANTHROPIC_API_KEY": "none"}
    if client == "codex":
        lines = [
            'model = "none"\nmodel_provider = "here"\n[model_providers.here]\nname = "here"',
            f'base_url = "{model}/v1"\nwire_api = "responses"\nenv_key = "NO_KEY"',
            "request_max_retries = 0\nstream_max_retries = 0",
        ]
        for name, entry in servers.items():
            lines.append(f"[mcp_servers.{name}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in entry.items()]
        (home / ".codex").mkdir(exist_ok=True)
        (home / ".codex" / "config.toml").write_text("\n".join(lines))
        return ["exec", "--skip-git-repo-check", "hello"], {"NO_KEY": "none"}
    typed = {n: {"httpUrl": e["url"]} if "url" in e else e for n, e in servers.items()}
    (home / ".gemini").mkdir(exist_ok=True)
    (home / ".gemini" / "settings.json").write_text(json.dumps({"mcpServers": typed}))
    return ["mcp", "list"], {"GEMINI_CLI_TRUST_WORKSPACE": "true"}


async def started(
    client: str, words: list[str], home: Path, more: Mapping[str, str]
) -> asyncio.subprocess.Process:
    """Starts the client for a user with this home, in a process group of its own.

    Args:
        more: Further variables of its environment.
    """
    kept = {key: os.environ[key] for key in ("PATH", "PYTHONPATH") if key in os.environ}
    return await asyncio.create_subprocess_exec(
        str(program(client)),
        *words,
        env={**kept, "HOME": str(home), "TERM": "dumb", **more},
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


async def measured(client: str, home: Path, servers: dict[str, Entry], count: int) -> float:
    """Seconds from the start of the client until it has the tools of `count` servers.

    Raises:
        RuntimeError: It ended without them.
    """
    model = Model()
    async with listening(model.refuse) as url:
        words, more = written(client, home, servers, url)
        began = time.perf_counter()
        process = await started(client, words, home, more)
        seen = _connected(process, len(servers)) if client == "gemini" else model.offered(count)
        watch = asyncio.ensure_future(seen)
        end = asyncio.ensure_future(process.wait() if client == "gemini" else process.communicate())
        try:
            await asyncio.wait({watch, end}, timeout=LONGEST_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if client == "gemini" and end.done():
                await asyncio.wait({watch}, timeout=5)
            if not watch.done():
                raise RuntimeError("it has not all tools")
            return watch.result() - began
        finally:
            watch.cancel()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await end


async def _connected(process: asyncio.subprocess.Process, count: int) -> float:
    assert process.stdout is not None
    while line := await process.stdout.readline():
        count -= re.search(rb"- Connected|\bConnected$", line.strip()) is not None
        if count <= 0:
            return time.perf_counter()
    raise RuntimeError("it ended before every server was connected")


def entry(number: int) -> Entry:
    """A server; its first tool says which, because clients join names of servers and tools in many ways."""
    return {
        "command": sys.executable,
        "args": [str(SERVER), "--tools", "10", "--first", f"item_of_{number}"],
    }


async def twice(client: str, servers: dict[str, Entry], count: int) -> list[float | None]:
    """The first start in a new home, and the next; None for one that missed tools."""
    took: list[float | None] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        for _ in STARTS:
            try:
                took.append(await measured(client, Path(home), servers, count))
            except RuntimeError:
                took.append(None)
    return took


async def one_round(client: str, way: str, count: int) -> list[float | None]:
    servers = {f"s{n}": entry(n) for n in range(count)}
    if way == "direct":
        return await twice(client, servers, count)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        product = Product(CALLMUX, Path(folder) / "home")
        config = product.config(servers)
        if way == "stdio":
            words = [*CALLMUX[1:], "--config", str(config)]
            return await twice(client, {"callmux": {"command": CALLMUX[0], "args": words}}, count)
        async with product.listener(config) as (url, _, _):
            through: Entry = {"url": url}
            if way == "bridge":
                through = {"command": CALLMUX[0], "args": [*CALLMUX[1:], "bridge", "--url", url]}
            return await twice(client, {"callmux": through}, count)


def figure(took: list[float | None]) -> str:
    """The median, and how many starts missed tools."""
    found = [seconds for seconds in took if seconds is not None]
    shown = f"{median(found):.1f}" if found else "-"
    return shown + (f" ({len(took) - len(found)} of {len(took)} missed)" if len(found) < len(took) else "")


async def table(clients: list[str], several: int, rounds: int) -> dict[str, Any]:
    """A row for each client, number of servers and start; ways take turns."""
    rows: dict[str, Any] = {}
    print("| client | servers | start | " + " | ".join(WAYS) + " |\n|" + " --- |" * (3 + len(WAYS)))
    for client in clients:
        for count in dict.fromkeys((1, several)):
            took: dict[str, list[list[float | None]]] = {way: [] for way in WAYS}
            for turn in range(rounds):
                for way in WAYS[turn % len(WAYS) :] + WAYS[: turn % len(WAYS)]:
                    took[way].append(await one_round(client, way, count))
            rows[f"{client} {count}"] = took
            for n, start in enumerate(STARTS):
                shown = " | ".join(figure([both[n] for both in took[way]]) for way in WAYS)
                print(f"| {client} | {count} | {start} | {shown} |", flush=True)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--several", type=int, default=5)
    parser.add_argument("--client", action="append", choices=["claude", "codex", "gemini"])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    clients = options.client or ["claude", "codex", "gemini"]
    if missing := [name for name in clients if program(name) is None]:
        print(f"missing: {', '.join(missing)}; run scripts/interop with CALLMUX_REQUIRE_CLIENTS=1")
        return 1
    rows = asyncio.run(table(clients, options.several, options.rounds))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
