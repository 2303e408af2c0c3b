"""How things are now, beside what is counted. Pure.

Made by `callmux.process.runtime` when somebody asks; read by `callmux.admin.metrics`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from callmux.observe.keeping import Keeping


class Gauges:
    """How things are now, beside what is counted.

    Attributes:
        in_flight: HTTP requests whose answer is not over.
        sessions: Sessions of clients.
        servers: Whether each server is up.
        running, waiting: Calls that run, and that wait for their turn.
        cache, results: What the cache and the store of shortened results say of themselves.
        keeping: How the files are doing in which something is kept of the past.
        state: Whether what several listeners share can be reached, and how many requests to it failed; None
            where nothing is shared.
        node: What a node says of itself and of the others; None where the listener is no node.
        usage: What conversations have cost their models, as estimated, by way and by what is counted.
    """

    __slots__ = (
        *(
            "cache",
            "in_flight",
            "keeping",
            "node",
            "results",
            "running",
            "servers",
            "sessions",
            "state",
            "usage",
            "waiting",
        ),
    )

    def __init__(
        self,
        in_flight: int,
        sessions: int,
        servers: Mapping[str, bool],
        slots: tuple[int, int],
        cache: Mapping[str, float],
        results: Mapping[str, float],
        keeping: Mapping[str, Keeping],
    ) -> None:
        self.in_flight = in_flight
        self.sessions = sessions
        self.servers = servers
        self.running, self.waiting = slots
        self.cache = cache
        self.results = results
        self.keeping = keeping
        self.state: tuple[bool, int] | None = None
        self.node: Mapping[str, Any] | None = None
        self.usage: Mapping[str, Mapping[str, int]] = {}
