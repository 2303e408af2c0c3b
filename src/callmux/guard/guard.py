"""What stands before a listener: makes the gate of a configuration, and keeps what must survive it.

Made by `callmux.cli.listen`, once; each reload asks for another gate, whose checks go on with the same
counters.
"""

from __future__ import annotations

from callmux.clock import Clock
from callmux.config.model import Config
from callmux.guard.gate import Gate
from callmux.guard.limits import AbuseLimits


class Guard:
    """The checks of one listener.

    Args:
        clock: Time.
    """

    def __init__(self, clock: Clock) -> None:
        self._limits = AbuseLimits(clock.monotonic)

    def gate(self, config: Config) -> Gate | None:
        """The gate of a configuration; None where it asks for no check."""
        before, after = self._limits.checks(config.abuse_controls)
        checks = [check for check in (before, after) if check is not None]
        return Gate(checks) if checks else None
