"""`callmux bridge`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.shared import CWD, HEADER, TOKEN, TOKEN_FILE
from callmux.cli.grammar.terms import Command, Example, Option

COMMANDS = (
    Command(
        "bridge",
        "speak MCP on stdio for a client, with a listener behind it that may come and go",
        options=(
            Option("--url", "the listener, with its path; required", "URL"),
            CWD,
            HEADER,
            TOKEN,
            TOKEN_FILE,
            Option("--call-timeout", "for each request; 0 for no bound of its own", "MS", minimum=0),
            Option("--autostart", "start the listener on this machine where none answers"),
            Option(
                "--idle-exit",
                "how long a listener that was started stays without a session",
                "SECONDS",
                minimum=0,
                default="600",
            ),
        ),
        examples=(
            Example("callmux bridge --url http://127.0.0.1:4860/mcp", "a client's entry for a listener"),
            Example(
                "callmux bridge --url http://127.0.0.1:4860/mcp --autostart",
                "the same, and start it where it does not run",
            ),
        ),
    ),
)
