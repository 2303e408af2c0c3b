"""Tells the bus of each call that is over. The outermost call stage, and only where somebody listens.

Made by `callmux.rings.order`; calls `callmux.observe.bus`.
"""

from __future__ import annotations

from callmux.clock import Clock
from callmux.errors import CallmuxError
from callmux.observe.bus import Bus
from callmux.observe.facts import CANCELLED, FAILED, OK, TOOL_ERROR, CallEnded
from callmux.protocol.jsonrpc import RpcError
from callmux.protocol.shapes import Result
from callmux.rings.call import Call
from callmux.rings.route import Route
from callmux.rings.stage import Cancelled, Outcome


class Observing:
    """Call stage: what became of a call.

    Args:
        bus: Who hears of it.
        clock: Time.
    """

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._bus = bus
        self._witnesses = bus.witnesses
        self._now = clock.monotonic

    def concerns(self, route: Route) -> bool:
        """Whether anybody listens."""
        return self._bus.calls

    def enter(self, call: Call) -> None:
        call.began = self._now()

    def leave(self, call: Call, outcome: Outcome) -> Outcome:
        # With every call that somebody hears of: one function, and nothing looked at twice.
        route, asked, context = call.route, call.asked, call.context
        code = category = ""
        received = 0
        if isinstance(outcome, Result):
            raw = outcome.raw
            received = len(raw)
            # `in` costs an exception, `find` twice as much.
            how = TOOL_ERROR if raw.partition(b'"isError"')[1] and outcome.is_error else OK
        elif isinstance(outcome, Cancelled):
            how = CANCELLED
        else:
            how = FAILED
            code, category = _named(outcome)
        about = context.about
        tool, arguments = asked.spelling, call.arguments
        fact = CallEnded(
            route.server,
            route.method,
            call.target,
            tool,
            self._now() - call.began,
            "" if call.stages is route.direct else _within(context.client.doing, tool),
            how,
            code,
            category,
            call.source,
            (call.number > 0) + (call.first is not None),
            call.waited,
            0 if arguments is None else len(arguments),
            received,
            about.get("sessionId", ""),
            about.get("requestId", ""),
            context.principal,
            route.tool is not None or route.method != "tools/call",
            id(context.client),
            () if call.scope is None else tuple(name for name, _ in call.scope.headers),
        )
        self._bus.publish(fact)
        if self._witnesses and (witness := self._witnesses.get(fact.request)) is not None:
            witness(fact, outcome)
        return outcome


def _within(doing: str, tool: str) -> str:
    """The meta-tool that makes a call; a direct one may have had to wait for its route."""
    return "" if doing == tool else doing


def _named(failure: BaseException) -> tuple[str, str]:
    """Code and category of a failure."""
    if isinstance(failure, CallmuxError):
        return failure.code, str(failure.details.get("category", ""))
    if isinstance(failure, RpcError):
        return str(failure.code), ""
    return CallmuxError.code, ""
