"""Which calls wait for a person: the key `approve`. Pure.

Called by `callmux.router.routing`, which writes the verdict into each route once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from callmux import names
from callmux.guard.tiers import TIERS

NEVER = frozenset(
    {
        "completion/complete",
        "resources/subscribe",
        "resources/unsubscribe",
        "tasks/cancel",
        "tasks/get",
        "tasks/list",
        "tasks/result",
        "tasks/update",
    }
)
"""Methods that nobody is asked about: the client's program makes them, not a model, and each is about what
changes nothing or was approved already. A person who is asked at each key that is pressed reads no
question any more."""


class Consent:
    """What a configuration wants approved.

    Args:
        given: Tiers, each of which stands for those above it, too, and patterns of names.
    """

    def __init__(self, given: Sequence[str]) -> None:
        tiers = [TIERS.index(entry) for entry in given if entry in TIERS]
        self._from = min(tiers, default=len(TIERS))
        self._pattern = names.pattern(entry for entry in given if entry not in TIERS)

    def asks(self, method: str, tier: str, spelled: Iterable[str]) -> bool:
        """Whether a person is asked before such a call.

        Args:
            tier: What it may do.
            spelled: Every name of the tool; of another method, its name with and without the server's.
        """
        if method in NEVER:
            return False
        if TIERS.index(tier) >= self._from:
            return True
        return self._pattern is not None and any(map(self._pattern.fullmatch, spelled))
