"""Where the control sockets of running processes are, and how a command asks one of them.

Called by the commands of `callmux.cli` that reach running processes, and by `callmux.process.control`, which
listens there. Without an event loop: a script may run such a command a hundred times.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from callmux.errors import CallmuxError
from callmux.places import state_dir

LONGEST_PATH = 100
"""Bytes of a socket's path that every system takes (Linux 107, macOS 103)."""


class _Error(msgspec.Struct):
    message: str


class _Reply(msgspec.Struct):
    result: dict[str, Any] = {}
    error: _Error | None = None


class Unreachable(CallmuxError):
    """Nobody listens at a socket any more, or no answer came."""

    code = "process_unreachable"


class ProcessRefused(CallmuxError):
    """A process that answered, and does not do it."""

    code = "process_refused"


def directory(env: dict[str, str]) -> Path:
    """Where the sockets are: below the state directory, or, where that path is too long for a socket, in a
    directory of this user, and of this state directory, below the temporary one."""
    chosen = state_dir(env) / "run"
    if len(os.fsencode(chosen)) + 32 <= LONGEST_PATH:
        return chosen
    import tempfile

    known = hashlib.sha256(os.fsencode(state_dir(env))).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"callmux-{os.getuid()}-{known}"


def stem(config: Path, env: dict[str, str]) -> str:
    """What the names of the sockets of one configuration, and one state directory, begin with."""
    known = os.fsencode(state_dir(env)) + b"\0" + os.fsencode(os.path.realpath(config))
    return hashlib.sha256(known).hexdigest()[:12]


def sockets(config: Path, env: dict[str, str]) -> dict[int, Path]:
    """The sockets of this configuration by process id, whether anybody listens there or not; none in a
    directory that is somebody else's."""
    return dict(named(directory(env), stem(config, env)))


def named(place: Path, stem: str) -> list[tuple[int, Path]]:
    found: list[tuple[int, Path]] = []
    for path in sorted(place.glob(f"{stem}-*.sock")) if is_own(place) else ():
        with contextlib.suppress(ValueError):
            found.append((int(path.stem.rpartition("-")[2]), path))
    return found


def is_own(path: Path) -> bool:
    """Whether it is a directory of this user, and no link to one."""
    try:
        facts = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid()


def ask(path: Path, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """The result of a request to a running process; blocks.

    Args:
        seconds: How long the answer may take.

    Raises:
        Unreachable: Nobody listens there, or no answer came.
        ProcessRefused: The process does not do it.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(seconds)
        try:
            connection.connect(os.fspath(path))
            connection.sendall(msgspec.json.encode(request) + b"\n")
            line = b"".join(_chunks(connection))
            answer = msgspec.json.decode(line, type=_Reply)
        except (OSError, msgspec.MsgspecError) as error:
            raise Unreachable(f"it does not answer: {error}") from None
    if answer.error is not None:
        raise ProcessRefused(answer.error.message)
    return answer.result


def _chunks(connection: socket.socket) -> Iterator[bytes]:
    while chunk := connection.recv(65536):
        yield chunk
