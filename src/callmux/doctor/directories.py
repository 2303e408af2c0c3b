"""What is odd about the directories of servers: everybody may choose them, or nothing depends on them.

Called by `callmux.doctor.checks`. A server runs once per directory for nothing where its package is known not
to depend on that, or where trying it in two directories (`callmux.doctor.two_directories`) shows nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from callmux.clients.dependence import UNCHANGED, known_dependence
from callmux.config.model import Config
from callmux.config.servers import HttpServer, StdioServer

if TYPE_CHECKING:
    from callmux.clients.dependence import Compared
    from callmux.upstream.probe import Seen

Try: TypeAlias = Callable[[str, StdioServer], Awaitable["Compared"]]
"""Tries one server in two directories."""


def open_directories(config: Config) -> list[str]:
    """A warning where everybody with a token can have servers started in any directory: some run what
    lies there."""
    named = ", ".join(
        f'"{name}"'
        for name, server in config.servers.items()
        if isinstance(server, StdioServer) and server.cwd_mode != "global"
    )
    if config.auth is None or config.session_cwd_roots is not None or not named:
        return []
    return [
        f"clients with a token can have {named} started in any directory of this machine: list directories "
        'in sessionCwdRoots ([] for none), or set "cwdMode": "global" for the server'
    ]


async def needless(
    servers: Mapping[str, StdioServer | HttpServer],
    seen: Mapping[str, Seen],
    attempt: Try | None,
    at_a_time: int,
) -> list[str]:
    """A warning for each server that needs no process for each directory, in the order of the file.

    Args:
        servers: All of them.
        seen: What those have listed that work.
        attempt: Tries one; None tries nothing.
        at_a_time: How many are tried at a time.
    """
    slots = asyncio.Semaphore(at_a_time)

    async def one(name: str, server: StdioServer) -> str | None:
        async with slots:
            reason = await _reason(name, server, seen.get(name), attempt)
        if reason is None:
            return None
        return (
            f'"{name}" runs once per directory for nothing: {reason}. callmux server set {name} --cwd-mode'
            " global gives one process for all; --cwd-mode session leaves it as it is"
        )

    undecided = {name: server for name, server in servers.items() if is_undecided(server)}
    found = await asyncio.gather(
        *(one(name, server) for name, server in undecided.items() if isinstance(server, StdioServer))
    )
    return [warning for warning in found if warning is not None]


def is_undecided(server: StdioServer | HttpServer) -> bool:
    """Whether it runs once per directory without anybody having said so."""
    if not isinstance(server, StdioServer) or server.disabled or server.problem is not None:
        return False
    return server.cwd_mode is None and not server.require_session_cwd


async def _reason(name: str, server: StdioServer, seen: Seen | None, attempt: Try | None) -> str | None:
    """Why one process does for all directories; None where it may not."""
    known = known_dependence(server.command, server.args, server.env)
    if known is not None and not known.unless_roots:
        return known.reason if known.mode == "global" else None
    if attempt is None or seen is None:
        return None
    from callmux.doctor.two_directories import speaks_of

    if known is None and speaks_of(seen) is not None:
        return None
    compared = await attempt(name, server)
    if compared.problem is not None or compared.changes is not None or compared.asks_for_roots:
        return None
    return UNCHANGED if known is None else known.reason
