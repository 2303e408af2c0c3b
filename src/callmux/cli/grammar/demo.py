"""`callmux demo`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.terms import Command, Example, Option

COMMANDS = (
    Command(
        "demo",
        "see what callmux does, with two small servers that come with it",
        options=(
            Option(
                "--calls",
                "issues to read and to comment on",
                "N",
                minimum=1,
                maximum=200,
                default="12",
            ),
            Option(
                "--delay",
                "what a call takes in the example servers",
                "MS",
                minimum=0,
                maximum=10_000,
                default="150",
            ),
            Option("--json", "the trace of all messages, and the table computed from it"),
            Option("--callmux", "another callmux to run it with, as one string", "COMMAND"),
        ),
        examples=(Example("callmux demo", "one task call by call, then with the callmux_* tools"),),
    ),
)
