"""`callmux server add`, `set` and `remove`: change one entry of the configuration, nothing else.

Called by `callmux.cli.server`. The change itself is `callmux.config.server_change`, its writing
`callmux.cli.server_saving`; `callmux.cli.server_words` reads what stands before and after `--`.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from callmux.cli.console import print_json
from callmux.cli.parsing import Given, refusal
from callmux.cli.server_processes import of_entry, said, with_mode
from callmux.cli.server_saving import (
    Declined,
    checked_entry,
    existing_config,
    save_entry,
    there,
    written_entry,
)
from callmux.cli.server_words import target
from callmux.cli.shown_server import entry, shown_target
from callmux.config.load import load_config, target_config
from callmux.config.server_change import Changed, ServerChange, changed_entry, new_entry
from callmux.config.servers import StdioServer
from callmux.errors import ConfigMissing

if TYPE_CHECKING:
    from callmux.cli.tool_choice import Chooser
    from callmux.setup.processes import CwdChoice

    Decide: TypeAlias = Callable[[str, StdioServer, Path, CwdChoice], Coroutine[Any, Any, CwdChoice]]

_NAME = re.compile(r"(?!-)(?!.*__)[^\s\x00-\x1f\x7f]{1,64}")
_LISTS = {"tools": "--tools", "cache_allow": "--cache-allow", "cache_deny": "--cache-deny"}
_REPEATED = {"add_tools": "--add-tool", "remove_tools": "--remove-tool", "remove_env": "--remove-env"}
_REPEATED |= {"remove_headers": "--remove-header"}
_REPEATED |= {"deny_tools": "--deny-tool", "allow_tools": "--allow-tool"}
_TEXTS = {"cwd": "--cwd", "cwd_mode": "--cwd-mode", "prefix": "--prefix"}
_TEXTS |= {"url": "--url", "transport": "--transport"}
_NUMBERS = {"call_timeout_ms": "--call-timeout", "request_body_max_bytes": "--request-body-max-bytes"}
_NUMBERS |= {"max_concurrency": "--concurrency"}
_SWITCHES = ("tools", "env", "cwd", "cache_policy", "call_timeout", "request_body_max_bytes")


def add(
    given: Given,
    config_option: str | None,
    choose: Chooser | None = None,
    agrees: Callable[[str], bool] | None = None,
    decide: Decide | None = None,
) -> int:
    """`server add`. Gives the exit code.

    Args:
        given: The command line.
        choose: Lets somebody choose tools; asked only on a terminal, unless it is given.
        agrees: Asks a question about replacing a server; the same.
        decide: Finds out whether the server needs one process for each directory; the same.
    """
    name = given.words[0]
    check_name(given, name)
    change = read_change(given)
    path = target_config(config_option, os.environ, Path.home())
    written, url = target(given)
    if url is not None:
        if change.url is not None:
            raise refusal(given.command, "give one URL, after NAME or with --url")
        change = msgspec.structs.replace(change, url=url)
    made = new_entry(change) if written is None else changed_entry(written, change)
    checked_entry(name, made.entry)
    before = written_entry(path, name)
    found = of_entry(made.entry, before)
    if found is not None and not found.guessed:
        made = _decided(made, found)
    on_terminal = sys.stdin.isatty() and sys.stdout.isatty() and not given.on("--json")
    if before is not None and before != made.entry and not given.on("--yes"):
        if agrees is None and on_terminal:
            agrees = ask_yes_no
        if agrees is not None and not agrees(
            f'"{name}" is there already: {shown_target(name, before)}. Replace it?'
        ):
            print("Nothing was changed.")
            return 0
    if change.tools is None and not given.on("--json") and not given.on("--no-probe"):
        if choose is None and on_terminal:
            from callmux.cli.tool_choice import choose_tools

            choose = partial(choose_tools, base_dir=path.parent, kept=_keeps_listings(path))
        if choose is not None:
            try:
                made = Changed(_with_choice(name, made.entry, choose), made.remarks)
            except Declined as declined:
                print(declined.message)
                return 1
    if found is not None and found.guessed:
        if decide is None and on_terminal and not given.on("--no-probe"):
            from callmux.cli.server_processes import asked as decide
        server = checked_entry(name, made.entry)
        if decide is not None and isinstance(server, StdioServer):
            import asyncio

            found = asyncio.run(decide(name, server, path.parent, found))
        made = _decided(made, found)
    replaced: Mapping[str, Any] | None = None

    def make(old: Mapping[str, Any] | None) -> dict[str, Any]:
        nonlocal replaced
        replaced = old
        return made.entry

    save_entry(path, name, make, create=True)
    _say(given, path, name, made, "added", replaced=replaced)
    return 0


def check_name(given: Given, name: str) -> None:
    """Refuses what cannot be the name of a server.

    Raises:
        UsageError: It cannot.
    """
    if not _NAME.fullmatch(name):
        raise refusal(
            given.command,
            f'"{name}" cannot be a server\'s name: it must be 1 to 64 characters without blanks,'
            ' must not begin with "-" and must not contain "__"',
        )


def ask_yes_no(question: str) -> bool:
    """Asks at the terminal; gives whether the answer is yes. Return alone means no."""
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def change(given: Given, config_option: str | None) -> int:
    """`server set`. Gives the exit code."""
    name = given.words[0]
    wanted = read_change(given)
    if wanted.asks_for_nothing():
        raise refusal(given.command, "No server changes requested")
    path = existing_config(config_option)
    changed = Changed({}, [])

    def make(old: Mapping[str, Any] | None) -> dict[str, Any]:
        nonlocal changed
        changed = changed_entry(there(name, old), wanted)
        return changed.entry

    save_entry(path, name, make)
    _say(given, path, name, changed, "updated")
    return 0


def remove(given: Given, config_option: str | None) -> int:
    """`server remove`. Gives the exit code."""
    name = given.words[0]
    path = existing_config(config_option)

    def make(old: Mapping[str, Any] | None) -> None:
        there(name, old)

    save_entry(path, name, make)
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
    values["env_refs"] = _pairs(
        given, "--env-ref", "=", "KEY=env:NAME, KEY=file:PATH, KEY=keyring:NAME or KEY=cmd:COMMAND"
    )
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


def _decided(made: Changed, found: CwdChoice) -> Changed:
    return Changed(with_mode(made.entry, found), [*made.remarks, said(found)])


def _keeps_listings(path: Path) -> bool:
    """Whether the configuration lets listings be kept."""
    with suppress(ConfigMissing):
        return load_config(path, os.environ, resolve=False).config.keep_listings
    return True


def _with_choice(name: str, entry: Mapping[str, Any], choose: Chooser) -> dict[str, Any]:
    import asyncio

    server = checked_entry(name, entry)
    chosen = asyncio.run(choose(name, server))
    return {**entry, **({} if chosen is None else {"tools": chosen})}


def _say(
    given: Given,
    path: Path,
    name: str,
    changed: Changed,
    action: str,
    *,
    replaced: Mapping[str, Any] | None = None,
) -> None:
    for remark in changed.remarks:
        print(f"Note: {remark}", file=sys.stderr)
    server = checked_entry(name, changed.entry)
    if given.on("--json"):
        more = {} if replaced is None else {"replaced": True}
        print_json({"action": action, "configPath": str(path), "server": entry(name, server), **more})
    elif replaced is not None:
        print(f'Replaced server "{name}" in {path}')
        print(f"  before: {shown_target(name, replaced)}")
        print(f"  now:    {shown_target(name, changed.entry)}")
        print(f"  the file as it was: {path.name}.bak")
    else:
        print(f'{action.capitalize()} server "{name}" {"to" if action == "added" else "in"} {path}')
