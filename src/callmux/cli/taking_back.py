"""Takes the last setup or migration back, and says what became of each file.

Called by `callmux.cli.setup` and `callmux.cli.migrate`.
"""

from __future__ import annotations

import os
from pathlib import Path

from callmux.cli.console import print_json, print_lines
from callmux.cli.own_entry import this_machine
from callmux.cli.parsing import Given
from callmux.clients.bridges import autostarted
from callmux.clients.changes import ChangeFailed, backups, last, undo
from callmux.errors import UsageError


def take_back(given: Given, label: str) -> int:
    """Gives the exit code: 1 where a file had to be left.

    Raises:
        ChangeFailed: There is nothing to take back.
    """
    store = backups(Path.home())
    folder = last(store, label)
    if folder is None:
        raise ChangeFailed(f"there is no {label} to undo in {store}")
    if given.on("--dry-run"):
        print(f"Would undo {folder}")
        return 0
    before = autostarted(this_machine())
    done = undo(folder)
    after = autostarted(this_machine())
    ended = [url for url, config in before.items() if url not in after and _end(url, config)]
    if given.on("--json"):
        print_json(
            {
                "action": "undo",
                "restored": [str(path) for path in done.restored],
                "removed": [str(path) for path in done.removed],
                "edited": [str(path) for path in done.edited],
                "ended": ended,
                "left": [{"path": str(path), "problem": problem} for path, problem in done.left],
            }
        )
    else:
        print_lines(f"Restored: {path}" for path in done.restored)
        print_lines(f"Removed: {path}" for path in done.removed)
        print_lines(f"Taken back in part, because the rest has changed since: {path}" for path in done.edited)
        print_lines(f"Ended the listener at {url}: no client starts it any more" for url in ended)
        print_lines(f"Left as it is, {problem}: {path} (before: in {folder})" for path, problem in done.left)
    return 1 if done.left else 0


def _end(url: str, config: str | None) -> bool:
    """Ends the listener that a client's entry had started; gives whether there was one."""
    import asyncio

    from callmux.bridge.autostart import Autostart
    from callmux.bridge.endpoint import read_endpoint

    try:
        starter = Autostart(read_endpoint(url), config, 0, os.environ, Path.home())
        return asyncio.run(starter.end_started())
    except (UsageError, OSError, TimeoutError):
        # Nothing that a bridge could have started, or it does not end: it goes by itself after its idle time.
        return False
