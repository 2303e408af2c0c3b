"""`callmux doctor`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.shared import JSON
from callmux.cli.grammar.terms import Command, Example

COMMANDS = (
    Command(
        "doctor",
        "check the configuration and probe every server",
        options=(JSON,),
        examples=(Example("callmux doctor", "exit code 1 where anything is wrong"),),
    ),
)
