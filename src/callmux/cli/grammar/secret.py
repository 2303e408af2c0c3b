"""`callmux secret`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.shared import JSON
from callmux.cli.grammar.terms import Argument, Command, Example, Option

_NAME = Argument("NAME", "what the secret is called in references: keyring:NAME")

COMMANDS = (
    Command(
        "secret",
        "keep secrets for keyring: references, in the system's keyring or in files of mode 0600",
        subcommands=(
            Command(
                "secret set",
                "keep a secret, or replace it",
                arguments=(_NAME,),
                examples=(
                    Example("callmux secret set github", "asks for the value, and shows nothing of it"),
                    Example("gh auth token | callmux secret set github", "takes it from stdin"),
                ),
                notes=(
                    "The value never stands on the command line, where others could see it. In the"
                    ' configuration write "keyring:NAME", or "Bearer ${keyring:NAME}" inside of a text.',
                ),
            ),
            Command(
                "secret list",
                "show the names of all secrets, and where each is",
                options=(JSON,),
                examples=(Example("callmux secret list", "names and places, never values"),),
            ),
            Command(
                "secret move",
                "move secrets that stand in the configuration to where keyring: references find them",
                arguments=(Argument("SERVER", "only of these servers", required=False, repeat=True),),
                options=(Option("--yes", "without asking; without a terminal nothing is moved otherwise"),),
                examples=(
                    Example("callmux secret move", "shows what it finds, asks, and writes references"),
                ),
            ),
            Command(
                "secret remove",
                "forget a secret",
                arguments=(_NAME,),
                examples=(
                    Example("callmux secret remove github", "servers that refer to it fail from now on"),
                ),
                aliases=("rm",),
            ),
        ),
    ),
)
