"""Flags that several commands have. Used by the modules of `callmux.cli.grammar`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.terms import Command, Option

CONFIG = Option("--config", "the configuration file", "PATH", default="~/.config/callmux/config.json")
HELP = Option("--help", "print this, or the help of a command; also -h", aliases=("-h",))
EVERYBODYS = Command("", "what every command takes, and run mode", options=(CONFIG, HELP))

PRINCIPAL = Option(
    "--principal",
    "whose sign-in it is, where the listener has auth: as rules name him (bearer:ann)",
    "PRINCIPAL",
)
JSON = Option("--json", "print JSON")
YES = Option("--yes", "do it without asking")
DRY_RUN = Option("--dry-run", "show what would be done, change nothing")

URL = Option(
    "--url",
    "the listener; /mcp is added if the URL has no path",
    "URL",
    default="http://127.0.0.1:4860/mcp",
)
CWD = Option(
    "--cwd", "the working directory that the call is made from", "DIR", default="the current directory"
)
HEADER = Option("--header", "a header for the listener", "NAME:VALUE", repeat=True)
TOKEN = Option("--token", "the listener's token; others can see it in the list of processes", "TOKEN")
TOKEN_FILE = Option("--token-file", "a file with the listener's token", "PATH")
CALL_TIMEOUT = Option(
    "--call-timeout", "time for the whole exchange; 0 for no limit", "MS", minimum=0, default="0"
)
VERBOSE = Option("--verbose", "say on stderr what is called, and where the token comes from")

DIRECT = Option("--direct", "use no listener: start the servers of the configuration, only for this command")
STDIO = Option("--stdio", "use no listener: start this server, only for this command", "'COMMAND ARG...'")
SERVER = Option("--server", "with --direct, start only this server", "NAME")

LOGGING = (
    Option(
        "--log-level",
        "the least level that is logged",
        "LEVEL",
        choices=("debug", "info", "warning", "error"),
        default="info",
    ),
    Option("--log-file", "log to this file instead of stderr; it may be rotated at any time", "PATH"),
    Option(
        "--log-format",
        "how log lines look",
        "FORMAT",
        choices=("text", "json"),
        default="text",
    ),
)
"""The log of what runs for long."""

REACHING = (URL, CWD, HEADER, TOKEN, TOKEN_FILE, CALL_TIMEOUT, VERBOSE, DIRECT, STDIO)
"""How a running listener is reached, or what is started instead."""

DIRECT_NOTE = (
    "Without a listener: --direct starts the servers of the default configuration, --config PATH those of "
    "that file, --stdio 'COMMAND ARG...' a single server. These servers end with the command. --url may "
    "also be the address of any MCP server that speaks Streamable HTTP."
)

TOKEN_NOTE = (
    "The token comes from CALLMUX_TOKEN, --token, --token-file, or the token kept by "
    '"callmux client attach", in this order. The kept token goes only to the listener that it was kept for. '
    "--header Authorization:... replaces them all."
)
