"""What the servers of one process run as: their processes, and who uses them.

Called by `callmux.process.config_watch` for `callmux ps`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any

from callmux.upstream.connection import Connection
from callmux.upstream.links.link import pid_of
from callmux.upstream.server import Server


def usage(servers: Mapping[str, Server]) -> dict[str, Any]:
    """The processes of each server as `callmux ps` shows them; starts nothing."""
    now = asyncio.get_running_loop().time()
    return {"pid": os.getpid(), "servers": [_server(name, server, now) for name, server in servers.items()]}


def _server(name: str, server: Server, now: float) -> dict[str, Any]:
    main = server.connection
    shown = [] if main is None else [_connection(server, main, "main", now)]
    shown += [
        _connection(server, lane, where, now) for where, lane in server.lanes.described() if lane is not main
    ]
    return {
        "name": name,
        "state": server.health.state.value,
        "transport": server.transport,
        "lazy": server.timing.lazy,
        "connections": shown,
    }


def _connection(server: Server, connection: Connection, where: str, now: float) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "for": where,
        "pid": pid_of(connection.link),
        "sessions": len(connection.audience),
        "calls": connection.in_flight,
    }
    if (since := server.demand.idle_since(connection)) is not None:
        facts["idleSeconds"] = round(max(now - since, 0))
    return facts
