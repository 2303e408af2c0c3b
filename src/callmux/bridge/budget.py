"""How long the bridge waits for an answer: read from the plan of the request. Pure.

Called by `callmux.bridge.relay`. The listener bounds every call itself, so without `--call-timeout` the time
here is only when the bridge begins to ask whether the listener is still there.
"""

from __future__ import annotations

import msgspec

from callmux.metatools.table import traits
from callmux.plan import Plan

LISTENER_MS = 180_000
"""What a listener gives a call by default."""
MARGIN_MS = 5_000
"""Added to what the calls may take: for the way, and for the listener's own answer about a time-out."""


class Budget(msgspec.Struct, frozen=True):
    """The time for one request.

    Attributes:
        seconds: When it has had enough.
        hard: Whether it is given up then; else only if the listener gives no sign of life.
    """

    seconds: float
    hard: bool


def budget(plan: Plan | None, own_ms: int | None) -> Budget:
    """The time for a request.

    Args:
        plan: What a meta-tool will call; None for everything else.
        own_ms: `--call-timeout`, or None.
    """
    each = own_ms if own_ms is not None else LISTENER_MS
    least = own_ms if own_ms is not None else LISTENER_MS + MARGIN_MS
    own = None if plan is None else traits(plan.name)
    if plan is not None and own is not None and own.calls and plan.calls:
        derived = MARGIN_MS + sum(each if c.timeout_ms is None else c.timeout_ms for c in plan.calls)
        least = max(least, derived)
    # How many calls a recipe makes is known to the listener only.
    hard = own_ms is not None and not (own is not None and own.calls and own.expands)
    return Budget(least / 1000, hard)
