"""`callmux skill`: writes a skill for agents that call tools from a shell. Called by `callmux.cli.main`."""

from __future__ import annotations

from pathlib import Path

from callmux.cli.grammar.skill import COMMANDS
from callmux.cli.parsing import read
from callmux.cli.saving import save_text
from callmux.clients.skill import NAME, skill
from callmux.errors import UsageError

FOLDER = Path(".claude") / "skills"
"""Where clients look for the skills of a project."""


def run(args: list[str], config_option: str | None) -> int:
    """Gives the exit code."""
    given = read(COMMANDS[0], args)
    text = skill()
    if given.on("--print"):
        print(text, end="")
        return 0
    path = Path(given.word(0) or FOLDER).expanduser() / NAME / "SKILL.md"
    if path.exists():
        if path.read_bytes() == text.encode():
            print(f"{path} is as it should be already")
            return 0
        if not given.on("--force"):
            raise UsageError(
                f"{path} exists and says something else: --force replaces it (it is kept as .bak)"
            )
    save_text(path, text)
    print(f"Wrote {path}")
    return 0
