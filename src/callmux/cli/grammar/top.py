"""`callmux top`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.shared import HEADER, TOKEN, TOKEN_FILE
from callmux.cli.grammar.terms import Command, Example, Option

COMMANDS = (
    Command(
        "top",
        "show the servers, the calls that run and the rates, in a terminal",
        options=(
            Option("--url", "a listener elsewhere, by its dashboard; its usual path is added", "URL"),
            HEADER,
            TOKEN,
            TOKEN_FILE,
            Option("--interval", "seconds between two looks", "SECONDS", minimum=1, default="2"),
            Option("--once", "look once, for as long as one interval, and end"),
            Option("--json", "print what was seen as JSON; needs --once"),
        ),
        examples=(
            Example("callmux top", "every callmux of this user, until Ctrl-C"),
            Example("callmux top --once --json", "the same once, for a script"),
            Example("callmux top --url https://tools.example", "a listener whose dashboard is on"),
        ),
        notes=(
            "Without --url the command reaches every callmux that runs as the same user with a"
            " configuration file; with --config only those with that file. Calls are counted where"
            " metrics are on, which they are in a listener.",
            "Exit code 1 if nothing runs.",
        ),
    ),
)
