"""The keys of one issuer: fetched when they are needed, kept for a while, and again when one is not known.

Made and called by `callmux.guard.oidc`. A stranger can write any key id into a token, so what that causes is
bounded: fetches begin at most every two seconds, whoever needs a newer set waits for the next one, and an id
that a fresh set does not have is not looked for again for some seconds. So a flood of made-up ids delays a
key that is really new by a moment and never hides it.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable

from callmux.guard.key_set import KeySet, NotUsable, PublicKey, read
from callmux.tasks import TaskSet

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 2.0
"""Between the beginnings of two fetches."""
UNKNOWN_SECONDS = 10.0
"""How long an id is not looked for again that the issuer did not have."""
STALE_SECONDS = 3600.0
"""How much longer than `jwksCacheTtlSeconds` keys are used while the issuer gives none."""
MOST_UNKNOWN = 1000
MOST_WAITING = 1000
"""Requests that wait for keys. What comes on top is refused at once."""


class NoDocument(Exception):
    """The keys cannot be had. Its text says why."""


class NoKeys(Exception):
    """There are no keys that may be used: nobody can tell whether a signature is good."""


class IssuerKeys:
    """The keys.

    Args:
        fetch: Fetches the document. It may raise `NoDocument`, and bounds its own time.
        ttl_seconds: How long a set is as good as new.
        now: The monotonic clock.
        tasks: Own the fetches.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[bytes]],
        ttl_seconds: float,
        now: Callable[[], float],
        tasks: TaskSet,
    ) -> None:
        self._fetch = fetch
        self._ttl = ttl_seconds
        self._now = now
        self._tasks = tasks
        self._keys: KeySet | None = None
        self._as_of = 0.0
        self._began: float | None = None
        self._ended = -math.inf
        self._running: asyncio.Task[None] | None = None
        self._unknown: dict[str, float] = {}
        self._waiting = 0
        self._failing = False
        self._closed = False

    async def find(self, kid: str) -> list[PublicKey]:
        """The keys of this id; none where the issuer has none.

        Raises:
            NoKeys: The issuer has given no keys for too long.
        """
        asked = self._now()
        age = asked - self._as_of
        if self._keys is None or age > 2 * self._ttl + INTERVAL_SECONDS:
            # Nobody has asked for a while: what was withdrawn since then must not count once more.
            if self._running is not None or self._began is None or asked - self._began >= INTERVAL_SECONDS:
                await self._wait()
        elif age > self._ttl:
            self._begin()
        if self._keys is not None and self._now() - self._as_of > self._ttl + STALE_SECONDS:
            self._keys.withdraw()
            self._keys = None
        if self._keys is None:
            raise NoKeys
        found = self._keys.find(kid)
        if found or asked - self._unknown.get(kid, -UNKNOWN_SECONDS) < UNKNOWN_SECONDS:
            return found
        await self._newer(asked)
        found = self._keys.find(kid) if self._keys is not None else []
        if not found and self._as_of >= asked:
            self._unknown.pop(kid, None)
            self._unknown[kid] = self._now()
            if len(self._unknown) > MOST_UNKNOWN:
                del self._unknown[next(iter(self._unknown))]
        return found

    def close(self) -> None:
        """Nothing that was found good by these keys is good any more, or will be."""
        self._closed = True
        if self._keys is not None:
            self._keys.withdraw()
        self._keys = None

    async def _newer(self, than: float) -> None:
        """Waits for the end of a fetch that began at `than` or later, whatever comes of it."""
        while self._ended < than and self._waiting < MOST_WAITING:
            await self._wait()

    async def _wait(self) -> None:
        """Waits for the end of the next fetch, or of the one that is under way."""
        self._waiting += 1
        try:
            await asyncio.shield(self._begin())
        finally:
            self._waiting -= 1

    def _begin(self) -> asyncio.Task[None]:
        """The fetch that is under way, or waits for its time."""
        if self._running is None:
            self._running = self._tasks.spawn(self._refresh())
        return self._running

    async def _refresh(self) -> None:
        try:
            if self._began is not None and (left := self._began + INTERVAL_SECONDS - self._now()) > 0:
                await asyncio.sleep(left)
            began = self._began = self._now()
            try:
                keys = read(await self._fetch(), self._keys)
            except (NoDocument, NotUsable) as error:
                if not self._failing:
                    log.warning("the keys of the issuer cannot be had: %s. Known ones stay in use", error)
                self._failing = True
                return
            if self._failing:
                log.info("the keys of the issuer can be had again")
            self._failing = False
            if self._closed:
                return
            if self._keys is not None:
                self._keys.withdraw(but=keys)
            self._keys, self._as_of = keys, began
            self._unknown.clear()
        finally:
            self._running = None
            self._ended = -math.inf if self._began is None else self._began
