"""`callmux explain`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.terms import Argument, Command, Example, Option

COMMANDS = (
    Command(
        "explain",
        "say what an error means, whether to repeat, who acts, and the next step",
        arguments=(
            Argument(
                "ID",
                "an error code, code.category, the state of a server, or an HTTP status; all of them without",
                required=False,
            ),
        ),
        options=(
            Option("--json", "as JSON"),
            Option("--markdown", "all of them, as docs/errors.md has them"),
        ),
        examples=(
            Example("callmux explain downstream_unavailable", "an error code"),
            Example("callmux explain reconnecting", "the state of a server"),
            Example("callmux explain 401", "an HTTP status of a listener"),
        ),
    ),
)
