"""`callmux list`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.shared import DIRECT_NOTE, JSON, REACHING, TOKEN_NOTE
from callmux.cli.grammar.terms import Command, Example
from callmux.cli.grammar.tools import QUIET, SERVER_TOOLS

COMMANDS = (
    Command(
        "list",
        "name every tool; the same as tools list",
        options=(JSON, SERVER_TOOLS, QUIET, *REACHING),
        examples=(
            Example("callmux list", "the tools of the running listener"),
            Example("callmux list --direct", "those of the configuration, without a listener"),
            Example("callmux list --stdio 'npx -y @modelcontextprotocol/server-memory'", "those of a server"),
        ),
        notes=(DIRECT_NOTE, TOKEN_NOTE),
        usage_exit=2,
    ),
)
