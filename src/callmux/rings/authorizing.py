"""Nothing runs that its caller may not use. A request stage over what a plan will call, and a call stage.

Both ask `callmux.guard.rights`. The request stage refuses a whole request before any of it runs; the call
stage stands at the one door, so that nothing gets past it: what a name means may change between the two, and
prompts, resources and all other methods have no plan. They stand in the rings only where rules or profiles
apply.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence

from callmux import names
from callmux.context import CallContext
from callmux.errors import AuthorizationDenied, CallmuxError, ToolNotFound
from callmux.guard.rights import Permissions, Rights, denied
from callmux.guard.rules import AMBIGUOUS_TARGET, Denial
from callmux.guard.wanted import Judged, Wanted, literal
from callmux.observe.bus import Bus
from callmux.observe.facts import Denied
from callmux.plan import Plan, ToolCall
from callmux.protocol.extensions import LISTING
from callmux.rings.call import Call
from callmux.rings.ring import Job
from callmux.rings.route import Find, Route
from callmux.traits import Traits

OF_ONE_TASK = frozenset({"tasks/get", "tasks/result", "tasks/cancel", "tasks/update"})
UNCLEAR = Denial(
    AMBIGUOUS_TARGET,
    "it cannot be told which tool is meant: name its server, as in server__tool",
)

Soon = Callable[[Sequence[ToolCall]], Coroutine[None, None, None] | None]


class Authorizing:
    """Request stage.

    Args:
        permissions: Who may use what.
        find: Gives the route of a name, and of the server beside it.
        soon: What to wait for until the names of calls can be looked up; None where they can.
        bus: Who hears of refusals.
    """

    def __init__(self, permissions: Permissions, find: Find, soon: Soon, bus: Bus | None = None) -> None:
        self._bus = bus
        self._permissions = permissions
        self._find = find
        self._soon = soon

    def enter(self, job: Job) -> Coroutine[None, None, None] | None:
        context = job.context
        rights = self._permissions.of(context.principal, context.profile)
        route = job.route
        if route is not None and route.own is None:
            refusal = rights.of_route(route)
            if refusal is not None:
                spelled = job.asked.spelling if isinstance(job, Call) else route.bare
                tell(self._bus, context, refusal, route, spelled)
                raise _refused(route, refusal)
            return None
        plan, own = job.plan, None if route is None else route.own
        assert plan is not None
        if rights.nothing is not None:
            tell(self._bus, context, rights.nothing, route, plan.name)
            raise denied(rights.nothing, plan.name)
        if own is not None:
            name, refusal = plan.name, rights.of_meta_tool(plan.name, must_be_allowed=own.restricted)
            if refusal is None and plan.via:
                name, refusal = plan.via, rights.of_meta_tool(plan.via)
            if refusal is not None:
                tell(self._bus, context, refusal, route, name)
                raise denied(refusal, name)
        if not plan.calls:
            return None
        waiting = self._soon(plan.calls)
        if waiting is not None:
            return self._later(waiting, rights, plan, own, context)
        self._judge(rights, plan, own, context)
        return None

    async def _later(
        self,
        waiting: Coroutine[None, None, None],
        rights: Rights,
        plan: Plan,
        own: Traits | None,
        context: CallContext,
    ) -> None:
        await waiting
        self._judge(rights, plan, own, context)

    def _judge(self, rights: Rights, plan: Plan, own: Traits | None, context: CallContext) -> None:
        """Refuses a plan of which one call may not be made.

        Raises:
            AuthorizationDenied: There is one.
        """
        asked = dict.fromkeys((call.spelling, call.server) for call in plan.calls)
        several = len(asked) > 1 or (own is not None and own.entries in ("calls", "steps"))
        within = "" if own is None else plan.name
        for tool, server in asked:
            try:
                route = self._find(tool, server)
            except CallmuxError as error:
                wanted, refusal = self._of_unknown(rights, tool, server, error, several=several)
                if refusal is not None:
                    tell(self._bus, context, refusal, wanted, tool, within)
                    raise denied(refusal, tool if wanted is None else wanted.names[0]) from None
                continue
            if (refusal := rights.of_route(route)) is not None:
                tell(self._bus, context, refusal, route, tool, within)
                raise _refused(route, refusal)

    def _of_unknown(
        self, rights: Rights, tool: str, server: str | None, error: CallmuxError, *, several: bool
    ) -> tuple[Wanted | None, Denial | None]:
        """What leads nowhere is judged by what it says, so that its absence tells nobody anything."""
        wanted: Wanted | None = None
        meant, bare = error.details.get("server"), error.details.get("tool")
        if isinstance(meant, str) and isinstance(bare, str):
            wanted = literal(bare, meant)
        elif server is not None or names.SEPARATOR in tool:
            wanted = literal(tool, server)
        if wanted is not None:
            return wanted, rights.of([wanted])
        # Where there is nothing of this name, the request goes on to say so.
        return None, UNCLEAR if several or not isinstance(error, ToolNotFound) else None


class Admitting:
    """Call stage.

    Args:
        permissions: Who may use what.
        find: Gives the route of a name, and of the server beside it.
        bus: Who hears of refusals.
    """

    def __init__(self, permissions: Permissions, find: Find, bus: Bus | None = None) -> None:
        self._bus = bus
        self._permissions = permissions
        self._find = find

    def enter(self, call: Call) -> None:
        context, route, permissions = call.context, call.route, self._permissions
        refusal = self._judged(permissions, call)
        if refusal is None and permissions.successor is not None:
            # The request began under rules that do not hold any more: what it begins now needs both.
            refusal = self._judged(permissions.latest, call)
        if refusal is None:
            return
        if route.method == "tools/call":
            tell(self._bus, context, refusal, route, call.asked.spelling)
            raise _refused(route, refusal)
        wanted = Wanted(route.server, call.target, (), route.tier)
        tell(self._bus, context, refusal, wanted, call.target, method=route.method)
        raise denied(refusal, names.join(route.server, call.target))

    def _judged(self, permissions: Permissions, call: Call) -> Denial | None:
        rights = permissions.of(call.context.principal, call.context.profile)
        if call.route.method == "tools/call":
            return rights.of_route(call.route)
        return self._of_request(rights, call)

    def _of_request(self, rights: Rights, call: Call) -> Denial | None:
        method, server = call.route.method, call.route.server
        if method == "resources/unsubscribe":
            # Whoever had it may end it.
            return None
        if method == "tasks/list" or method in LISTING:
            # Of the answer, a session sees the tasks that it made itself, and what it may use.
            return None if rights.could_use(server) else rights.of(self._wanted(call))
        if method in OF_ONE_TASK and call.target != method:
            # Who may not call a tool has nothing to do with its tasks; the target is that tool.
            try:
                return rights.of_route(self._find(call.target, server))
            except CallmuxError:
                return rights.of([literal(call.target, server)])
        return rights.of(self._wanted(call))

    def _wanted(self, call: Call) -> list[Wanted]:
        return self._permissions.namespace.request(call.route.server, call.route.method, call.target)


def tell(
    bus: Bus | None,
    context: CallContext,
    denial: Denial,
    judged: Judged | None,
    spelled: str,
    within: str = "",
    method: str = "tools/call",
) -> None:
    """Tells whoever listens that something was refused."""
    if bus is None or not bus.hears(Denied):
        return
    bus.publish(
        Denied(
            rule=denial.rule or denial.code,
            server="" if judged is None else judged.server,
            target=spelled if judged is None else judged.bare,
            spelled=spelled,
            method=method,
            within=within,
            tier="" if judged is None else judged.tier,
            session_id=context.about.get("sessionId", ""),
            request_id=context.about.get("requestId", ""),
            principal=context.principal,
        )
    )


def _refused(route: Route, refusal: Denial) -> AuthorizationDenied:
    return denied(refusal, names.join(route.server, route.bare))
