"""Servers whose containers pile up. Pure.

Called by `callmux.doctor.checks`.
"""

from __future__ import annotations

from callmux.config.model import Config
from callmux.config.servers import StdioServer
from callmux.upstream.links.container import container_run


def kept_containers(config: Config) -> list[str]:
    """A warning for each server whose container is still there, stopped, once the server has ended."""
    return [
        f'"{name}" runs its container without --rm: each start leaves a stopped one behind. '
        'Write "--rm" behind "run" in its args'
        for name, server in config.servers.items()
        if isinstance(server, StdioServer) and not server.disabled
        if (run := container_run(server.command, server.args, name, "")) is not None and run.kept
    ]
