"""How reloading the configuration has gone. Pure but for the clock it is given.

Kept by `callmux.process.host`; noted by `callmux.process.watch`; shown by status.
"""

from __future__ import annotations

from typing import Any

from callmux.clock import Clock
from callmux.timestamps import iso


class Reloads:
    """The last reload.

    Args:
        clock: Time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at: float | None = None
        self._error: str | None = None

    def note(self, error: str | None) -> None:
        """A reload went well (None), or did not and the old configuration goes on."""
        self._at = self._clock.wall()
        self._error = error

    def facts(self) -> dict[str, Any]:
        """What status shows; nothing before the first reload."""
        if self._at is None:
            return {}
        facts: dict[str, Any] = {"lastReloadAt": iso(self._at)}
        if self._error is not None:
            facts["lastReloadError"] = self._error
        return {"configReload": facts}
