"""`callmux server`: hands over to its sub-commands, and lists the configured servers without their secrets.

Called by `callmux.cli.main`. The list shows what is written: nothing is started, no reference followed, no
variable filled in.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from callmux.cli.console import print_json
from callmux.cli.grammar.server import COMMANDS
from callmux.cli.parsing import Given, read, refusal
from callmux.cli.running import running_servers
from callmux.cli.shown_server import entry, server_lines
from callmux.config.load import find_config, load_config
from callmux.config.model import Config
from callmux.errors import ConfigMissing, UsageError


def run(args: list[str], config_option: str | None) -> int:
    """Gives the exit code."""
    try:
        given = read(COMMANDS[0], args)
    except UsageError as error:
        if args[:1] not in (["add"], ["set"], ["edit"]):
            raise
        from callmux.cli.server_words import with_advice

        raise with_advice(error, args[0], args[1:]) from None
    if (listener := _listener(given)) is not None:
        from callmux.cli import server_remote

        return server_remote.run(given, listener)
    if given.command.word in ("restart", "stop", "start") and given.text("--node") is not None:
        raise refusal(given.command, "--node needs --url: the address of one of the nodes")
    match given.command.word:
        case "list":
            return _list(given, config_option)
        case "test":
            from callmux.cli import server_try

            return server_try.run(given, config_option)
        case "restart":
            from callmux.cli import server_restart

            return server_restart.run(given, config_option)
        case "stop" | "start":
            from callmux.cli import server_order

            return server_order.run(given, config_option)
        case "logs":
            from callmux.cli import server_logs

            return server_logs.run(given, config_option)
        case "enable" | "disable" | "rename":
            from callmux.cli import server_switch

            return server_switch.run(given, config_option)
        case word:
            from callmux.cli import server_edit

            edits = {"add": server_edit.add, "set": server_edit.change, "remove": server_edit.remove}
            return edits[word](given, config_option)


def _listener(given: Given) -> str | None:
    """The listener that a command is for; None for the configuration of this machine."""
    match given.command.word:
        case "list" | "remove" | "enable" | "disable" | "restart" | "stop" | "start":
            return given.text("--listener") or given.text("--url")
        case "add" | "set":
            # `--url` is the address of the server there.
            return given.text("--listener")
    return None


def _list(given: Given, config_option: str | None) -> int:
    config = Config()
    path = find_config(config_option, os.environ, Path.home())
    if path is not None:
        # A configuration yet to be written has no servers.
        with suppress(ConfigMissing):
            config = load_config(path, os.environ, resolve=False).config
    live = {} if path is None else running_servers(path, dict(os.environ))
    if given.on("--json"):
        shown = [
            {**entry(name, server), **({"running": live[name]} if name in live else {})}
            for name, server in config.servers.items()
        ]
        print_json({"servers": shown})
    elif not config.servers:
        print("No downstream servers configured.")
    else:
        blocks = [
            "\n".join([name, *server_lines(server), *map(_running, live.get(name, ()))])
            for name, server in config.servers.items()
        ]
        print("\n\n".join(blocks))
    return 0


def _running(record: Mapping[str, Any]) -> str:
    """How a server is in one process that runs with the configuration."""
    said = str(record.get("state"))
    if isinstance(count := record.get("toolCount"), int):
        said += f", {count} tool" + ("" if count == 1 else "s")
    if record.get("error"):
        said += f": {record['error']}"
    return f"  in process {record['pid']}: {said}"
