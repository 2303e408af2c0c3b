"""How much work strangers may cause: checks of unknown credentials, for each address and in all.

Called by the check of credentials in `callmux.guard`, before anything is hashed or fetched. Holds with every
`auth`, whatever `abuseControls` says. A client whose token was verified a moment ago needs no such check.
What is bounded is the work of this process, so that its counts are always in its memory.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NoReturn

from callmux.guard.gate import TurnedAway, too_many
from callmux.stores.memory_counts import MemoryRates

AT_A_TIME = 2
"""Checks at the same time. Each may take a core for some 50 ms for every token of the configuration."""
MOST_WAITING = 64
"""Checks that wait for their turn."""
MOST_OF_ONE = 32
"""Checks of one address, those that wait included: it cannot take the places of all others. There may be
many agents with tokens of their own, on one machine or behind one router, that begin together."""
WINDOW_SECONDS = 60.0


class Attempts:
    """The bounds on checks of unknown credentials.

    Args:
        now: The monotonic clock.

    Attributes:
        failures_per_minute: Failures of one address after which its further attempts are refused unseen for
            the rest of the minute; 0 for any number.
        when_refused: Called for each attempt that is refused unseen.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.failures_per_minute = 0
        self.when_refused: Callable[[], Awaitable[None]] | None = None
        self._now = now
        self._failed = MemoryRates()
        self._present: dict[str, int] = {}
        self._waiting = 0
        self._turns = asyncio.Semaphore(AT_A_TIME)

    @asynccontextmanager
    async def turn(self, site: str) -> AsyncIterator[None]:
        """A turn for one check.

        Args:
            site: What the address of the caller is counted by.

        Raises:
            TurnedAway: 429: there were too many failures, or too many checks wait.
        """
        await self.admit(site)
        if self._present.get(site, 0) >= MOST_OF_ONE or self._waiting >= MOST_WAITING + AT_A_TIME:
            await self._refuse(too_many("Too many credentials are being checked", 1, "credentialChecks"))
        self._present[site] = self._present.get(site, 0) + 1
        self._waiting += 1
        try:
            async with self._turns:
                # Those before it may have failed meanwhile.
                await self.admit(site)
                yield
        finally:
            self._waiting -= 1
            left = self._present.pop(site) - 1
            if left:
                self._present[site] = left

    async def admit(self, site: str) -> None:
        """Lets an address try another credential.

        Raises:
            TurnedAway: 429: there were too many failures.
        """
        now = self._now()
        if self.failures_per_minute and self._failed.count(site, now) >= self.failures_per_minute:
            left = math.ceil(self._failed.end(site, now) - now)
            reason = "Too many wrong credentials from this address"
            await self._refuse(too_many(reason, max(1, left), "addressFailedAuthPerMinute"))

    async def _refuse(self, refusal: TurnedAway) -> NoReturn:
        if self.when_refused is not None:
            await self.when_refused()
        raise refusal

    def failed(self, site: str) -> None:
        """A credential of that address was wrong."""
        self._failed.hit(site, WINDOW_SECONDS, self._now())
