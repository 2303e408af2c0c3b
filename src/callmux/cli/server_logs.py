"""`callmux server logs`: what a server wrote to stderr, in the processes that run with the configuration.

Called by `callmux.cli.server`; the processes keep the lines, see `callmux.process.server_output`.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from callmux.cli.parsing import Given
from callmux.cli.running import asked, is_running
from callmux.cli.server_saving import not_found
from callmux.config.load import find_config, load_config, target_config
from callmux.process.control_sockets import Unreachable, sockets

SECONDS = 5.0
"""How long a process may take to answer."""
PAUSE_SECONDS = 0.5
"""How long after an answer the next question comes while lines are followed."""


def run(given: Given, config_option: str | None, rounds: int | None = None) -> int:
    """Gives the exit code: 1 where nothing runs.

    Raises:
        Unreachable: What runs does not answer.

    Args:
        given: The command line.
        rounds: How often to ask where the lines are followed; without end where it is None.
    """
    name, env = str(given.word(0)), dict(os.environ)
    find_config(config_option, env, Path.home())
    path = target_config(config_option, env, Path.home())
    config = load_config(path, env, resolve=False).config
    if name not in config.servers:
        raise not_found(path, name, config.servers)
    lines = given.number("--lines")
    after: dict[int, int] = {}
    answers = _ask(path, env, name, after, 100 if lines is None else lines)
    if not answers and not given.on("--follow"):
        if silent := [pid for pid in sockets(path, env) if is_running(pid)]:
            raise Unreachable(
                f"process {silent[0]} runs with {path} and does not answer: try again; if that fails, too,"
                " restart that callmux"
            )
        print(
            f'No callmux runs with {path}, so there are no lines of "{name}".'
            f' "callmux server test {name}" starts it and shows its last lines.',
            file=sys.stderr,
        )
        return 1
    while True:
        if not _show(answers, after) and not given.on("--follow"):
            print(f'"{name}" has written nothing to stderr.', file=sys.stderr)
        if not given.on("--follow") or rounds == 0:
            return 0
        time.sleep(PAUSE_SECONDS)
        rounds = None if rounds is None else rounds - 1
        answers = _ask(path, env, name, after, None)


def _ask(
    path: Path, env: dict[str, str], name: str, after: dict[int, int], lines: int | None
) -> dict[int, dict[str, Any]]:
    """The lines of each process that follow those it was asked for before; at most so many of the past."""
    request = {"method": "log", "server": name, "after": {str(pid): last for pid, last in after.items()}}
    return asked(path, env, {**request, "lines": lines}, SECONDS)


def _show(answers: dict[int, dict[str, Any]], after: dict[int, int]) -> int:
    """Gives the number of lines."""
    several = len(after.keys() | answers.keys()) > 1
    found: list[tuple[str, int, str]] = []
    for pid, answer in answers.items():
        for line in answer["lines"]:
            found.append((line["time"], pid, line["text"]))
        after[pid] = answer["last"]
    for moment, pid, text in sorted(found, key=lambda line: line[0]):
        print(f"{moment} {f'[{pid}] ' if several else ''}{text}")
    sys.stdout.flush()
    return len(found)
