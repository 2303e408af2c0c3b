"""`callmux init`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.terms import Command, Example, Option

PROFILES = ("dev", "staging", "prod")

COMMANDS = (
    Command(
        "init",
        "write a configuration to begin with",
        options=(
            Option("--force", "replace the file that is there; it is kept as .bak"),
            Option(
                "--preset",
                "one word for several keys: lean costs agents the least context",
                "NAME",
                choices=("lean",),
            ),
            Option("--profile", "begin with what a listener for others needs", "NAME", choices=PROFILES),
        ),
        examples=(
            Example("callmux init", "~/.config/callmux/config.json"),
            Example("callmux init --preset lean", "recommended: the least context"),
            Example("callmux init --config team.json", "another file"),
            Example("callmux init --profile prod --config /etc/callmux/config.json", "for a team"),
        ),
    ),
)
