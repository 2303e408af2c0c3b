"""A way into running processes for the commands of the same user: a Unix socket for each process.

Served by `callmux.process.config_watch`, asked through `callmux.process.control_sockets`. The sockets are in
a directory that only its owner may enter (mode 0700), named after the configuration file, so that a command
finds every process that runs with it, stdio sessions and listeners alike. One JSON object a line, one request
each:

    {"method": "restart" | "stop" | "start", "server": "NAME", "order": TOKEN}  ->  {"result": {...}} or
        {"error": {"code": ..., "message": ...}}; an order of the same token is carried out once
    {"method": "servers"}  ->  the state of every server
    {"method": "ps"}  ->  the processes of every server, and who uses them
    {"method": "approvals"}  ->  the calls that wait for a person's approval
    {"method": "approve", "id": ID, "choice": "once" | "session" | "project" | "deny"}  ->  what it was about
    {"method": "dashboard", "person": true}  ->  an address that signs one browser in
    {"method": "log", "server": "NAME", "after": {"PID": N}, "lines": N}  ->  what it wrote since line N
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from callmux.errors import CallmuxError
from callmux.process.control_sockets import directory, is_own, named, stem

log = logging.getLogger(__name__)

LONGEST_REQUEST = 64 * 1024
REQUEST_SECONDS = 10.0
"""How long a connection may take to say what it wants."""

Answer: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]
"""Carries a request out and gives its result; raises `CallmuxError` where it cannot."""


@contextlib.asynccontextmanager
async def served(config: Path, env: dict[str, str], answer: Answer) -> AsyncIterator[bool]:
    """Answers requests while this is entered; gives whether commands can make any. Where no socket can be
    made, it says so and goes on without."""
    if sys.platform == "win32":
        yield False
        return
    path = directory(env) / f"{stem(config, env)}-{os.getpid()}.sock"
    server = None
    try:
        _own_directory(path.parent)
        _sweep(path.parent)
        server = await asyncio.start_unix_server(
            lambda reader, writer: _serve(reader, writer, answer), path, limit=LONGEST_REQUEST
        )
        path.chmod(0o600)
    except (OSError, CallmuxError) as error:
        log.warning('could not open a socket for "callmux server restart" and "callmux approve": %s', error)
    try:
        yield server is not None
    finally:
        if server is not None:
            server.close()
            with contextlib.suppress(OSError):
                path.unlink()


class NotOurs(CallmuxError):
    """A directory for sockets that belongs to somebody else."""

    code = "not_private"


def _own_directory(path: Path) -> None:
    """Makes the directory, or makes sure that it is ours alone.

    Raises:
        NotOurs: It is somebody else's.
        OSError: It cannot be made.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not is_own(path):
        raise NotOurs(f'"{path}" is not a directory of this user')
    if stat.S_IMODE(path.lstat().st_mode) != 0o700:
        path.chmod(0o700)


def _sweep(place: Path) -> None:
    """Removes what killed processes have left, of whichever configuration."""
    for pid, path in named(place, "*"):
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
        log.info("a control connection ended: %s", error)
    finally:
        writer.close()


async def _answered(line: bytes, answer: Answer) -> dict[str, Any]:
    try:
        return {"result": await answer(msgspec.json.decode(line, type=dict[str, Any]))}
    except msgspec.MsgspecError as error:
        return {"error": {"code": "invalid_arguments", "message": f"a request is a JSON object: {error}"}}
    except CallmuxError as error:
        return {"error": {"code": error.code, "message": error.message}}
