"""`callmux server`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.shared import JSON
from callmux.cli.grammar.terms import Command, Example

COMMANDS = (
    Command(
        "server",
        "the servers of the configuration",
        subcommands=(
            Command(
                "server list",
                "show the configured servers, without their secrets",
                options=(JSON,),
                examples=(Example("callmux server list", "every server, as it is configured"),),
            ),
        ),
    ),
)
