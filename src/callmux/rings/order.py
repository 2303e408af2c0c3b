"""What runs around each request and around each call, outermost first: two lists, nothing else decides.

Called by `callmux.runtime` when it wires a configuration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from callmux.clock import Clock
from callmux.rings.converting import Converting
from callmux.rings.limiting import Limiting, Slots
from callmux.rings.preparing import Preparing
from callmux.rings.retrying import Retrying
from callmux.rings.stage import RequestStage, Stage
from callmux.upstream.server import Server


def request_stages(*, plain: bool) -> Sequence[RequestStage]:
    """Around each request. Later: tracking, authorizing, formatting, shielding.

    Args:
        plain: The transparent mode.
    """
    return [Converting(plain)]


def call_stages(servers: Mapping[str, Server], slots: Slots, clock: Clock) -> Sequence[Stage]:
    """Around each call. Later, between preparing and limiting: cache and coalescing."""
    return [Preparing(), Limiting(slots, servers), Retrying(servers, clock)]
