"""`callmux discover`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.shared import JSON
from callmux.cli.grammar.terms import Command, Example, Option

COMMANDS = (
    Command(
        "discover",
        "show the MCP servers that all your clients have",
        options=(
            Option("--no-project", "leave the files of the project in this directory out"),
            JSON,
        ),
        examples=(
            Example("callmux discover", "every client, every server, and whether setup would move it"),
            Example("callmux discover --json", "the same for a script"),
        ),
        notes=(
            "Reads the files of Claude Code, Codex, Claude Desktop, Cursor, VS Code, Windsurf and Gemini CLI,"
            " and those of the project in the current directory. It starts no server and changes nothing;"
            " secrets are hidden. It assumes that every client on this machine gets callmux.",
        ),
    ),
)
