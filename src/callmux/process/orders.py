"""What a person can tell a running process to do with one of its servers: stop it, or start it.

Called by `callmux.process.config_watch` for `callmux server stop` and `callmux server start`.
"""

from __future__ import annotations

import logging
from typing import Any

from callmux.process.host import Host
from callmux.process.named import named

log = logging.getLogger(__name__)


async def stop(host: Host, name: str) -> dict[str, Any]:
    """Ends the processes of a server once their calls are done; the next call starts it again. Gives its
    record as status shows it.

    Raises:
        ServerNotFound, ServerDisabled: There is no such server.
    """
    server = named(name, host.runtime.servers, host.runtime.config)
    log.info('stopping "%s": asked for by command', name)
    server.demand.stop()
    return server.record()


async def start(host: Host, name: str) -> dict[str, Any]:
    """Starts a server that sleeps or is down, and waits for the outcome; gives its record.

    Raises:
        ServerNotFound, ServerDisabled: There is no such server.
    """
    server = named(name, host.runtime.servers, host.runtime.config)
    host.start(None)
    await server.settled(for_call=True)
    await server.main_line.acquire(force=True)
    return server.record()
