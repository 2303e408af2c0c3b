"""What is kept as long as the process lives: results that went out shortened.

Owned by `callmux.host`, so that it survives a reload, and lent to each `callmux.runtime`.
"""

from __future__ import annotations

from callmux.config.model import Config
from callmux.rings.shield.shelf import Shelf
from callmux.rings.shield.store import StoreLimits


class Stores:
    """The stores of one process.

    Attributes:
        results: Results that went out shortened.
    """

    def __init__(self) -> None:
        self.results = Shelf()

    def configure(self, config: Config) -> None:
        """Applies the bounds of a configuration to what is kept already."""
        shield = config.response_shield
        limits = StoreLimits(
            results=shield.max_stored_results,
            result_bytes=shield.max_stored_result_bytes,
            total_bytes=shield.max_stored_bytes,
        )
        self.results.configure(limits, shield.max_result_bytes)

    async def close(self) -> None:
        """Ends what works for them."""
        await self.results.close()
