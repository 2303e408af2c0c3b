"""`callmux init`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.terms import Command, Example, Option

COMMANDS = (
    Command(
        "init",
        "write an empty configuration",
        options=(Option("--force", "replace the file that is there; it is kept as .bak"),),
        examples=(
            Example("callmux init", "~/.config/callmux/config.json"),
            Example("callmux init --config team.json", "another file"),
        ),
    ),
)
