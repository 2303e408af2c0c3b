"""Run mode and the listener: `callmux` without a command. Pure.

Read by `callmux.cli.main`; `callmux.cli.inline` and `callmux.cli.listen` say what they mean. A test holds
them to this table.
"""

from __future__ import annotations

from callmux.cli.grammar.shared import CONFIG, HELP, LOGGING
from callmux.cli.grammar.terms import Command, Example, Option

INLINE_OPTIONS = (
    Option("--tools", "expose only these tools", "A,B"),
    Option("--env", "a variable for the server", "KEY=VALUE", repeat=True),
    Option("--url", "the server is reached over HTTP, instead of a COMMAND", "URL"),
    Option(
        "--transport",
        "the transport of the server at --url",
        "KIND",
        choices=("streamable-http", "sse"),
    ),
    Option("--header", "a header for the server at --url", "NAME:VALUE", repeat=True),
    Option("--cache-allow", "cache these tools, even if they are not marked as read-only", "A,B"),
    Option("--cache-deny", "never cache these tools", "A,B"),
)
"""About a single server: not beside a configuration file."""

GLOBAL_OPTIONS = (
    Option("--cache", "keep results of read-only tools", "SECONDS", minimum=0, default="0: do not"),
    Option("--cache-max-entries", "results kept", "N", minimum=1, default="1000"),
    Option("--concurrency", "calls at a time", "N", minimum=1, default="20"),
    Option("--connect-timeout", "for connecting and for listing tools", "MS", minimum=1, default="30000"),
    Option("--call-timeout", "for each call", "MS", minimum=1, default="180000"),
    Option("--description-max-length", "cut descriptions in search and status", "N", minimum=1),
    Option(
        "--output-format",
        "how results are written",
        "FORMAT",
        choices=("json", "toon", "auto", "plain", "shortest"),
        default="json",
    ),
    Option(
        "--request-body-max-bytes",
        "the largest request a listener takes; 0 for any",
        "N",
        minimum=0,
        default="1048576",
    ),
    Option("--allow-request-body-override", "let clients raise that limit for a request"),
    Option(
        "--allow-insecure-remote-listener",
        "listen on other addresses than loopback without authentication",
    ),
    Option("--meta-only", "list only the callmux_* tools"),
    Option("--strict-startup", "end if a server cannot be started"),
    Option("--only", "start only these servers of the configuration", "A,B"),
    Option("--profile", "show only what this profile of the configuration has", "NAME"),
)
"""Also beside a configuration file, which they override."""

LISTENER_OPTIONS = (
    Option(
        "--listen",
        "serve many clients over HTTP on this port",
        "PORT",
        minimum=1,
        maximum=65535,
        usage_exit=2,
    ),
    Option("--host", "the address to listen on", "ADDR", default="127.0.0.1"),
    Option("--tls-cert", "speak https with this certificate (PEM, with its chain)", "FILE"),
    Option("--tls-key", "the private key of that certificate (PEM)", "FILE"),
    Option("--idle-exit", "end after this time without a session", "SECONDS", minimum=0, maximum=999_999_999),
)

COMMANDS = (
    Command(
        "",
        "run: an MCP client starts this and speaks MCP on stdin and stdout",
        options=(
            CONFIG,
            *LISTENER_OPTIONS,
            *INLINE_OPTIONS,
            *GLOBAL_OPTIONS,
            *LOGGING,
            Option("--version", "print the version; also -v, -V and callmux version", aliases=("-v", "-V")),
            HELP,
        ),
        rest="COMMAND [ARG...]",
        examples=(
            Example("callmux", "the servers of the default configuration, for one client on stdio"),
            Example("callmux --config team.json", "those of another file"),
            Example("callmux -- npx -y @modelcontextprotocol/server-memory", "a single server, no file"),
            Example("callmux --listen 4860", "one process for many clients over HTTP"),
            Example(
                "callmux --tools get_issue,list_issues --cache 60 -- uvx some-server",
                "two tools of a server, with their results kept for a minute",
            ),
        ),
        notes=(
            "The configuration is the first of these: --config, the COMMAND after -- (or --url), "
            "$CALLMUX_CONFIG, ~/.config/callmux/config.json.",
        ),
    ),
)
