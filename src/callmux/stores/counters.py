"""What this process has counted. Counts are its own, wherever the stores are. Pure.

Held by `callmux.process.stores`; counted by the cache and coalescing stages and by `callmux.rings.scopes`.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec


class Counters(msgspec.Struct):
    """Counts of one process.

    Attributes:
        hits: Look-ups in the cache that found something.
        misses: Look-ups that found nothing.
        coalesced: Calls that shared the call of another.
        in_flight: Calls under way that others may share.
        unresolved: Calls whose directory nobody knew, by server.
    """

    hits: int = 0
    misses: int = 0
    coalesced: int = 0
    in_flight: int = 0
    unresolved: Counter[str] = msgspec.field(default_factory=Counter)

    def facts(self) -> dict[str, Any]:
        """What status shows beside the facts of the cache."""
        looked_up = self.hits + self.misses
        return {
            "inFlight": self.in_flight,
            "coalesced": self.coalesced,
            "hits": self.hits,
            "misses": self.misses,
            "hitRate": self.hits / looked_up if looked_up else 0,
        }
