"""What is asked of one node and concerns all of them: a server that is restarted.

Made by `callmux.nodes.cluster`. An order is a number in Redis, which every node reads with its heartbeat: so
a node that was away when it was given carries it out when it is back. One that starts later need not. No
heartbeat waits until a server is there again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from callmux.errors import CallmuxError, StoreUnavailable
from callmux.nodes.register import Register
from callmux.tasks import TaskSet

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
        self._tasks = TaskSet("orders for all nodes")

    async def give(self, server: str) -> None:
        """A server was restarted here, and is to be everywhere."""
        try:
            number = await self._register.restarted(server)
        except StoreUnavailable as error:
            log.warning('"%s" was restarted at this node alone: %s', server, error)
            return
        if self._known is not None:
            self._known[server] = number

    async def close(self) -> None:
        """Ends what is being carried out."""
        await self._tasks.cancel()

    async def look(self) -> None:
        """Begins to carry out what was ordered since the last look."""
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
                self._tasks.spawn(self._carry_out(server))

    async def _carry_out(self, server: str) -> None:
        try:
            await self._restart(server, ELSEWHERE)
        except CallmuxError as error:
            log.info('"%s" is not restarted here: %s', server, error.message)
