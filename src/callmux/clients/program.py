"""How a client starts this callmux: the words of its command, and the `PATH` that its servers need. Pure.

Called by the commands that enter callmux into clients' files, with what they know of the running process.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Callable
from dataclasses import dataclass

from callmux.errors import CallmuxError

_FLEETING = re.compile(r"(?:archive|environments|builds)-v\d+")
"""Directories of uv's cache in which `uvx` and `uv run --with` put what they run."""


class NotInstalled(CallmuxError):
    """This callmux will be gone when its command ends, so nothing that lasts can lead to it."""

    code = "not_installed"


@dataclass(frozen=True, slots=True)
class Program:
    """The running callmux.

    Attributes:
        python: The interpreter, absolute.
        script: The `callmux` script beside it, absolute; None where there is none.
        on_path: Gives what a name leads to on `PATH`, or None.
        real: Gives a path with its links followed.
        isolated: Whether it runs in a virtual environment, which the next terminal may not have.
        fleeting: Whether it was fetched for one run only (`uvx`, `pipx run`).
        path: The `PATH` it has.
    """

    python: str
    script: str | None
    on_path: Callable[[str], str | None]
    real: Callable[[str], str]
    isolated: bool = False
    fleeting: bool = False
    path: str = ""


def start_command(program: Program, *, absolute: bool) -> tuple[str, ...]:
    """The command that starts this callmux, without its arguments.

    A plain `callmux` where that is what `PATH` leads to in every terminal. From a virtual environment it is
    the whole path: of a link to it outside of the environment where there is one, as `pipx` and `uv tool`
    make them, else of the script.

    Args:
        absolute: Whether the client's own `PATH` is poor (programs that are started from a desktop): only a
            whole path will do.
    """
    if program.script is None:
        return program.python, "-m", "callmux"
    found = program.on_path("callmux")
    if found is None or program.real(found) != program.real(program.script):
        return (program.script,)
    if not (absolute or program.isolated):
        return ("callmux",)
    found = os.path.abspath(found)
    inside = os.path.dirname(found) == os.path.dirname(program.script)
    return (program.script if program.isolated and inside else found,)


def lasting(program: Program) -> Program:
    """The same, unless it is gone when this command ends: then nothing must be entered that leads to it.

    Raises:
        NotInstalled: It is.
    """
    if program.fleeting:
        raise NotInstalled(
            "this callmux runs from a cache (uvx, pipx run) and is gone afterwards, so nothing can start it"
            " later. Install it first: uv tool install callmux (or: pipx install callmux). Then try again"
        )
    return program


def is_fleeting(path: str) -> bool:
    """Whether a program lies in a cache whose content comes and goes."""
    parts = path.replace("\\", "/").split("/")
    if any(_FLEETING.fullmatch(part) for part in parts):
        return True
    return ".cache" in parts and "pipx" in parts


def lasting_path(program: Program) -> str:
    """The directories of `PATH` that will be there later, each once, in order."""
    parts = program.path.split(os.path.pathsep)
    return os.path.pathsep.join(dict.fromkeys(part for part in parts if _lasts(part)))


def _lasts(directory: str) -> bool:
    return os.path.isabs(directory) and not is_fleeting(directory)
