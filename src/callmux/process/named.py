"""The server that somebody names.

Called by `callmux.process.host` for restarts and by `callmux.process.orders`.
"""

from __future__ import annotations

from collections.abc import Mapping

from callmux.config.model import Config
from callmux.errors import ServerDisabled, ServerNotFound
from callmux.upstream.server import Server


def named(name: str, servers: Mapping[str, Server], config: Config) -> Server:
    """The server of this name.

    Args:
        servers: Those that are to run, of this configuration.

    Raises:
        ServerDisabled: It is not to run.
        ServerNotFound: There is none.
    """
    server = servers.get(name)
    if server is not None:
        return server
    known = sorted(config.servers)
    if name in known:
        raise ServerDisabled(f'server "{name}" is disabled', server=name)
    raise ServerNotFound(f'there is no server "{name}"', server=name, availableServers=known)
