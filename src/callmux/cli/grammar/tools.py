"""`callmux tools`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.shared import DIRECT_NOTE, JSON, REACHING, SERVER, TOKEN_NOTE
from callmux.cli.grammar.terms import Argument, Command, Example, Option

SERVER_TOOLS = Option("--server", "only the tools of this server", "NAME")
QUIET = Option("--quiet", "print nothing if there are no tools")

COMMANDS = (
    Command(
        "tools",
        "show the available tools",
        subcommands=(
            Command(
                "tools list",
                "name every tool, with the first line of its description",
                options=(JSON, SERVER_TOOLS, QUIET, *REACHING),
                examples=(
                    Example("callmux tools list", "all tools"),
                    Example("callmux tools list --server github --json", "those of a server, as JSON"),
                ),
                usage_exit=2,
            ),
            Command(
                "tools schema",
                "show what a tool takes",
                arguments=(Argument("TOOL", "its name"),),
                options=(JSON, *REACHING, SERVER),
                examples=(Example("callmux tools schema get_issue", "its description and input schema"),),
                usage_exit=2,
            ),
            Command(
                "tools search",
                "find tools whose name or description holds a text",
                arguments=(Argument("QUERY", "the text; capitals do not matter"),),
                options=(JSON, SERVER_TOOLS, QUIET, *REACHING),
                examples=(Example("callmux tools search issue", "every tool about issues"),),
                usage_exit=2,
            ),
        ),
        notes=(DIRECT_NOTE, TOKEN_NOTE),
        usage_exit=2,
    ),
)
