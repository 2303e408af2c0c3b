"""The table and the entries to paste, as text. Pure. Called by `callmux.cli.demo`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Any

from callmux.demo.trace import BYTES_PER_TOKEN, CALLMUX, ONE_BY_ONE, Figures, Message, Row, rows, tokens_read

_HEAD = ("calls", "time", "bytes", "tokens")
_WIDTHS = (5, 8, 8, 7)


def table(trace: Sequence[Message]) -> str:
    """The figures of `trace` for people."""
    lines = rows(trace)
    first = max(len(row.part) for row in lines)
    half = sum(_WIDTHS) + 2 * (len(_WIDTHS) - 1)
    last = max(len(row.tool) for row in lines)
    rule = "-" * (first + 2 * half + last + 9)
    text = [
        f"{'':{first}}   {'one call at a time':^{half}}   {'with callmux':^{half}}",
        f"{'the agent is to':{first}}   {_cells(_HEAD)}   {_cells(_HEAD)}   in one call of",
        rule,
    ]
    for row in lines:
        if row.part == "total":
            text.append(rule)
        both = f"{_cells(_figures(row.one_by_one))}   {_cells(_figures(row.callmux))}"
        text.append(f"{row.part:{first}}   {both}   {row.tool}".rstrip())
    return "\n".join([*text, "", *summary(trace, lines[-1])])


def _cells(values: Sequence[str]) -> str:
    return "  ".join(f"{value:>{width}}" for value, width in zip(values, _WIDTHS, strict=True))


def _figures(of: Figures) -> tuple[str, str, str, str]:
    return str(of.calls), f"{of.ms / 1000:.2f} s", f"{of.bytes:,}", f"{of.tokens:,}"


def summary(trace: Sequence[Message], total: Row) -> list[str]:
    """What the figures mean, in sentences."""
    singly, together = tokens_read(trace, ONE_BY_ONE), tokens_read(trace, CALLMUX)
    many, few = total.one_by_one, total.callmux
    return [
        f"{many.calls} calls became {few.calls}; the wait is {many.ms / max(few.ms, 0.1):.1f} times shorter.",
        "Every call is a turn of the model, and every turn reads the tool listing and all before it again:",
        f"about {singly:,} tokens one call at a time, {together:,} with callmux, its own tools included",
        "(before prompt caching). The time a model thinks comes on top, once a call.",
        "Bytes: tool names, arguments and the text of results, as they stand in the model's context.",
        f"Tokens are estimated as bytes / {BYTES_PER_TOKEN}.",
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
