"""Which connections could not be opened, and for how long nobody tries again. Pure.

Kept by `callmux.upstream.scoped.side_lanes`, which asks before it opens one: a call that needs a connection
that has just failed twice is told why, and does not start a process anew.
"""

from __future__ import annotations

from collections.abc import Callable

from callmux.config.traffic import ReconnectPolicy
from callmux.context import ClientPort
from callmux.upstream.failures import CallFailure
from callmux.upstream.lanes import LaneKey
from callmux.upstream.opening.reconnect import rest_seconds

MOST = 256
"""Connections that are remembered; the one that failed first is forgotten first."""


class FailedOpenings:
    """The connections of one server that could not be opened.

    Args:
        policy: Gives when one is tried again.
    """

    def __init__(self, policy: Callable[[], ReconnectPolicy]) -> None:
        self._policy = policy
        self._failed: dict[LaneKey, tuple[int, float, CallFailure]] = {}

    def __repr__(self) -> str:
        return f"FailedOpenings({len(self._failed)})"

    def note(self, key: LaneKey, failure: CallFailure, now: float) -> None:
        """This one could not be opened. What has failed once may have been mended at once."""
        before = self._failed.pop(key, (0, 0.0, failure))[0]
        rest = rest_seconds(self._policy(), before) if before else 0.0
        self._failed[key] = before + 1, now + rest, failure
        if len(self._failed) > MOST:
            del self._failed[next(iter(self._failed))]

    def opened(self, key: LaneKey) -> None:
        """This one is open."""
        self._failed.pop(key, None)

    def forget(self, client: ClientPort) -> None:
        """Forgets those of a client that has left."""
        for key in [key for key in self._failed if key.client is client]:
            del self._failed[key]

    def why(self, key: LaneKey, now: float) -> CallFailure | None:
        """Why this one is not tried now; None where it may be."""
        _, until, failure = self._failed.get(key, (0, now, None))
        return None if failure is None or until <= now else failure.until(until - now)
