"""`callmux server stop` and `callmux server start`, in every process that runs with the configuration.

Called by `callmux.cli.server`; the way into the processes is `callmux.process.control_sockets`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from secrets import token_hex

from callmux.cli.console import print_json
from callmux.cli.parsing import Given, nearest
from callmux.cli.running import asked
from callmux.config.load import find_config, load_config, target_config
from callmux.errors import NotSupported, UsageError

GRACE_SECONDS = 30.0
"""How long an answer may take beyond the time that the configuration gives a server to connect."""


def run(given: Given, config_option: str | None) -> int:
    """Gives the exit code: 1 where nothing runs, or a server that is to start is not up."""
    if sys.platform == "win32":
        raise NotSupported("server stop and server start need Unix sockets: restart callmux itself")
    name, env, word = str(given.word(0)), dict(os.environ), str(given.command.word)
    find_config(config_option, env, Path.home())
    path = target_config(config_option, env, Path.home())
    config = load_config(path, env, resolve=False).config
    if name not in config.servers:
        raise UsageError(f'Server "{name}" not found in {path}{nearest(name, list(config.servers))}')
    seconds = config.connect_milliseconds(name) / 1000 + GRACE_SECONDS
    # Processes that are nodes of one cluster tell each other: each of them does it once.
    records = asked(path, env, {"method": word, "server": name, "order": token_hex(8)}, seconds)
    wanted = {"sleeping", "starting"} if word == "stop" else {"connected", "sleeping"}
    outcomes = [
        {"pid": pid, "ok": record.get("state") in wanted, "state": record.get("state")}
        | ({"error": record["error"]} if record.get("error") else {})
        for pid, record in sorted(records.items())
    ]
    if given.on("--json"):
        print_json({"action": word, "server": name, "processes": outcomes})
    elif not outcomes:
        print(f"No callmux runs with {path}: there is nothing to {word}.", file=sys.stderr)
    for outcome in () if given.on("--json") else outcomes:
        line = f'"{name}" in process {outcome["pid"]}: {outcome["state"]}'
        error = f", {outcome['error']}" if outcome.get("error") and not outcome["ok"] else ""
        print(line + error, file=sys.stdout if outcome["ok"] else sys.stderr)
    return 0 if outcomes and all(outcome["ok"] for outcome in outcomes) else 1
