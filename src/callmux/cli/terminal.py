"""How text looks on a terminal: its width, its colours. Elsewhere lines leave as they are.

Called by `callmux.cli.help` and by commands that report: `doctor`, `server test`. Imports little: help should
come at once.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from textwrap import wrap

WIDEST = 110
"""Columns that are used where there are more: longer lines are hard to read."""
NARROWEST = 40
PIPED = 80
"""Columns for help that no terminal shows."""

_COLOURS = (
    (re.compile(r"\[ok\]|(?:Status|Result): ok\b"), "32"),
    (re.compile(r"\[error\]|(?:Status|Result): issues found"), "31"),
    (re.compile(r"\s*(?:issue|Issue):"), "31"),
    (re.compile(r"\s*(?:warning|Warning):"), "33"),
    (re.compile(r"\[disabled\]|    "), "2"),
)


def colour_wanted() -> bool:
    """Whether standard output is a terminal, and neither `NO_COLOR` nor a dumb terminal says otherwise."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def columns() -> int:
    """The width to write for: that of the terminal, or what `COLUMNS` says, within bounds."""
    given = os.environ.get("COLUMNS", "")
    if not given.isdigit() and not sys.stdout.isatty():
        return PIPED
    return max(NARROWEST, min(WIDEST, shutil.get_terminal_size((PIPED, 24)).columns))


def show_report(lines: Iterable[str]) -> None:
    """Prints a report: on a terminal its lines are folded to the width and coloured."""
    if not sys.stdout.isatty():
        print("\n".join(lines))
        return
    width, colour = columns(), colour_wanted()
    for line in lines:
        for part in folded(line, width):
            print(painted(part, line) if colour else part)


def folded(line: str, width: int) -> Iterator[str]:
    """A line as several, each continued two blanks deeper than it begins."""
    indent = line[: len(line) - len(line.lstrip())]
    parts = wrap(
        line,
        width,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
        drop_whitespace=True,
    )
    return iter(parts or [""])


def painted(part: str, line: str) -> str:
    """A part of a line in the colour that the beginning of the line asks for."""
    for pattern, colour in _COLOURS:
        if match := pattern.match(line):
            if colour in ("31", "32", "33") and part == line[: len(part)]:
                end = match.end()
                return f"\x1b[{colour}m{part[:end]}\x1b[0m{part[end:]}"
            return f"\x1b[{colour}m{part}\x1b[0m" if colour == "2" else part
    return part
