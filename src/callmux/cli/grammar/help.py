"""`callmux help`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.terms import Argument, Command, Example, Option

COMMANDS = (
    Command(
        "help",
        "explain callmux or one of its commands",
        arguments=(Argument("COMMAND", "a command, and its sub-command", required=False, repeat=True),),
        options=(Option("--markdown", "everything about every command, as docs/cli.md has it"),),
        examples=(
            Example("callmux help", "all commands"),
            Example("callmux help server list", "one; the same as callmux server list --help"),
        ),
    ),
)
