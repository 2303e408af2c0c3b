"""The table and the entries to paste, as text. Pure. Called by `callmux.cli.demo`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any

from callmux.demo.trace import BYTES_PER_TOKEN, CALLMUX, ONE_BY_ONE, Figures, Message, Row, rows, tokens_read

_WIDTHS = (7, 10, 11, 10)


def table(trace: Sequence[Message]) -> str:
    """The figures of `trace` for people, at most 80 columns wide, and what they come to at its end."""
    lines = rows(trace)
    first = max(len(line) for row in lines for line in (f"  {_ONE_BY_ONE}", f"  {row.tool}", row.part))
    text = [f"{'':{first}}{_cells(('calls', 'time', 'bytes', 'tokens'))}"]
    for row in lines:
        text.append(row.part)
        for way, figures in ((_ONE_BY_ONE, row.one_by_one), (row.tool or "with callmux", row.callmux)):
            text.append(f"{f'  {way}':{first}}{_cells(_figures(figures))}")
    return "\n".join([*text, "", *summary(trace, lines[-1])])


_ONE_BY_ONE = "one call at a time"


def _cells(values: Sequence[str]) -> str:
    return "".join(f"{value:>{width}}" for value, width in zip(values, _WIDTHS, strict=True))


def _figures(of: Figures) -> tuple[str, str, str, str]:
    return str(of.calls), f"{of.ms / 1000:.2f} s", f"{of.bytes:,}", f"{of.tokens:,}"


def summary(trace: Sequence[Message], total: Row) -> list[str]:
    """What the figures mean, in sentences; the last one is the result."""
    singly, together = tokens_read(trace, ONE_BY_ONE), tokens_read(trace, CALLMUX)
    many, few = total.one_by_one, total.callmux
    return [
        "Bytes: names, arguments and results as text, as the model's context has them.",
        f"Tokens: bytes / {BYTES_PER_TOKEN}, an estimate. Each call is a turn of the model, and each turn",
        "reads the tool listing and everything before it again (prompt caching aside):",
        f"about {singly:,} tokens one call at a time, {together:,} with callmux.",
        "",
        f"Result: {many.calls} calls became {few.calls}; the wait is {many.ms / max(few.ms, 0.1):.1f} times"
        " shorter.",
    ]


def entries(command: Sequence[str], config_file: str, config: dict[str, Any]) -> dict[str, str]:
    """What to put where, by title.

    Args:
        command: How clients start callmux.
        config_file: Where callmux looks for its configuration.
        config: A configuration to begin with.
    """
    program, *args = command
    client = {"mcpServers": {"callmux": {"command": program, "args": args}}}
    return {
        f"{config_file} (these two servers to begin with, then yours)": json.dumps(config, indent=2),
        'Beside "servers", to answer repeated reads from memory for a minute (the cache is off by default)': (
            '"cacheTtlSeconds": 60'
        ),
        "Claude Code": f"claude mcp add --scope user callmux -- {shlex.join(command)}",
        "Claude Code, for one project: .mcp.json": json.dumps(client, indent=2),
        # A JSON string is a TOML basic string, and so is an array of them.
        "Codex: ~/.codex/config.toml": (
            f"[mcp_servers.callmux]\ncommand = {json.dumps(program)}\nargs = {json.dumps(args)}"
        ),
    }


def entries_text(titled: dict[str, str]) -> str:
    """The entries for people."""
    blocks = [f"{title}:\n\n{_indented(text)}" for title, text in titled.items()]
    return "To use callmux with your agent:\n\n" + "\n\n".join(blocks)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
