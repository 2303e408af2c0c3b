"""Keeps large results out of the client's context. The innermost request stage: it sees whole answers.

Calls `callmux.rings.shield.shelf` for the few results that may be over a limit; the others cost a comparison.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from callmux.context import ClientPort
from callmux.errors import CallmuxError
from callmux.plan import Plan
from callmux.protocol.shapes import Result, Told
from callmux.rings.ring import Job
from callmux.rings.route import Find, Route
from callmux.rings.shield.compact import is_quiet
from callmux.rings.shield.policy import Policies
from callmux.rings.shield.reply import passes, shorten
from callmux.rings.shield.shelf import Shelf
from callmux.rings.shield.shortening import Shortening
from callmux.rings.stage import SMALL, Outcome
from callmux.traits import Traits

LARGEST = 500_000
"""Bytes of texts that are looked at here: an answer that has more is shortened."""


class Shielding:
    """Request stage: shortens results that are over a limit.

    Args:
        policies: The limits for answers about names that lead nowhere; all others stand in routes.
        shelf: Where the whole results are kept.
        find: Gives the route of a name, and of the server beside it.
        noted: Whether the tools of what is kept are noted, because rules may keep them from whoever asks for
            more.
        again: Gives the bytes that one more turn of a client's model reads again; None where nobody knows.
    """

    # The reply takes half of that, and another call costs more.
    only_large = True

    def __init__(
        self,
        policies: Policies,
        shelf: Shelf,
        find: Find,
        *,
        noted: bool = False,
        again: Callable[[ClientPort], int | None] = lambda client: None,
    ) -> None:
        self._noted = noted
        self._again = again
        self._policies = policies
        self._shelf = shelf
        self._find = find
        self._lowest = policies.lowest

    def concerns(self, route: Route) -> bool:
        """Whether it can have something to do for a direct call."""
        return route.limits is not None

    def leave(self, job: Job, outcome: Outcome) -> Outcome | Coroutine[Any, Any, Result]:
        if type(outcome) is not Result:
            return outcome
        raw = outcome.raw
        if len(raw) <= SMALL or self._lowest is None or is_quiet(raw, self._lowest):
            return outcome
        plan, own = job.plan, None if job.route is None else job.route.own
        if plan is None or (own is not None and not own.shielded):
            return outcome
        order = self._order(plan, job.route, own)
        if order is None or passes(raw, order) or is_quiet(raw, order.limits):
            return outcome
        if order.limits.reads_on:
            order = msgspec.structs.replace(order, again=self._again(job.context.client))
        if outcome.told is not None and order.several and _passes_without_media(outcome.told, order):
            return outcome
        sources = self._sources(plan) if self._noted else ()
        return self._shelf.shorten(outcome, order, job.context.owner, sources)

    def _sources(self, plan: Plan) -> tuple[tuple[str, str], ...]:
        found: dict[tuple[str, str], None] = {}
        for call in plan.calls:
            with contextlib.suppress(CallmuxError):
                route = self._find(call.spelling, call.server)
                found[route.server, route.bare] = None
        return tuple(found)

    def _order(self, plan: Plan, route: Route | None, own: Traits | None) -> Shortening | None:
        """How to shorten what this plan gave; None where it is not shielded."""
        if own is not None and not own.transparent:
            assert route is not None
            limits = route.limits
            order = None
            if limits is not None:
                order = Shortening(limits=limits, tool=plan.name, server=None, ref="", several=True)
            return order
        if route is None or own is not None:
            asked = plan.calls[0]
            try:
                route = self._find(asked.spelling, asked.server)
            except CallmuxError:
                # An answer about a name that leads nowhere.
                limits = self._policies.limits(None, [asked.spelling])
                return (
                    None
                    if limits is None
                    else Shortening(limits=limits, tool=asked.spelling, server=None, ref="")
                )
        if route.limits is None:
            return None
        # Behind a meta-tool no client knows of the tool's schema.
        schema = None if own is not None or route.tool is None else route.tool.members.get("outputSchema")
        return Shortening(
            limits=route.limits,
            tool=route.bare,
            server=route.server,
            ref="",
            output_schema=None if schema is None else bytes(schema),
        )


def _passes_without_media(told: Told, order: Shortening) -> bool:
    """Whether an answer that may be shown as plain content is over its limits for its pictures alone."""
    from callmux.rings.plain import without_media

    light = without_media(told)
    if light is None or len(light) > LARGEST:
        return False
    return passes(light, order) or (order.limits.reads_on and shorten(light, order) is None)
