"""`callmux client`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.shared import DRY_RUN, JSON, YES
from callmux.cli.grammar.terms import Argument, Command, Example, Option

KINDS = ("claude", "codex", "claude-desktop", "cursor", "vscode", "windsurf", "gemini", "generic")

_KIND = Argument("CLIENT", f"one of {', '.join(KINDS)}", choices=KINDS)
_NAME = Option("--name", "what the entry is called", "ID", default="callmux")
_URL = Option("--url", "the entry leads to this listener; /mcp is added if the URL has no path", "URL")
_BRIDGE = Option("--bridge", "with --url: through a bridge, which survives restarts of the listener")
_TOKEN_ENV = Option("--token-env", "with --url: the client sends the token of this variable", "NAME")
_FILE = Option("--file", "another file than the client's own", "PATH")
_YES = YES.but(help="write the change; without --yes nothing is written")
_DRY_RUN = DRY_RUN.but(help="write nothing, even with --yes")
_TOKENS = (
    Option("--token", "keep this token for the bridge and the shell commands; others can see it", "TOKEN"),
    Option("--token-file", "the same, from a file", "PATH"),
)

COMMANDS = (
    Command(
        "client",
        "enter callmux into the files of MCP clients",
        subcommands=(
            Command(
                "client print",
                "print the entry, change nothing",
                arguments=(_KIND,),
                options=(_NAME, _URL, _BRIDGE, _TOKEN_ENV),
                examples=(
                    Example("callmux client print claude", "one process a session"),
                    Example("callmux client print generic", "for any client with an mcpServers file"),
                ),
            ),
            Command(
                "client attach",
                "put the entry into a client's file",
                arguments=(_KIND,),
                options=(_NAME, _URL, _BRIDGE, _TOKEN_ENV, *_TOKENS, _FILE, _DRY_RUN, _YES, JSON),
                examples=(
                    Example("callmux client attach claude", "show what would change"),
                    Example("callmux client attach claude --yes", "change it"),
                    Example(
                        "callmux client attach codex --url http://127.0.0.1:4860/mcp --bridge --yes",
                        "all sessions share a listener",
                    ),
                ),
                notes=(
                    "Only the entry itself changes: order, comments and everything else stay as they are"
                    " written. What was there is kept under ~/.config/callmux/backups. An entry of that name"
                    " that is not callmux's is left alone.",
                ),
            ),
            Command(
                "client detach",
                "take the entry out of a client's file",
                arguments=(_KIND,),
                options=(_NAME, _URL, _BRIDGE, *_TOKENS, _FILE, _DRY_RUN, _YES, JSON),
                examples=(Example("callmux client detach claude --yes", "and nothing else of the file"),),
            ),
            Command(
                "client status",
                "show whether the entry is there and as expected",
                arguments=(_KIND.but(required=False),),
                options=(
                    _NAME,
                    _URL,
                    _BRIDGE,
                    _TOKEN_ENV,
                    _FILE,
                    Option("--all", "every client, not only Claude Code and Codex"),
                    JSON,
                ),
                examples=(Example("callmux client status --all", "every client of this machine"),),
            ),
            Command(
                "client upgrade",
                "let entries that run callmux through npx run this one",
                arguments=(_KIND.but(required=False),),
                options=(_FILE, _DRY_RUN, _YES, JSON),
                examples=(
                    Example("callmux client upgrade", "show what would change, in all clients' files"),
                    Example("callmux client upgrade --yes", "change it; arguments stay as they are"),
                ),
            ),
        ),
    ),
)
