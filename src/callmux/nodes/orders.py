"""What is asked of one node and concerns all of them: a server that is restarted.

Made by `callmux.nodes.cluster`. An order is a number in Redis, which every node reads with its heartbeat: so
a node that was away when it was given carries it out when it is back. One that starts later need not.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from callmux.errors import CallmuxError, StoreUnavailable
from callmux.nodes.register import Register

log = logging.getLogger(__name__)

ELSEWHERE = "it was restarted at another node"
"""Why a server is restarted here that somebody has restarted there."""
ASKED = "asked for"
"""How the reason begins where a person has asked for a restart: other reasons are each node's own."""


class Orders:
    """The orders of all nodes, as one of them sees them.

    Args:
        register: Where they stand.
        restart: Restarts a server here, and says why; raises `CallmuxError` where there is none.
    """

    def __init__(self, register: Register, restart: Callable[[str, str], Awaitable[object]]) -> None:
        self._register = register
        self._restart = restart
        self._known: dict[str, int] | None = None

    async def give(self, server: str) -> None:
        """A server was restarted here, and is to be everywhere."""
        try:
            number = await self._register.restarted(server)
        except StoreUnavailable as error:
            log.warning('"%s" was restarted at this node alone: %s', server, error)
            return
        if self._known is not None:
            self._known[server] = number

    async def look(self) -> None:
        """Carries out what was ordered since the last look."""
        try:
            now = await self._register.restarts()
        except StoreUnavailable as error:
            log.debug("orders are looked for later: %s", error)
            return
        before, self._known = self._known, now
        if before is None:
            # Whatever was ordered before this node began is done.
            return
        for server, number in now.items():
            if number > before.get(server, 0):
                try:
                    await self._restart(server, ELSEWHERE)
                except CallmuxError as error:
                    log.info('"%s" is not restarted here: %s', server, error.message)
