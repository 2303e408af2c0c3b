"""What `callmux top` puts on a terminal: one screen, that fits 80 columns.

Called by `callmux.cli.top`. `rich` draws it; nothing needs more than a plain terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from callmux.cli.top_look import ProcessRow
from callmux.text import visible

if TYPE_CHECKING:
    from rich.console import RenderableType

MOST_CALLS = 10
"""Calls that are listed; the longest."""
_COLOURS = {
    "connected": "green",
    "disabled": "dim",
    "sleeping": "dim",
    "starting": "yellow",
    "reconnecting": "yellow",
}


def screen(processes: Sequence[ProcessRow]) -> RenderableType:
    """The screen."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    for process in processes:
        parts.append(Text(heading(process), style="bold", overflow="ellipsis", no_wrap=True))
        for what, why in process.problems.items():
            text = visible(f"{what} cannot be written: {why}")
            parts.append(Text(text, style="red", overflow="ellipsis", no_wrap=True))
        parts.append(_servers(process))
        if process.active_calls:
            parts.append(_calls(process))
        parts.append(Text(""))
    return Group(*parts)


def heading(process: ProcessRow) -> str:
    """What stands above the servers of a callmux."""
    rate = f"{process.calls_per_second:g} calls/s, {process.calls} calls, {process.failed} failed"
    sessions = f"{process.sessions} session{'' if process.sessions == 1 else 's'}"
    counted = rate if process.counted else "calls are not counted"
    return f"{process.name}: {process.status}, {sessions}, {counted}"


def _servers(process: ProcessRow) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, expand=True)
    table.add_column("SERVER", ratio=4, no_wrap=True, overflow="ellipsis")
    table.add_column("STATE", ratio=5, no_wrap=True, overflow="ellipsis")
    for name in ("TOOLS", "CALLS/S", "CALLS", "FAILED", "AVG MS"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in process.servers:
        state = f"{row.state}: {row.error}" if row.error else row.state
        table.add_row(
            Text(visible(row.name)),
            Text(visible(state), style=_COLOURS.get(row.state, "red")),
            str(row.tools),
            f"{row.calls_per_second:g}",
            str(row.calls),
            str(row.failed),
            f"{row.average_ms:g}",
        )
    return table


def _calls(process: ProcessRow) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, expand=True)
    table.add_column("RUNNING", ratio=5, no_wrap=True, overflow="ellipsis")
    table.add_column("SERVER", ratio=3, no_wrap=True, overflow="ellipsis")
    table.add_column("CLIENT", ratio=3, no_wrap=True, overflow="ellipsis")
    table.add_column("SECONDS", justify="right", no_wrap=True)
    for call in process.active_calls[:MOST_CALLS]:
        table.add_row(
            Text(visible(call.tool)),
            Text(visible(call.server)),
            Text(visible(call.client)),
            f"{call.duration_ms / 1000:.1f}",
        )
    if (more := len(process.active_calls) - MOST_CALLS) > 0:
        table.add_row(Text(f"and {more} more", style="dim"))
    return table
