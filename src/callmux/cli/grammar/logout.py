"""`callmux logout`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.shared import PRINCIPAL
from callmux.cli.grammar.terms import Argument, Command, Example, Option

COMMANDS = (
    Command(
        "logout",
        "forget the sign-in to a remote server, and have its tokens revoked",
        arguments=(Argument("NAME", "the server's key", required=False),),
        options=(Option("--all", "of every server"), PRINCIPAL),
        examples=(Example("callmux logout linear", "its tokens are revoked and forgotten"),),
    ),
)
