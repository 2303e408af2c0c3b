"""`callmux token`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.shared import JSON
from callmux.cli.grammar.terms import Command, Example

COMMANDS = (
    Command(
        "token",
        "make bearer tokens for a listener, and their hashes for its configuration",
        subcommands=(
            Command(
                "token new",
                "make a token and its hash",
                options=(JSON,),
                examples=(
                    Example("callmux token new", "the token goes to the client, the hash into auth.tokens"),
                ),
                notes=("The token is shown once and kept nowhere.",),
            ),
            Command(
                "token hash",
                "turn a token into its hash",
                options=(JSON,),
                examples=(
                    Example("callmux token hash < token.txt", "the token comes from stdin, or is asked for"),
                ),
            ),
        ),
    ),
)
