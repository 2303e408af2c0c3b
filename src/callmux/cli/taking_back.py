"""Takes the last setup or migration back, and says what became of each file.

Called by `callmux.cli.setup` and `callmux.cli.migrate`.
"""

from __future__ import annotations

from pathlib import Path

from callmux.cli.console import print_json, print_lines
from callmux.cli.parsing import Given
from callmux.clients.changes import ChangeFailed, backups, last, undo


def take_back(given: Given, label: str) -> int:
    """Gives the exit code: 1 where a file had to be left.

    Raises:
        ChangeFailed: There is nothing to take back.
    """
    store = backups(Path.home())
    folder = last(store, label)
    if folder is None:
        raise ChangeFailed(f"there is no {label} to take back in {store}")
    if given.on("--dry-run"):
        print(f"Would take back {folder}")
        return 0
    done = undo(folder)
    if given.on("--json"):
        print_json(
            {
                "action": "undo",
                "restored": [str(path) for path in done.restored],
                "removed": [str(path) for path in done.removed],
                "edited": [str(path) for path in done.edited],
                "left": [{"path": str(path), "problem": problem} for path, problem in done.left],
            }
        )
    else:
        print_lines(f"As before: {path}" for path in done.restored)
        print_lines(f"Removed: {path}" for path in done.removed)
        print_lines(f"Taken back in it, the rest has changed since: {path}" for path in done.edited)
        print_lines(f"Left alone, {problem}: {path} (before: {folder})" for path, problem in done.left)
    return 1 if done.left else 0
