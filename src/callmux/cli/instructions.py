"""`callmux instructions`: a page for an agent's instructions file. Called by `callmux.cli.main`."""

from __future__ import annotations

from callmux.cli.grammar.instructions import COMMANDS
from callmux.cli.parsing import read
from callmux.clients.instructions import instructions


def run(args: list[str], config_option: str | None) -> int:
    """Gives the exit code."""
    given = read(COMMANDS[0], args)
    print(instructions(given.text("--profile") or "generic", given.text("--mode") or "standard"), end="")
    return 0
