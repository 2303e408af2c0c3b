"""No call goes out that waits for a person's word and has none. A call stage, right behind preparing.

Whatever way a call took here (direct, in a plan, a prompt, a resource, a method that callmux does not know),
it is asked about unless `callmux.rings.approving` was allowed exactly this call. So what is asked about are
the arguments that are sent, and an answer from the cache is asked about like any other.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from callmux.clock import Clock
from callmux.errors import ApprovalUnavailable, CallmuxError
from callmux.guard.approvals import Need
from callmux.rings.approving import Grants
from callmux.rings.asking import Asking
from callmux.rings.call import Call
from callmux.rings.route import Find, Route


class Confirming:
    """Call stage: the last look before a call is made.

    Args:
        asking: Asks people.
        grants: What they have allowed for plans.
        find: Gives the route of a name as it is now.
        clock: Time.
    """

    def __init__(self, asking: Asking, grants: Grants, find: Find, clock: Clock) -> None:
        self._asking = asking
        self._grants = grants
        self._find = find
        self._clock = clock

    def concerns(self, route: Route) -> bool:
        """Whether a call has to be approved."""
        return route.asks

    def enter(self, call: Call) -> Coroutine[Any, Any, None] | None:
        need = self._asking.need(call)
        return None if self._grants.take(call.context.client, need) else self._ask(call, need)

    async def _ask(self, call: Call, need: Need) -> None:
        await self._asking.ask([need], call.context)
        if self._definition_now(call) != need.subject.definition:
            raise ApprovalUnavailable(
                f'"{call.target}" of server "{call.server}" has changed while its approval was awaited.'
                " Nothing was done; look at its definition and call again",
                server=call.server,
                tool=call.target,
                executionState="not_started",
            )
        # People may take their time: the call has all of its own.
        call.deadline = self._clock.monotonic() + call.seconds

    def _definition_now(self, call: Call) -> str | None:
        """What the tool is by now."""
        route = call.route
        if route.method == "tools/call":
            try:
                route = self._find(call.asked.spelling, call.asked.server)
            except CallmuxError:
                return None
            if (route.server, route.bare) != (call.server, call.target):
                return None
        return self._asking.definition(route.server, route.tool)
