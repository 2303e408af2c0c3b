"""`callmux server add`, `set` and `remove`: change one entry of the configuration, nothing else.

Called by `callmux.cli.server`. The change itself is `callmux.config.server_change`, the text is edited by
`callmux.config.notation`. A configuration that would not load is never written.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callmux.cli.console import print_json
from callmux.cli.init import empty_document
from callmux.cli.parsing import Given, nearest, refusal
from callmux.cli.saving import edit_text
from callmux.cli.server import entry
from callmux.config.check import check_document, check_server
from callmux.config.load import find_config, target_config
from callmux.config.notation import delete_value, parse, set_value, write
from callmux.config.server_change import Changed, ServerChange, changed_entry, new_entry
from callmux.config.servers import HttpServer, StdioServer
from callmux.errors import ConfigError, ConfigMissing, UsageError

if TYPE_CHECKING:
    from callmux.cli.tool_choice import Chooser

_NAME = re.compile(r"(?!-)(?!.*__)[^\s\x00-\x1f\x7f]{1,64}")
_LISTS = {"tools": "--tools", "cache_allow": "--cache-allow", "cache_deny": "--cache-deny"}
_REPEATED = {"add_tools": "--add-tool", "remove_tools": "--remove-tool", "remove_env": "--remove-env"}
_REPEATED |= {"remove_headers": "--remove-header"}
_TEXTS = {"cwd": "--cwd", "cwd_mode": "--cwd-mode", "prefix": "--prefix"}
_TEXTS |= {"url": "--url", "transport": "--transport"}
_NUMBERS = {"call_timeout_ms": "--call-timeout", "request_body_max_bytes": "--request-body-max-bytes"}
_NUMBERS |= {"max_concurrency": "--concurrency"}
_SWITCHES = ("tools", "env", "cwd", "cache_policy", "call_timeout", "request_body_max_bytes")


def add(given: Given, config_option: str | None, choose: Chooser | None = None) -> int:
    """`server add`. Gives the exit code.

    Args:
        given: The command line.
        choose: Lets somebody choose tools; asked only on a terminal, unless it is given.
    """
    name = given.words[0]
    if not _NAME.fullmatch(name):
        raise refusal(
            given.command,
            f'"{name}" cannot be a server\'s name: it must be 1 to 64 characters without blanks,'
            ' must not begin with "-" and must not contain "__"',
        )
    change = read_change(given)
    made = new_entry(change)
    if change.tools is None and not given.on("--json") and not given.on("--no-probe"):
        if choose is None and sys.stdin.isatty() and sys.stdout.isatty():
            from callmux.cli.tool_choice import choose_tools

            choose = choose_tools
        if choose is not None:
            made = Changed(_with_choice(name, made.entry, choose), made.remarks)
    existed = False

    def make(old: Mapping[str, Any] | None) -> dict[str, Any]:
        nonlocal existed
        existed = old is not None
        return made.entry

    path = target_config(config_option, os.environ, Path.home())
    _save(path, name, make, create=True)
    _say(given, path, name, made, "added", replaced=existed)
    return 0


def change(given: Given, config_option: str | None) -> int:
    """`server set`. Gives the exit code."""
    name = given.words[0]
    wanted = read_change(given)
    if wanted.asks_for_nothing():
        raise refusal(given.command, "No server changes requested")
    path = _existing(config_option)
    changed = Changed({}, [])

    def make(old: Mapping[str, Any] | None) -> dict[str, Any]:
        nonlocal changed
        changed = changed_entry(_there(name, old), wanted)
        return changed.entry

    _save(path, name, make)
    _say(given, path, name, changed, "updated")
    return 0


def remove(given: Given, config_option: str | None) -> int:
    """`server remove`. Gives the exit code."""
    name = given.words[0]
    path = _existing(config_option)

    def make(old: Mapping[str, Any] | None) -> None:
        _there(name, old)

    _save(path, name, make)
    if given.on("--json"):
        print_json({"action": "removed", "configPath": str(path), "serverName": name})
    else:
        print(f'Removed server "{name}" from {path}')
    return 0


def read_change(given: Given) -> ServerChange:
    """What a command line of `server add` or `server set` asks for.

    Raises:
        UsageError: A value is malformed, or two flags exclude each other.
    """
    values: dict[str, Any] = {"command": tuple(given.rest or ())}
    if given.rest == []:
        raise refusal(given.command, "the command is missing after --")
    for attribute, flag in _LISTS.items():
        text = given.text(flag)
        if text is not None:
            values[attribute] = tuple(item for part in text.split(",") if (item := part.strip()))
    for attribute, flag in _REPEATED.items():
        values[attribute] = tuple(given.all(flag))
    for attribute, flag in _TEXTS.items():
        values[attribute] = given.text(flag)
    for attribute, flag in _NUMBERS.items():
        values[attribute] = given.number(flag)
    for attribute in _SWITCHES:
        values[f"clear_{attribute}"] = given.on("--clear-" + attribute.replace("_", "-"))
    values["env"] = _pairs(given, "--env", "=", "KEY=VALUE")
    values["env_refs"] = _pairs(given, "--env-ref", "=", "KEY=env:NAME or KEY=file:PATH")
    headers = _pairs(given, "--header", ":", "NAME:VALUE")
    values["headers"] = {key: value.strip() for key, value in headers.items()}
    values["forward_headers"] = tuple(given.all("--forward-header")) or None
    off, on = given.on("--disable") or given.on("--disabled"), given.on("--enable")
    if off and on:
        raise refusal(given.command, "--disable and --enable exclude each other")
    values["disabled"] = off if off or on else None
    return ServerChange(**values)


def _pairs(given: Given, flag: str, sign: str, form: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in given.all(flag):
        key, found, value = text.partition(sign)
        if not found or not key.strip():
            # What stands there may be a secret.
            raise refusal(given.command, f"{flag} must be {form}")
        pairs[key.strip()] = value
    return pairs


def _existing(config_option: str | None) -> Path:
    path = find_config(config_option, os.environ, Path.home())
    if path is None or not path.exists():
        shown = path or target_config(config_option, os.environ, Path.home())
        raise ConfigMissing(f'No callmux config found at {shown}: create one with "callmux init"')
    return path


def _there(name: str, entry: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if entry is None:
        raise LookupError(name)
    return entry


def _save(
    path: Path,
    name: str,
    make: Callable[[Mapping[str, Any] | None], Mapping[str, Any] | None],
    *,
    create: bool = False,
) -> None:
    """Puts what `make` makes of an entry in its place; None takes it out."""

    name_of_file = str(path)

    def edit(text: str) -> str:
        if create and not text.strip():
            text = write(name_of_file, empty_document())
        servers = _servers(parse(name_of_file, text))
        old = servers.get(name)
        try:
            new = make(old if isinstance(old, dict) else None if name not in servers else {})
        except LookupError:
            known = list(servers)
            raise UsageError(f'Server "{name}" not found in {path}{nearest(name, known)}') from None
        where = ["servers", name]
        if new is None:
            text = delete_value(name_of_file, text, where)
        else:
            text = set_value(name_of_file, text, where, new)
        problems = check_document(parse(name_of_file, text)).errors
        if problems:
            raise ConfigError([*problems, f"nothing was written to {path}"])
        return text

    edit_text(path, edit)


def _servers(document: object) -> Mapping[str, Any]:
    servers = document.get("servers") if isinstance(document, dict) else None
    if not isinstance(servers, dict):
        raise UsageError(
            'Managed server commands require native callmux config with a top-level "servers" object'
            ' (rename "mcpServers" to "servers" to use them)'
        )
    return servers


def _with_choice(name: str, entry: Mapping[str, Any], choose: Chooser) -> dict[str, Any]:
    import asyncio

    server = _checked(name, entry)
    chosen = asyncio.run(choose(name, server))
    return {**entry, **({} if chosen is None else {"tools": chosen})}


def _checked(name: str, entry: Mapping[str, Any]) -> StdioServer | HttpServer:
    server, problems, _ = check_server(dict(entry), f"servers.{name}")
    if server is None:
        raise ConfigError(problems)
    return server


def _say(
    given: Given, path: Path, name: str, changed: Changed, action: str, *, replaced: bool = False
) -> None:
    for remark in changed.remarks:
        print(f"Note: {remark}", file=sys.stderr)
    server = _checked(name, changed.entry)
    if given.on("--json"):
        more = {"replaced": True} if replaced else {}
        print_json({"action": action, "configPath": str(path), "server": entry(name, server), **more})
    elif replaced:
        print(f'Replaced server "{name}" in {path} (the old file is {path.name}.bak)')
    else:
        print(f'{action.capitalize()} server "{name}" {"to" if action == "added" else "in"} {path}')
