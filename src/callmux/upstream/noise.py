"""What a server writes to its output that is no message: said once, then ever more rarely.

Kept by `callmux.upstream.server`. A server that prints its log there may do so 200,000 times; a line in our
log for each would be a flood of our own.
"""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)

STEP = 10
"""How many times as many it takes until it is said again."""


class Noise:
    """The count for one server.

    Args:
        server: Its name.
    """

    def __init__(self, server: str) -> None:
        self._server = server
        self._count = 0
        self._next = 1

    def heard(self, connection: object, what: str) -> None:
        """Counts one more, and says so where it is time to."""
        self._count += 1
        if self._count < self._next:
            return
        self._next *= STEP
        times = "" if self._count == 1 else f", for the {self._count}th time"
        said = '"%s" wrote something to stdout that is not an MCP message%s (%s)'
        log.warning(said, self._server, times, what)
