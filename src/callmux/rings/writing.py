"""Every write that has ended makes reads worthless that began before it. A call stage, around limiting.

Tells `callmux.rings.cache.writes` of every write that has ended, or whose end is unknown: given up, lost, or
the first of two attempts may still be carried out. Its late answer ends the doubt; where none comes, time
does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

from callmux.clock import Clock
from callmux.errors import CallmuxError, ToolCallFailed
from callmux.protocol.shapes import Result
from callmux.rings.cache.writes import Writes
from callmux.rings.call import Call
from callmux.rings.route import Route
from callmux.rings.stage import Outcome
from callmux.upstream.server import Server


class Writing:
    """Call stage: notes writes.

    Args:
        writes: Keeps account of them.
        servers: All servers by name.
        clock: Time.
    """

    def __init__(self, writes: Writes, servers: Mapping[str, Server], clock: Clock) -> None:
        self._writes = writes
        self._ended = writes.ended
        self._servers = servers
        self._clock = clock

    def concerns(self, route: Route) -> bool:
        """Whether it can have something to do for a call."""
        return not route.verdict.reads

    def leave(self, call: Call, outcome: Outcome) -> Outcome | Coroutine[Any, Any, Outcome]:
        server = call.route.server
        if (type(outcome) is Result and call.first is None) or has_ended(call, outcome):
            noting = self._ended(server)
            return outcome if noting is None else after(self._writes.tell(server, noting), outcome)
        sure = self._writes.doubt(server, self._clock.monotonic())
        self._servers[server].unanswered.once_answered(sure)
        return outcome


async def after(told: asyncio.Future[None], outcome: Outcome) -> Outcome:
    """Whoever has the answer to a write, and reads through another process, must not see what was before."""
    await asyncio.shield(told)
    return outcome


def has_ended(call: Call, outcome: Outcome) -> bool:
    """Whether the server is certainly no longer at work on a call."""
    if isinstance(outcome, Result):
        return call.first is None or not call.first.started
    if not isinstance(outcome, CallmuxError):
        # Given up: it has begun if it was sent.
        return not call.number
    # It may have begun and has not answered.
    unknown = isinstance(outcome, ToolCallFailed) and outcome.details.get("executionState") == "unknown"
    return not unknown or (isinstance(outcome, ToolCallFailed) and outcome.rpc is not None)
