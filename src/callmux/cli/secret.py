"""`callmux secret`: keeps secrets for `keyring:` references, lists their names, forgets them.

Called by `callmux.cli.main`. Where they are kept is decided by `callmux.secrets.vault`, and said each time.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from callmux.cli.console import print_json, print_lines
from callmux.cli.grammar.secret import COMMANDS
from callmux.cli.parsing import Given, read, refusal
from callmux.config.secrets import MAX_BYTES
from callmux.errors import UsageError
from callmux.secrets.vault import Vault, checked, vault_of
from callmux.text import BOM, text_of


def run(args: list[str], config_option: str | None) -> int:
    """Gives the exit code."""
    if args[:1] == ["set"] and len([word for word in args if not word.startswith("-")]) > 2:
        # Whatever the words are, they must not be repeated.
        raise UsageError(
            "The value of a secret never stands on the command line: everybody on this machine could see"
            ' it there, and it would be in the history of the shell. Use "callmux secret set NAME", or a pipe'
        )
    given = read(COMMANDS[0], args)
    vault = vault_of(os.environ)
    if given.command.word == "list":
        return _list(vault, given)
    if given.command.word == "move":
        return _move(vault, given, config_option)
    name = checked(given.words[0])
    if given.command.word == "remove":
        if not vault.remove(name):
            print(f'There is no secret "{name}".', file=sys.stderr)
            return 1
        print(f'Removed the secret "{name}".')
        return 0
    vault.set(name, _value(given, name))
    print(f'Kept the secret "{name}" in {vault.place}.')
    print(f'Write "keyring:{name}" in the configuration, or "${{keyring:{name}}}" inside of a text.')
    print("A server that runs gets it when it is connected anew: callmux server restart SERVER")
    return 0


def _value(given: Given, name: str) -> str:
    if sys.stdin.isatty():
        from getpass import getpass

        value = getpass(f'Value of "{name}" (it is not shown): ').strip()
    else:
        data = sys.stdin.buffer.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise refusal(given.command, f"a secret has at most {MAX_BYTES} bytes")
        value = text_of(data, "stdin").removeprefix(BOM)
        value = value.removesuffix("\n").removesuffix("\r") if value.endswith("\n") else value
    if not value or "\0" in value:
        raise refusal(given.command, "a secret is a text, and not empty")
    return value


def _move(vault: Vault, given: Given, config_option: str | None) -> int:
    from callmux.cli.secret_move import offer, planned
    from callmux.config.load import find_config, target_config

    find_config(config_option, os.environ, Path.home())
    path = target_config(config_option, os.environ, Path.home())
    only = given.words or None
    if not planned(path, vault, only).places:
        print(f"No secret stands in {path}.")
        return 0

    def agree(question: str) -> bool:
        if given.on("--yes"):
            return True
        print(question)
        return sys.stdin.isatty() and input("[y/N] ").strip().lower() in ("y", "yes")

    print_lines(offer(path, vault, agree, only))
    return 0


def _list(vault: Vault, given: Given) -> int:
    names = vault.names()
    if given.on("--json"):
        secrets = [{"name": name, "kept": kept} for name, kept in names.items()]
        print_json({"place": vault.place, "secrets": secrets})
        return 0
    print_lines(f"{name}  ({kept})" for name, kept in names.items())
    print(f"New secrets are kept in {vault.place}.")
    return 0
