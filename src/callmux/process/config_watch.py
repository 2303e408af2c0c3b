"""What runs beside a host that has a configuration file: it is watched, and so are the files of its servers,
and commands of the same user may ask for a restart, for the state of the servers and what they wrote, and
answer for a person what waits for approval.

Called by the run modes of `callmux.cli`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from callmux.config.model import Config
from callmux.config.sources import Sources
from callmux.errors import InvalidArguments
from callmux.process import orders
from callmux.process.control import served
from callmux.process.file_watch import reload_on_change
from callmux.process.host import Host
from callmux.process.rebuilds import restart_rebuilt
from callmux.process.usage import usage
from callmux.server_orders import read_order
from callmux.tasks import TaskSet
from callmux.timestamps import iso


async def watch_and_answer(
    path: Path,
    host: Host,
    load: Callable[[Sources], Config],
    sources: Sources,
    env: dict[str, str],
    counts: Callable[[], dict[str, dict[str, float]] | None] = lambda: None,
    invite: Callable[[bool], dict[str, Any]] = lambda person: {"listening": False},
) -> None:
    """Watches the files and answers the commands until it is cancelled.

    Args:
        path: The configuration file.
        load: Reads it anew and notes what it reads; raises `CallmuxError` where it cannot be used.
        sources: What the reading that is in force has noted.
        env: The environment.
        counts: Gives the calls so far by server; None where they are not counted.
        invite: Gives an address for a browser, told whether a person asks.
    """

    async def answer(request: Mapping[str, Any]) -> dict[str, Any]:
        method, name = request.get("method"), request.get("server")
        if method == "servers":
            return {"servers": host.server_records()}
        if method == "top":
            return {"status": host.runtime.operator_status(), "counts": counts()}
        if method == "approvals":
            return host.desk.waiting()
        if method == "approve":
            return host.desk.answer(request.get("id"), request.get("choice"))
        if method == "dashboard":
            return invite(request.get("person") is True)
        if method == "ps":
            return usage(host.runtime.servers)
        if method in ("restart", "stop", "start") and isinstance(name, str):
            return await orders.give(host, read_order(method, name, request), "asked for by command")
        if method == "log" and isinstance(name, str):
            return _log(host, name, request)
        raise InvalidArguments(
            'a request must be {"method": "servers"}, "ps", "top", "approvals" or "dashboard", or "restart",'
            ' "stop", "start" or "log" with {"server": NAME} beside it, or "approve" with'
            ' {"id": ID, "choice": CHOICE}'
        )

    tasks = TaskSet("config watch")
    tasks.spawn(restart_rebuilt(host, path.parent))
    try:
        async with served(path, env, answer) as reachable:
            host.desk.reachable = reachable
            await reload_on_change(path, host, load, sources)
    finally:
        host.desk.reachable = False
        await tasks.cancel()


def _log(host: Host, name: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """What a server wrote after the line that a process was told last; at most so many lines."""
    after, most = request.get("after"), request.get("lines")
    seen = after.get(str(os.getpid()), 0) if isinstance(after, dict) else 0
    found = host.output.after(
        name, seen if isinstance(seen, int) else 0, most if isinstance(most, int) else None
    )
    lines = [{"time": iso(line.time), "text": line.text} for line in found]
    return {"lines": lines, "last": host.output.last}
