"""`callmux doctor`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.shared import HEADER, JSON, TOKEN, TOKEN_FILE
from callmux.cli.grammar.terms import Command, Example, Option

NAMES = ("claude-code", "claude", "codex", "gemini", "code", "searching")
"""The kinds of clients of which something is known (`callmux.router.personas`); `claude` is what
`callmux client` calls the first."""

COMMANDS = (
    Command(
        "doctor",
        "check the configuration, its servers and the clients, or a running listener",
        options=(
            Option("--url", "check this listener instead; /mcp is added if the URL has no path", "URL"),
            Option("--cwd", "with --url: check that the listener uses this directory", "DIR"),
            HEADER,
            TOKEN,
            TOKEN_FILE,
            Option(
                "--client", "show what reaches the model of this client, in tokens", "NAME", choices=NAMES
            ),
            JSON,
        ),
        examples=(
            Example("callmux doctor", "exit code 1 if anything is wrong"),
            Example("callmux doctor --client claude-code", "what Claude Code shows its model of callmux"),
            Example("callmux doctor --url http://127.0.0.1:4860 --json", "a running listener, for a script"),
        ),
        notes=(
            "Without --url: the configuration, every server (started, asked for its tools, stopped), the"
            " Redis of state, and what MCP clients have entered for callmux. With --url: whether the listener"
            " is reached, healthy and ready, its version, one session with its tools; tokens are found as by"
            " callmux call.",
        ),
    ),
)
