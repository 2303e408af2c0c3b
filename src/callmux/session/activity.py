"""Which tool calls of a listener's clients run now: read from their requests when somebody asks.

Called by `callmux.process.host`. Ids and times of day are made here, not for each call: a request that nobody
looks at never has any.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from callmux.clock import Clock
from callmux.errors import CallmuxError
from callmux.plan import Plan, ToolCall
from callmux.rings.route import Find, Route
from callmux.session.request import Request
from callmux.session.session import Session
from callmux.timestamps import iso
from callmux.traits import Traits

PREFIX = "callmux_"


class Activity:
    """What runs.

    Args:
        find: Gives the route of a name.
        clock: Time.
    """

    def __init__(self, find: Find, clock: Clock) -> None:
        self._find = find
        self._clock = clock

    def shown(self, sessions: Iterable[Session]) -> list[dict[str, Any]]:
        """The tool calls of these sessions, in the order in which they began."""
        running = [one for session in sessions for one in session.requests if one.job is not None]
        return [self.about(request) for request in sorted(running, key=lambda one: one.started)]

    def about(self, request: Request) -> dict[str, Any]:
        """One of them."""
        request.shown_as = request.shown_as or str(uuid.uuid4())
        age = self._clock.monotonic() - request.started
        said = request.said
        facts: dict[str, Any] = {"id": request.shown_as, "requestId": said.request_id}
        facts["sessionId"] = said.session_id
        where = said.cwd or request.session.facts.cwd
        if where is not None:
            facts["cwd"] = where
        job = request.job
        if job is not None and job.plan is not None:
            facts |= self._planned(job.plan, None if job.route is None else job.route.own)
        started = iso(self._clock.wall() - age)
        return {**facts, "startedAt": started, "durationMs": round(age * 1000), "status": "in_flight"}

    def _planned(self, plan: Plan, own: Traits | None) -> dict[str, Any]:
        routes = [self._route(call) for call in plan.calls]
        called = [
            ("", call.spelling) if route is None else (route.server, route.bare)
            for call, route in zip(plan.calls, routes, strict=True)
        ]
        facts: dict[str, Any] = {"tool": plan.name}
        if len(called) == 1 and (own is None or own.transparent):
            server, facts["targetTool"] = called[0]
            if server:
                facts["server"] = server
        else:
            facts["targetTool"] = plan.name
        facts["toolKind"] = "downstream" if own is None else "callmux_meta"
        facts["operation"] = "direct" if own is None else plan.name.removeprefix(PREFIX)
        if called:
            facts["timeoutMs"] = _budget(plan.calls, routes)
            facts["downstreamTargets"] = [
                {"server": server, "tool": tool, "count": count}
                for (server, tool), count in Counter(called).items()
            ]
        return facts

    def _route(self, call: ToolCall) -> Route | None:
        """The call's route; None where its name leads nowhere."""
        try:
            return self._find(call.spelling, call.server)
        except CallmuxError:
            return None


def _budget(calls: Sequence[ToolCall], routes: Sequence[Route | None]) -> int:
    """Milliseconds that all calls may take one after the other; one that leads nowhere takes none."""
    each = (route.seconds_for(call.timeout_ms) for call, route in zip(calls, routes, strict=True) if route)
    return round(sum(each) * 1000)
