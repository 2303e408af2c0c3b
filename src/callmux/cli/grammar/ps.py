"""`callmux ps`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.shared import JSON
from callmux.cli.grammar.terms import Command, Example

COMMANDS = (
    Command(
        "ps",
        "list the servers of every callmux that runs, with their processes, memory and sessions",
        options=(JSON,),
        examples=(
            Example("callmux ps", "every callmux of this user"),
            Example("callmux ps --config ./callmux.json", "those with this file only"),
        ),
        notes=(
            "A server has a process for all clients, and further ones for single directories, sessions,"
            " credentials or capabilities. Memory is that of the process and of what it started. How long a"
            " process has had nothing to do is shown where idleStopSeconds is set.",
            "Exit code 1 if nothing runs.",
        ),
    ),
)
