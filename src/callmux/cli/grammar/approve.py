"""`callmux approve`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.terms import Argument, Command, Example, Option

COMMANDS = (
    Command(
        "approve",
        "answer for calls that wait for approval",
        arguments=(
            Argument(
                "ID", "what to answer, as the list names it; the list without", required=False, repeat=True
            ),
        ),
        options=(
            Option(
                "--for",
                "how long the answer holds: for this call, for the session of the client, or for the project",
                "SCOPE",
                choices=("once", "session", "project"),
                default="once",
            ),
            Option("--deny", "refuse the calls"),
            Option("--watch", "show whatever comes to wait and ask about it, until Ctrl-C"),
            Option("--remembered", "list what was allowed for projects"),
            Option("--forget", "drop what was allowed for projects: SERVER, SERVER__TOOL, or all", "NAME"),
            Option("--json", "print the list as JSON"),
        ),
        examples=(
            Example("callmux approve", "what waits; on a terminal, asks about each"),
            Example("callmux approve 3fa91c", "allow it this time"),
            Example("callmux approve 3fa91c --for session", "and not ask again about these tools"),
            Example("callmux approve 3fa91c --deny", "refuse it"),
            Example("callmux approve --watch", "a terminal that asks as calls come"),
        ),
        notes=(
            "Calls wait where the configuration has approve (see docs/approval.md). The command reaches"
            " every callmux that runs as the same user, with --config only those with that file. It allows"
            " something only on a terminal: a program is not a person.",
        ),
    ),
)
