"""`callmux migrate`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.shared import DRY_RUN, JSON, YES
from callmux.cli.grammar.terms import Command, Example, Option

COMMANDS = (
    Command(
        "migrate",
        "take over from callmux for Node",
        options=(
            YES._replace(help="do it; without it nothing is written"),
            DRY_RUN._replace(help="write nothing, whatever else is said"),
            Option("--undo", "take the last migration back"),
            JSON,
        ),
        examples=(
            Example("callmux migrate", "what stays and what would change"),
            Example("callmux migrate --yes", "change it"),
            Example("callmux migrate --undo", "every file as it was"),
        ),
        notes=(
            "Looked at are the configuration, changes made at run time, histories, the kept token, service"
            " files, and the entries of all clients. Done twice, the second time changes nothing.",
        ),
    ),
)
