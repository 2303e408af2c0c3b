"""All commands, in the order and under the headings of the help.

Called by `callmux.cli.help`, `callmux.cli.manual` and `callmux.cli.completion`, and by the tests that hold
the table to what the commands do. Running a command loads only its own part.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from callmux.cli.commands import COMMANDS
from callmux.cli.grammar.terms import Command

SECTIONS: dict[str, tuple[str, ...]] = {
    "Run": ("bridge", "demo"),
    "Call tools from a shell": ("call", "parallel", "batch", "pipeline", "list", "tools"),
    "Configure": (
        "setup",
        "discover",
        "init",
        "server",
        "client",
        "instructions",
        "skill",
        "config",
        "secret",
        "login",
        "logout",
        "token",
        "migrate",
    ),
    "Look after": ("dashboard", "approve", "top", "ps", "doctor", "explain", "daemon"),
    "Help": ("help", "completion"),
}
"""Every name of `callmux.cli.commands.COMMANDS`, once."""


def run_mode() -> Command:
    """`callmux` without a command."""
    from callmux.cli.grammar import serve

    return serve.COMMANDS[0]


def command(name: str) -> Command:
    """A command by its first word.

    Raises:
        KeyError: There is none of this name.
    """
    module = import_module(f"callmux.cli.grammar.{COMMANDS[name]}")
    found: Command = next(command for command in module.COMMANDS if command.name == name)
    return found


def everything() -> Iterator[Command]:
    """Run mode, then every command followed by its sub-commands."""
    yield run_mode()
    for names in SECTIONS.values():
        for name in names:
            yield from with_subcommands(command(name))


def with_subcommands(command: Command) -> Iterator[Command]:
    yield command
    for sub in command.subcommands:
        yield from with_subcommands(sub)
