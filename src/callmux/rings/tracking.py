"""Which tool calls of a listener's clients run now: what status shows of them. A request stage.

Stands right inside of converting. The list lives as long as the process (`callmux.stores`); on stdio, where
nobody else could look, nothing is tracked.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence, Set
from typing import Any

from callmux.clock import Clock
from callmux.context import CallContext
from callmux.errors import CallmuxError
from callmux.plan import Plan, ToolCall
from callmux.protocol.shapes import Result
from callmux.rings.route import Route
from callmux.rings.stage import Find, ProceedPlan
from callmux.timestamps import iso

PREFIX = "callmux_"
CALL = "callmux_call"


class _Active:
    """A call that runs."""

    __slots__ = ("facts", "since", "started")

    def __init__(self, facts: dict[str, Any], since: float, started: str) -> None:
        self.facts = facts
        self.since = since
        self.started = started


class ActiveCalls:
    """The calls that run now, in the order in which they began."""

    def __init__(self) -> None:
        self._calls: dict[str, _Active] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def begin(self, facts: dict[str, Any], clock: Clock) -> str:
        """A call begins; gives the id that `end` takes."""
        id = str(uuid.uuid4())
        self._calls[id] = _Active(facts, clock.monotonic(), iso(clock.wall()))
        return id

    def end(self, id: str) -> None:
        """A call is over."""
        del self._calls[id]

    def shown(self, clock: Clock) -> list[dict[str, Any]]:
        """The calls as status shows them."""
        now = clock.monotonic()
        return [
            {
                "id": id,
                **call.facts,
                "startedAt": call.started,
                "durationMs": round((now - call.since) * 1000),
                "status": "in_flight",
            }
            for id, call in self._calls.items()
        ]


class Tracking:
    """Request stage: notes each call while it runs.

    Args:
        active: Where they are noted.
        find: Gives the route of a name, and of the server beside it.
        own: The names of the meta-tools.
        clock: Time.
    """

    def __init__(
        self,
        active: ActiveCalls,
        find: Find,
        own: Set[str],
        clock: Clock,
    ) -> None:
        self._active = active
        self._find = find
        self._own = own
        self._clock = clock

    def __call__(self, plan: Plan, context: CallContext, proceed: ProceedPlan) -> Awaitable[Result]:
        if not context.about:
            return proceed(plan, context)
        return self._tracked(plan, context, proceed)

    async def _tracked(self, plan: Plan, context: CallContext, proceed: ProceedPlan) -> Result:
        id = self._active.begin(self._facts(plan, context.about), self._clock)
        try:
            return await proceed(plan, context)
        finally:
            self._active.end(id)

    def _facts(self, plan: Plan, about: Mapping[str, str]) -> dict[str, Any]:
        own = plan.name in self._own
        routes = [self._route(call) for call in plan.calls]
        targets = [
            ("", call.tool) if route is None else (route.server, route.bare)
            for call, route in zip(plan.calls, routes, strict=True)
        ]
        facts: dict[str, Any] = {**about, "tool": plan.name}
        if len(targets) == 1 and (not own or plan.name == CALL):
            server, facts["targetTool"] = targets[0]
            if server:
                facts["server"] = server
        else:
            facts["targetTool"] = plan.name
        facts["toolKind"] = "callmux_meta" if own else "downstream"
        facts["operation"] = plan.name.removeprefix(PREFIX) if own else "direct"
        if targets:
            facts["timeoutMs"] = _budget(plan.calls, routes)
            facts["downstreamTargets"] = [
                {"server": server, "tool": tool, "count": count}
                for (server, tool), count in Counter(targets).items()
            ]
        return facts

    def _route(self, call: ToolCall) -> Route | None:
        """The call's route; None where its name leads nowhere."""
        try:
            return self._find(call.tool, call.server)
        except CallmuxError:
            return None


def _budget(calls: Sequence[ToolCall], routes: Sequence[Route | None]) -> int:
    """Milliseconds that all calls may take one after the other; one that leads nowhere takes none."""
    each = (route.seconds_for(call.timeout_ms) for call, route in zip(calls, routes, strict=True) if route)
    return round(sum(each) * 1000)
