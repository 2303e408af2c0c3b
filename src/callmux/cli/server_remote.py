"""`callmux server ... --listener URL`: these commands for a running listener, over its management interface.

Called by `callmux.cli.server`; calls `callmux.management.client`. Nothing is written on this machine.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from callmux.cli.console import print_json
from callmux.cli.parsing import Given, nearest, refusal
from callmux.cli.server_edit import check_name, read_change
from callmux.cli.server_processes import of_entry, said, with_mode
from callmux.cli.server_words import target
from callmux.config.server_change import changed_entry, new_entry
from callmux.errors import UsageError
from callmux.management.client import ManagementClient

VARIABLE = "CALLMUX_MANAGEMENT_TOKEN"
USUAL_PATH = "/management/v1"


def run(given: Given, listener: str, env: Mapping[str, str] | None = None) -> int:
    """Gives the exit code."""
    env = os.environ if env is None else env
    url = completed(given, listener)
    return asyncio.run(_run(given, ManagementClient(url, _token(given, env))))


def completed(given: Given, listener: str) -> str:
    """The address of the interface: with its usual path where none is given.

    Raises:
        UsageError: It is no address.
    """
    parts = urlsplit(listener)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise refusal(given.command, "the listener must be an http or https address")
    base = listener.rstrip("/")
    return base + USUAL_PATH if parts.path in ("", "/") else base


def _token(given: Given, env: Mapping[str, str]) -> str | None:
    file = given.text("--token-file")
    if file is None:
        return env.get(VARIABLE) or None
    try:
        token = Path(file).expanduser().read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the token in {file}: {error}") from None
    if not token:
        raise UsageError(f"{file} is empty: it must hold a token of management.auth")
    return token


async def _run(given: Given, client: ManagementClient) -> int:
    async with client:
        word = given.command.word
        if word == "list":
            return await _list(given, client)
        if word in ("add", "set"):
            answers = [await (_add if word == "add" else _set)(given, client)]
        elif word == "remove":
            answers = [await client.remove_server(given.words[0])]
        elif word in ("restart", "stop", "start"):
            orders = {
                "restart": client.restart_server,
                "stop": client.stop_server,
                "start": client.start_server,
            }
            answers = [await orders[word](given.words[0], node=given.text("--node"))]
        else:
            known = {str(server["name"]) for server in await client.servers()}
            for name in given.words:
                # All of them or none.
                if name not in known:
                    raise UsageError(f'Server "{name}" not found{nearest(name, sorted(known))}')
            off = word == "disable"
            answers = [await client.update_server(name, disabled=off) for name in given.words]
            answers = [{**answer, "action": f"{word}d"} for answer in answers]
    for answer in answers:
        if given.on("--json"):
            print_json(answer)
        else:
            state = f" ({answer['state']})" if "state" in answer else ""
            nodes = f", told to {', '.join(answer['nodes'])}" if answer.get("nodes") else ""
            print(f'{str(answer["action"]).capitalize()} server "{answer["server"]}"{state}{nodes}')
            if "problem" in answer:
                print(f"Note: {answer['problem']}", file=sys.stderr)
    return 0


async def _add(given: Given, client: ManagementClient) -> dict[str, Any]:
    name = given.words[0]
    check_name(given, name)
    change = read_change(given)
    written, url = target(given)
    if url is not None:
        written = {"url": url}
    made = new_entry(change) if written is None else changed_entry(written, change)
    found = of_entry(made.entry)
    if found is not None:
        print(f"Note: {said(found)}", file=sys.stderr)
    return await client.add_server(name, with_mode(made.entry, found))


async def _set(given: Given, client: ManagementClient) -> dict[str, Any]:
    name, change = given.words[0], read_change(given)
    if change.asks_for_nothing():
        raise refusal(given.command, "No server changes requested")
    found = {str(server["name"]): server["config"] for server in await client.servers()}
    if name not in found:
        raise UsageError(f'Server "{name}" not found{nearest(name, sorted(found))}')
    # What is hidden in the entry stays as it is there.
    return await client.update_server(name, config=changed_entry(found[name], change).entry)


async def _list(given: Given, client: ManagementClient) -> int:
    servers = await client.servers()
    if given.on("--json"):
        print_json({"servers": servers})
        return 0
    if not servers:
        print("No servers.")
    for server in servers:
        runtime, tools = server.get("runtime", {}), server.get("tools", [])
        said = f"{server['name']}: {runtime.get('state')}, {len(tools)} tool{'' if len(tools) == 1 else 's'}"
        if runtime.get("error"):
            said += f": {runtime['error']}"
        print(said + (" (changed here)" if server.get("managed") else ""))
    return 0
