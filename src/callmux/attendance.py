"""What runs beside a host that has a configuration file: it is watched, and so are the files of its servers,
and commands of the same user may ask for a restart.

Called by the run modes of `callmux.cli`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from callmux.config.model import Config
from callmux.config.sources import Sources
from callmux.control import served
from callmux.errors import InvalidArguments
from callmux.host import Host
from callmux.rebuilds import restart_rebuilt
from callmux.tasks import TaskSet
from callmux.watch import watch_config


async def attend(
    path: Path, host: Host, load: Callable[[Sources], Config], sources: Sources, env: dict[str, str]
) -> None:
    """Attends to the host until it is cancelled.

    Args:
        path: The configuration file.
        load: Reads it anew and notes what it reads; raises `CallmuxError` where it cannot be used.
        sources: What the reading that is in force has noted.
        env: The environment.
    """

    async def answer(request: Mapping[str, Any]) -> dict[str, Any]:
        name = request.get("server")
        if request.get("method") != "restart" or not isinstance(name, str):
            raise InvalidArguments('a request must be {"method": "restart", "server": NAME}')
        return await host.restart(name, "asked for by command")

    tasks = TaskSet("attendance")
    tasks.spawn(restart_rebuilt(host, path.parent))
    try:
        async with served(path, env, answer):
            await watch_config(path, host, load, sources)
    finally:
        await tasks.cancel()
