"""What runs around each request and around each call, outermost first: two lists, nothing else decides.

Called by `callmux.runtime` when it wires a configuration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from callmux.clock import Clock
from callmux.rings.cache.stage import Caching
from callmux.rings.coalescing import Coalescing
from callmux.rings.converting import Converting
from callmux.rings.formatting import Formatting
from callmux.rings.limiting import Limiting, Slots
from callmux.rings.preparing import Preparing
from callmux.rings.relinking import Relinking
from callmux.rings.retrying import Retrying
from callmux.rings.shield.stage import Shielding
from callmux.rings.stage import RequestStage, Stage
from callmux.rings.tracking import Tracking
from callmux.upstream.server import Server


def request_stages(
    tracking: Tracking, formatting: Formatting, shield: Shielding, *, plain: bool
) -> Sequence[RequestStage]:
    """Around each request. Later, after tracking: authorizing.

    Args:
        tracking: Notes what runs.
        formatting: Renders what callmux itself answers.
        shield: Shortens large results.
        plain: The transparent mode: nothing is changed.
    """
    return [Converting(plain), tracking] if plain else [Converting(), tracking, formatting, shield]


def call_stages(
    preparing: Preparing,
    caching: Caching | None,
    coalescing: Coalescing,
    servers: Mapping[str, Server],
    slots: Slots,
    clock: Clock,
    relinking: Relinking | None = None,
) -> Sequence[Stage]:
    """Around each call.

    Args:
        caching: None where nothing is cached.
        relinking: None where no two servers can have the same URI.
    """
    around: list[Stage] = [] if relinking is None else [relinking]
    around += [preparing] if caching is None else [preparing, caching]
    return [*around, coalescing, Limiting(slots, servers), Retrying(servers, clock)]
