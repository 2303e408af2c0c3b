"""`callmux server enable`, `disable` and `rename`.

Called by `callmux.cli.server`; `callmux.cli.server_saving` writes. Everything else in the entry stays.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from callmux.cli.console import print_json
from callmux.cli.parsing import Given, refusal
from callmux.cli.saving import edit_text
from callmux.cli.server_edit import check_name
from callmux.cli.server_saving import existing_config, loadable, not_found, save_entry, servers_in, there
from callmux.config.notation import parse, rename_key


def run(given: Given, config_option: str | None) -> int:
    """Gives the exit code."""
    path = existing_config(config_option)
    if given.command.word == "rename":
        return _rename(given, path)
    return _switch(given, path, off=given.command.word == "disable")


def _switch(given: Given, path: Path, *, off: bool) -> int:
    def make(old: Mapping[str, Any] | None) -> dict[str, Any]:
        entry = {key: value for key, value in there(name, old).items() if key != "disabled"}
        return {**entry, "disabled": True} if off else entry

    servers = servers_in(parse(str(path), path.read_text("utf-8")))
    for name in given.words:
        # All of them or none.
        if name not in servers:
            raise not_found(path, name, servers)
    for name in given.words:
        save_entry(path, name, make)
    action = "disabled" if off else "enabled"
    if given.on("--json"):
        print_json({"action": action, "configPath": str(path), "serverNames": given.words})
    else:
        for name in given.words:
            print(f'{action.capitalize()} server "{name}" in {path}')
    return 0


def _rename(given: Given, path: Path) -> int:
    old, new = given.words
    check_name(given, new)
    mentions: list[str] = []

    def edit(text: str) -> str:
        document = parse(str(path), text)
        servers = servers_in(document)
        if old not in servers:
            raise not_found(path, old, servers)
        if old != new and new in servers:
            raise refusal(given.command, f'there is a server "{new}" already')
        mentions[:] = _mentions({k: v for k, v in document.items() if k != "servers"}, old)
        return loadable(path, rename_key(str(path), text, ["servers", old], new))

    edit_text(path, edit)
    for mention in mentions:
        print(f'Note: {mention} still names "{old}"', file=sys.stderr)
    if given.on("--json"):
        answer = {"action": "renamed", "configPath": str(path), "serverName": new, "oldName": old}
        print_json({**answer, "stillNamed": mentions} if mentions else answer)
    else:
        print(f'Renamed server "{old}" to "{new}" in {path}')
    return 0


def _mentions(value: object, name: str, path: str = "") -> list[str]:
    """The key paths of texts that are the server's name or one of its tools' names."""
    if isinstance(value, Mapping):
        found: list[str] = []
        for key, inner in value.items():
            found += _mentions(inner, name, f"{path}.{key}" if path else str(key))
        return found
    if isinstance(value, list):
        return [m for n, inner in enumerate(value) for m in _mentions(inner, name, f"{path}[{n}]")]
    is_meant = isinstance(value, str) and (value == name or value.startswith(f"{name}__"))
    return [path] if is_meant else []
