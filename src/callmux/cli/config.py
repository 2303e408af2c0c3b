"""`callmux config`: the format, whether a file keeps to it, and hashes of tokens for it.

Called by `callmux.cli.main`. Nothing is started; `callmux doctor` also asks the servers.
"""

from __future__ import annotations

import os
from pathlib import Path

from callmux.cli.console import print_json
from callmux.cli.grammar.config import COMMANDS
from callmux.cli.parsing import read
from callmux.config.load import default_config, find_config, load_config
from callmux.errors import ConfigError, ConfigMissing


def run(args: list[str], config_option: str | None) -> int:
    """Gives the exit code: 1 where `check` finds an error."""
    given = read(COMMANDS[0], args)
    if given.command.word == "check":
        return _check(given.on("--json"), config_option)
    if given.command.word == "hash":
        from callmux.cli.token import show_hash

        return show_hash(given, new=given.on("--new"))
    from callmux.config.schema import config_schema

    print_json(config_schema())
    return 0


def _check(as_json: bool, config_option: str | None) -> int:
    path = find_config(config_option, os.environ, Path.home()) or default_config(Path.home(), os.environ)
    problems: list[str] = []
    warnings: list[str] = []
    preset: list[str] = []
    try:
        loaded = load_config(path, os.environ)
    except ConfigMissing as error:
        problems = [error.message]
    except ConfigError as error:
        problems = error.problems
    else:
        from callmux.config.locations import wrong_places
        from callmux.config.presets import lines

        key = "servers" if loaded.format == "native" else "mcpServers"
        problems = [*loaded.duplicates, *wrong_places(loaded.config, key)]
        problems += [server.problem for server in loaded.config.servers.values() if server.problem]
        from callmux.doctor.checks import exposed

        warnings = [warning for warning in loaded.warnings if warning not in loaded.duplicates]
        warnings += exposed(loaded)
        preset = lines(loaded.document)
    if as_json:
        shown = {"ok": not problems, "configPath": str(path), "issues": problems, "warnings": warnings}
        print_json(shown | ({"preset": preset} if preset else {}))
    else:
        for line in preset:
            print(line)
        for problem in problems:
            print(f"Issue: {problem}")
        for warning in warnings:
            print(f"Warning: {warning}")
        print(f"{path}: {'issues found' if problems else 'ok'}")
    return 1 if problems else 0
