"""`callmux bridge`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.shared import CWD, HEADER, LOGGING, TOKEN, TOKEN_FILE
from callmux.cli.grammar.terms import Command, Example, Option

COMMANDS = (
    Command(
        "bridge",
        "connect a client on stdio to a listener, and stay connected when the listener restarts",
        options=(
            Option("--url", "the listener, with its path; required", "URL"),
            CWD,
            HEADER,
            TOKEN,
            TOKEN_FILE,
            Option("--call-timeout", "for each request; 0 for no limit", "MS", minimum=0),
            Option("--autostart", "start the listener on this machine if none answers"),
            Option(
                "--idle-exit",
                "how long a listener that the bridge started runs without a session",
                "SECONDS",
                minimum=0,
                default="600",
            ),
            *LOGGING,
        ),
        examples=(
            Example("callmux bridge --url http://127.0.0.1:4860/mcp", "a client's entry for a listener"),
            Example(
                "callmux bridge --url http://127.0.0.1:4860/mcp --autostart",
                "the same, and start the listener if it does not run",
            ),
        ),
    ),
)
