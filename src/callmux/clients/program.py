"""How a client starts this callmux: the words of its command. Pure.

Called by the commands that enter callmux into clients' files, with what they know of the running process.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Program:
    """The running callmux.

    Attributes:
        python: The interpreter, absolute.
        script: The `callmux` script beside it, absolute; None where there is none.
        on_path: Gives what a name leads to on `PATH`, or None.
        real: Gives a path with its links followed.
    """

    python: str
    script: str | None
    on_path: Callable[[str], str | None]
    real: Callable[[str], str]


def start_command(program: Program, *, absolute: bool) -> tuple[str, ...]:
    """The command that starts this callmux, without its arguments.

    A plain `callmux` where that is what `PATH` leads to; else the path of the script. Where callmux was
    fetched for one run only (`uvx`, `pipx run`), its script will be gone: the command fetches it again.

    Args:
        absolute: The client's own `PATH` is poor (programs that are started from a desktop): only a whole
            path will do.
    """
    fetched = _fetching(program, absolute)
    if fetched is not None:
        return fetched
    if program.script is None:
        return program.python, "-m", "callmux"
    found = program.on_path("callmux")
    same = found is not None and program.real(found) == program.real(program.script)
    if found is None or not same:
        return (program.script,)
    return (found if absolute else "callmux",)


def _fetching(program: Program, absolute: bool) -> tuple[str, ...] | None:
    parts = program.python.replace("\\", "/").split("/")
    if "uv" in parts and any(part.startswith(("archive-v", "environments-v")) for part in parts):
        runner, more = "uvx", ["callmux"]
    elif "pipx" in parts and ".cache" in parts:
        runner, more = "pipx", ["run", "callmux"]
    else:
        return None
    found = program.on_path(runner)
    if found is None:
        return None
    return (os.path.abspath(found) if absolute else runner, *more)
