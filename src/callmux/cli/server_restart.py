"""`callmux server restart`: one server starts anew in every process that runs with the configuration.

Called by `callmux.cli.server`; the way into the processes is `callmux.process.control`.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from secrets import token_hex
from typing import Any

from callmux.cli.console import print_json
from callmux.cli.parsing import Given, nearest
from callmux.cli.running import is_running
from callmux.config.load import find_config, load_config, target_config
from callmux.errors import CallmuxError, NotSupported, UsageError
from callmux.process.control_sockets import Unreachable, ask, sockets

GRACE_SECONDS = 30.0
"""How long an answer may take beyond the time that the configuration gives a server to connect."""


def run(given: Given, config_option: str | None) -> int:
    """Gives the exit code: 1 where nothing runs, or the server is not up in one of the processes."""
    if sys.platform == "win32":
        raise NotSupported("server restart needs Unix sockets: restart callmux itself")
    name, env = str(given.word(0)), dict(os.environ)
    find_config(config_option, env, Path.home())
    path = target_config(config_option, env, Path.home())
    config = load_config(path, env, resolve=False).config
    if name not in config.servers:
        raise UsageError(f'Server "{name}" not found in {path}{nearest(name, list(config.servers))}')
    outcomes = _ask_all(path, env, name, config.connect_milliseconds(name) / 1000 + GRACE_SECONDS)
    if given.on("--json"):
        print_json({"action": "restarted", "server": name, "processes": outcomes})
    elif not outcomes:
        print(f"No callmux runs with {path}: there is nothing to restart.", file=sys.stderr)
    for outcome in () if given.on("--json") else outcomes:
        if outcome["ok"] and outcome["state"] == "starting":
            print(f'Process {outcome["pid"]} starts "{name}" with its first client')
        elif outcome["ok"]:
            print(f'Restarted "{name}" in process {outcome["pid"]} ({outcome["connectDurationMs"]} ms)')
        else:
            print(f'"{name}" in process {outcome["pid"]}: {outcome["error"]}', file=sys.stderr)
    return 0 if outcomes and all(outcome["ok"] for outcome in outcomes) else 1


def _ask_all(path: Path, env: dict[str, str], name: str, seconds: float) -> list[dict[str, Any]]:
    """The outcome in each process, all asked at the same time; one that has ended meanwhile has none."""
    found = sockets(path, env)
    if not found:
        return []
    # Processes that are nodes of one cluster tell each other: each of them restarts it once.
    request = {"method": "restart", "server": name, "order": token_hex(8)}
    with ThreadPoolExecutor(len(found)) as pool:
        outcomes = pool.map(lambda pid: _ask_one(pid, found[pid], request, seconds), found)
        return [outcome for outcome in outcomes if outcome is not None]


def _ask_one(pid: int, path: Path, request: dict[str, str], seconds: float) -> dict[str, Any] | None:
    try:
        record = ask(path, request, seconds)
    except Unreachable as error:
        return {"pid": pid, "ok": False, "error": error.message} if is_running(pid) else None
    except CallmuxError as error:
        return {"pid": pid, "ok": False, "error": error.message}
    # Where no client has come yet, there is nothing to restart: it will start with the first.
    up = record.get("state") in ("connected", "starting", "sleeping")
    outcome: dict[str, Any] = {"pid": pid, "ok": up}
    outcome |= {"state": record.get("state"), "connectDurationMs": record.get("connectDurationMs")}
    if not up:
        outcome["error"] = record.get("error") or f"it is {record.get('state')}"
    return outcome
