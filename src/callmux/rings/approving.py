"""Asks a person once about all calls of a plan, before any of them is made. A request stage, inside of
authorizing.

It stands in the ring only where `approve` names something. A direct call is asked about by
`callmux.rings.confirming`, as is whatever this stage could not foresee.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from callmux.context import CallContext, ClientPort
from callmux.errors import CallmuxError
from callmux.guard.approvals import Need
from callmux.plan import Plan, ToolCall
from callmux.rings.asking import Asking
from callmux.rings.call import Call
from callmux.rings.ring import Job
from callmux.rings.route import Route
from callmux.rings.stage import Outcome

TURN = 50
"""Calls that are looked at before others get a turn."""


class Grants:
    """The calls that a person has allowed and that are not made yet, by the request they belong to."""

    def __init__(self) -> None:
        self._left: dict[ClientPort, Counter[bytes]] = {}

    def __repr__(self) -> str:
        return f"Grants({len(self._left)} requests)"

    def give(self, request: ClientPort, needs: Sequence[Need]) -> None:
        """Allows these calls of a request, each once."""
        self._left[request] = Counter(need.exact for need in needs)

    def take(self, request: ClientPort, need: Need) -> bool:
        """Whether a call was allowed; it is not allowed a second time."""
        left = self._left.get(request)
        if left is None or not left[need.exact]:
            return False
        left[need.exact] -= 1
        return True

    def drop(self, request: ClientPort) -> None:
        """Forgets a request that is over."""
        self._left.pop(request, None)


class Approving:
    """Request stage: one question for the calls of a plan.

    Args:
        asking: Asks people.
        grants: Where it is noted what they allow.
        foresee: Gives the calls that a plan will make, None for one whose arguments come from a result.
        find: Gives the route of a call, once its server is known.
        prepare: Gives the call as it would be sent.
    """

    def __init__(
        self,
        asking: Asking,
        grants: Grants,
        foresee: Callable[[Plan], Sequence[ToolCall | None]],
        find: Callable[[ToolCall], Awaitable[Route]],
        prepare: Callable[[ToolCall, CallContext], Awaitable[Call]],
    ) -> None:
        self._asking = asking
        self._grants = grants
        self._foresee = foresee
        self._find = find
        self._prepare = prepare

    def concerns(self, route: Route) -> bool:
        """Whether this stage concerns a request: a direct call is asked about when it is prepared."""
        return False

    def enter(self, job: Job) -> Coroutine[Any, Any, None] | None:
        calls = () if job.plan is None else self._foresee(job.plan)
        return self._ask(calls, job.context) if calls else None

    def leave(self, job: Job, outcome: Outcome) -> Outcome:
        self._grants.drop(job.context.client)
        return outcome

    async def _ask(self, calls: Sequence[ToolCall | None], context: CallContext) -> None:
        needs: list[Need] = []
        for number, call in enumerate(calls):
            if number % TURN == TURN - 1:
                await asyncio.sleep(0)
            if call is None:
                continue
            try:
                if (await self._find(call)).asks:
                    needs.append(self._asking.need(await self._prepare(call, context)))
            except CallmuxError:
                # It cannot be made, and says so when its turn comes.
                continue
        if needs:
            await self._asking.ask(needs, context)
            self._grants.give(context.client, needs)
