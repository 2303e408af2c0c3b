"""What runs around each request and around each call, outermost first: two lists, nothing else decides.

Called by `callmux.process.runtime` when it wires a configuration. `Order` gives each route those of the
stages that can have something to do for it: a stage says so in `concerns(route)`, one without that function
always can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from callmux.clock import Clock
from callmux.observe.bus import Bus
from callmux.rings.cache.stage import Caching
from callmux.rings.coalescing import Coalescing
from callmux.rings.converting import Converting
from callmux.rings.formatting import Formatting
from callmux.rings.limiting import Limiting, Slots
from callmux.rings.observing import Observing
from callmux.rings.preparing import Preparing
from callmux.rings.relinking import Relinking
from callmux.rings.retrying import Retrying
from callmux.rings.route import Route
from callmux.rings.shield.stage import Shielding
from callmux.rings.stage import Stages
from callmux.rings.tracing import Tracing
from callmux.rings.writing import Writing
from callmux.upstream.server import Server


def request_stages(
    formatting: Formatting,
    shield: Shielding,
    *,
    plain: bool,
    authorizing: Any = None,
    approving: Any = None,
) -> Sequence[Any]:
    """Around each request.

    Args:
        authorizing: Refuses what its caller may not use; None where no rules apply.
        formatting: Renders what callmux itself answers.
        shield: Shortens large results.
        plain: The transparent mode: nothing is changed.
        approving: Asks a person; None where nothing has to be approved.
    """
    guards = [guard for guard in (authorizing, approving) if guard is not None]
    return [Converting(plain), *guards] if plain else [Converting(), *guards, formatting, shield]


def call_stages(
    preparing: Preparing,
    caching: Caching | None,
    coalescing: Coalescing,
    writing: Writing,
    servers: Mapping[str, Server],
    slots: Slots,
    clock: Clock,
    relinking: Relinking | None = None,
    bus: Bus | None = None,
    confirming: Any = None,
) -> Sequence[Any]:
    """Around each call.

    Args:
        caching: None where nothing is cached.
        relinking: None where no two servers can have the same URI.
        bus: Who hears of calls.
        confirming: Lets nothing through that a person has to approve; None where nothing has to be.
    """
    around: list[Any] = [] if bus is None else [Observing(bus, clock)]
    around += [] if relinking is None else [relinking]
    around += [preparing] if confirming is None else [preparing, confirming]
    around += [] if caching is None else [caching]
    tracing = [] if bus is None else [Tracing(bus)]
    return [*around, coalescing, writing, Limiting(slots, servers), *tracing, Retrying(servers, clock, bus)]


class Order:
    """The stages of one configuration, fitted to its routes.

    Args:
        request: What stands around each request.
        call: What stands around each call.
        admitting: What stands around them where no request stage has seen the call itself; None for nothing.
    """

    def __init__(self, request: Sequence[Any], call: Sequence[Any], admitting: Any = None) -> None:
        self.request = request
        self._call = call
        self._admitting = () if admitting is None else (admitting,)
        self._made: dict[tuple[Any, ...], Stages] = {}

    def fit(self, route: Route) -> None:
        """Gives a route its stages."""
        inner = tuple(stage for stage in self._call if _concerns(stage, route))
        outer = tuple(stage for stage in self.request if _concerns(stage, route))
        route.stages = self._stages(self._admitting + inner)
        route.direct = self._stages(outer + inner)

    def _stages(self, stages: tuple[Any, ...]) -> Stages:
        made = self._made.get(stages)
        if made is None:
            made = self._made[stages] = Stages(stages)
        return made


def _concerns(stage: Any, route: Route) -> bool:
    concerns = getattr(stage, "concerns", None)
    return concerns is None or bool(concerns(route))
