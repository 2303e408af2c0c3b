"""`callmux migrate`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.shared import DRY_RUN, JSON, YES
from callmux.cli.grammar.terms import Command, Example, Option

COMMANDS = (
    Command(
        "migrate",
        "take over from callmux for Node, or the servers of another program's file",
        options=(
            YES.but(help="write the changes; without --yes nothing is written"),
            DRY_RUN.but(help="write nothing, even with --yes"),
            Option("--from", "take over the servers of this file instead", "PATH"),
            Option("--undo", "undo the last migration"),
            JSON,
        ),
        examples=(
            Example("callmux migrate", "what stays and what would change"),
            Example("callmux migrate --yes", "change it"),
            Example("callmux migrate --from mcp-servers-export.json", "what MetaMCP exported"),
            Example("callmux migrate --undo", "every file as it was"),
        ),
        notes=(
            "It looks at the configuration, changes made at run time, histories, the kept token, service"
            " files, and the entries of all clients. A second run changes nothing.",
            "With --from: any JSON or YAML file with mcpServers or servers, a config.toml of Codex, or the"
            " export of MetaMCP. The file stays as it is; no server is started. A server with"
            " settings that callmux cannot keep is left out, and the reason is shown.",
        ),
    ),
)
