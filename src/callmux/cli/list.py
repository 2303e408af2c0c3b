"""`callmux list`: the same as `callmux tools list`, for those who look for it here.

Called by `callmux.cli.main`.
"""

from __future__ import annotations

from callmux.cli.grammar.list import COMMANDS
from callmux.cli.parsing import read
from callmux.cli.tools import show


def run(args: list[str], config_option: str | None) -> int:
    """Gives the exit code."""
    return show(read(COMMANDS[0], args), config_option)
