"""`callmux config`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.shared import JSON
from callmux.cli.grammar.terms import Command, Example, Option

COMMANDS = (
    Command(
        "config",
        "show the format of the configuration, and check a file",
        subcommands=(
            Command(
                "config schema",
                "print the JSON Schema of the configuration",
                examples=(Example("callmux config schema", "for an editor, to a file"),),
            ),
            Command(
                "config check",
                "report every problem of a file; start nothing",
                options=(JSON,),
                examples=(Example("callmux config check --config team.json", "exit code 1 for a problem"),),
            ),
            Command(
                "config hash",
                "turn a bearer token into the hash that auth.tokens takes",
                options=(Option("--new", "make a token, too"), JSON),
                examples=(
                    Example("callmux config hash < token.txt", "the token comes from stdin, or is asked for"),
                    Example("callmux config hash --new", "a new token and its hash"),
                ),
            ),
        ),
    ),
)
