"""How reloading the configuration has gone. Pure but for the clock it is given.

Kept by `callmux.process.host`; hears of reloads on the bus; shown by status.
"""

from __future__ import annotations

from typing import Any

from callmux.clock import Clock
from callmux.observe.bus import Bus
from callmux.observe.facts import Reloaded
from callmux.timestamps import iso


class Reloads:
    """The last reload.

    Args:
        clock: Time.
        bus: Where it hears of them.
    """

    def __init__(self, clock: Clock, bus: Bus) -> None:
        self._clock = clock
        self._at: float | None = None
        self._error: str | None = None
        bus.subscribe(Reloaded, self._note)

    def _note(self, reload: Reloaded) -> None:
        self._at = self._clock.wall()
        self._error = reload.error

    def facts(self) -> dict[str, Any]:
        """What status shows; nothing before the first reload."""
        if self._at is None:
            return {}
        facts: dict[str, Any] = {"lastReloadAt": iso(self._at)}
        if self._error is not None:
            facts["lastReloadError"] = self._error
        return {"configReload": facts}
