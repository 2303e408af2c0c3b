"""`callmux login`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.shared import JSON, PRINCIPAL
from callmux.cli.grammar.terms import Argument, Command, Example, Option

COMMANDS = (
    Command(
        "login",
        "sign in to remote servers that want it (OAuth)",
        arguments=(Argument("NAME", "the server's key; all that need a sign-in without it", required=False),),
        options=(
            Option("--status", "show the sign-ins that are kept, and ask nobody"),
            Option("--device", "sign in by a code that is entered at another device"),
            Option("--no-browser", "open no browser here: only show the address"),
            Option("--timeout", "how long a person has", "SECONDS", minimum=1, maximum=3600, default="300"),
            PRINCIPAL,
            JSON,
        ),
        examples=(
            Example("callmux login linear", "opens a browser; over ssh it shows an address to open anywhere"),
            Example("callmux login", "one after the other, all servers that need it"),
            Example("callmux login --status", "who is signed in where, and for how long"),
        ),
        notes=(
            "Without a browser on this machine, open the address anywhere. Its last page does not load there:"
            " copy the address of that page and paste it at the prompt.",
            "A running callmux uses the sign-in at once. Tokens are kept in the system's keyring, or in files"
            " of mode 0600; the command says which.",
        ),
    ),
)
