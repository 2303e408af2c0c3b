"""A way into running processes for the commands of the same user: a Unix socket for each process.

Served by `callmux.attendance`, asked by `callmux.cli.server_restart`. The sockets are in a directory that
only its owner may enter (mode 0700), named after the configuration file, so that a command finds every
process that runs with it, stdio sessions and listeners alike. One JSON object a line, one request each:

    {"method": "restart", "server": "NAME"}  ->  {"result": {...}} or {"error": {"code": ..., "message": ...}}
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import socket
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from callmux.errors import CallmuxError
from callmux.places import state_dir

log = logging.getLogger(__name__)

LONGEST_PATH = 100
"""Bytes of a socket's path that every system takes (Linux 107, macOS 103)."""
LONGEST_REQUEST = 64 * 1024
REQUEST_SECONDS = 10.0
"""How long a connection may take to say what it wants."""

Answer: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]
"""Carries a request out and gives its result; raises `CallmuxError` where it cannot."""


class _Error(msgspec.Struct):
    message: str


class _Reply(msgspec.Struct):
    result: dict[str, Any] = {}
    error: _Error | None = None


class Unreachable(CallmuxError):
    """Nobody listens at a socket any more, or no answer came."""


class Refused(CallmuxError):
    """A process that answered, and does not do it."""


def directory(env: dict[str, str]) -> Path:
    """Where the sockets are: below the state directory, or, where that path is too long for a socket, in a
    directory of this user below the temporary one."""
    chosen = state_dir(env) / "run"
    if len(os.fsencode(chosen)) + 32 <= LONGEST_PATH:
        return chosen
    import tempfile

    return Path(tempfile.gettempdir()) / f"callmux-{os.getuid()}"


def _stem(config: Path, env: dict[str, str]) -> str:
    """What the names of the sockets of one configuration, and one state directory, begin with."""
    known = os.fsencode(state_dir(env)) + b"\0" + os.fsencode(os.path.realpath(config))
    return hashlib.sha256(known).hexdigest()[:12]


def sockets(config: Path, env: dict[str, str]) -> dict[int, Path]:
    """The sockets of this configuration by process id, whether anybody listens there or not; none in a
    directory that is somebody else's."""
    return dict(_named(directory(env), _stem(config, env)))


def _named(place: Path, stem: str) -> list[tuple[int, Path]]:
    found: list[tuple[int, Path]] = []
    for path in sorted(place.glob(f"{stem}-*.sock")) if _is_own(place) else ():
        with contextlib.suppress(ValueError):
            found.append((int(path.stem.rpartition("-")[2]), path))
    return found


@contextlib.asynccontextmanager
async def served(config: Path, env: dict[str, str], answer: Answer) -> AsyncIterator[None]:
    """Answers requests while this is entered. Where no socket can be made, it says so and goes on without."""
    if sys.platform == "win32":
        yield
        return
    path = directory(env) / f"{_stem(config, env)}-{os.getpid()}.sock"
    server = None
    try:
        _own_directory(path.parent)
        _sweep(path.parent)
        server = await asyncio.start_unix_server(
            lambda reader, writer: _serve(reader, writer, answer), path, limit=LONGEST_REQUEST
        )
        path.chmod(0o600)
    except (OSError, CallmuxError) as error:
        log.warning('Warning: "callmux server restart" cannot reach this process: %s', error)
    try:
        yield
    finally:
        if server is not None:
            server.close()
            with contextlib.suppress(OSError):
                path.unlink()


def _own_directory(path: Path) -> None:
    """Makes the directory, or makes sure that it is ours alone.

    Raises:
        CallmuxError: It is somebody else's.
        OSError: It cannot be made.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _is_own(path):
        raise CallmuxError(f'"{path}" is not a directory of this user')
    if stat.S_IMODE(path.lstat().st_mode) != 0o700:
        path.chmod(0o700)


def _is_own(path: Path) -> bool:
    """Whether it is a directory of this user, and no link to one."""
    try:
        facts = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid()


def _sweep(place: Path) -> None:
    """Removes what killed processes have left, of whichever configuration."""
    for pid, path in _named(place, "*"):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            path.unlink(missing_ok=True)
        except PermissionError:
            continue


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> None:
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            line = await reader.readline()
        writer.write(msgspec.json.encode(await _answered(line, answer)) + b"\n")
        await writer.drain()
    except (OSError, ValueError, TimeoutError) as error:
        log.info("A control connection ended: %s", error)
    finally:
        writer.close()


async def _answered(line: bytes, answer: Answer) -> dict[str, Any]:
    try:
        return {"result": await answer(msgspec.json.decode(line, type=dict[str, Any]))}
    except msgspec.MsgspecError as error:
        return {"error": {"code": "invalid_arguments", "message": f"a request is a JSON object: {error}"}}
    except CallmuxError as error:
        return {"error": {"code": error.code, "message": error.message}}


def ask(path: Path, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """The result of a request to a running process; blocks.

    Args:
        seconds: How long the answer may take.

    Raises:
        Unreachable: Nobody listens there, or no answer came.
        Refused: The process does not do it.
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
        raise Refused(answer.error.message)
    return answer.result


def _chunks(connection: socket.socket) -> Iterator[bytes]:
    while chunk := connection.recv(65536):
        yield chunk
