"""Stores as if they were on another machine: each answer takes a while, fails, or never comes, as told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from math import inf
from random import Random
from typing import Any

import msgspec

from callmux.stores.cache import CacheLimits, Key
from callmux.stores.memory import MemoryCache, MemoryResults
from callmux.stores.memory_counts import MemoryInFlight, MemoryRates
from callmux.stores.memory_parked import MemoryParkedCalls
from callmux.stores.memory_replay import MemoryReplay
from callmux.stores.parked import ParkedCall, ParkedLimits
from callmux.stores.replay import FinishedStream
from callmux.stores.results import Stored, StoreLimits

SLOW, FAILS, LATE_FAILS, HANGS, MIXED = "slow", "fails", "fails after it was done", "hangs", "mixed"
WAYS = (SLOW, FAILS, LATE_FAILS, HANGS)


class Wire:
    """The way to a store.

    Args:
        way: How it behaves; `MIXED` draws one for each request.

    Attributes:
        asked: How often it was asked.
    """

    def __init__(self, way: str = SLOW, seed: int = 1) -> None:
        self.way = way
        self.asked = 0
        self._random = Random(seed)

    async def carry(self, work: Callable[[], Any]) -> Any:
        self.asked += 1
        way = self._random.choice(WAYS) if self.way == MIXED else self.way
        await asyncio.sleep(self._random.uniform(0.001, 0.2))
        if way == FAILS:
            raise ConnectionError("the store is away")
        if way == HANGS:
            while True:
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    # As a driver that is stuck in its own cleanup.
                    await asyncio.sleep(3600)
        done = work()
        await asyncio.sleep(self._random.uniform(0.001, 0.2))
        if way == LATE_FAILS:
            raise ConnectionError("the answer of the store is lost")
        return done


class RemoteCache:
    """A cache behind a wire."""

    shared = False

    def __init__(self, wire: Wire | None = None) -> None:
        self.wire = wire or Wire()
        self.kept = MemoryCache()

    def get(self, key: Key, now: float) -> Coroutine[Any, Any, bytes | None]:
        return self.wire.carry(lambda: self.kept.get(key, now))

    def has(self, key: Key, now: float) -> Coroutine[Any, Any, bool]:
        return self.wire.carry(lambda: self.kept.has(key, now))

    def put(
        self, key: Key, raw: bytes, now: float, epoch: int | None, lasts: float = inf
    ) -> Coroutine[Any, Any, bool]:
        return self.wire.carry(lambda: self.kept.put(key, raw, now, epoch, lasts))

    def clear(
        self, chosen: Callable[[str, str], bool] | None, now: float, rights: str | None = None
    ) -> Coroutine[Any, Any, int]:
        return self.wire.carry(lambda: self.kept.clear(chosen, now, rights))

    def begin(self, server: str, clock: Callable[[], float]) -> Coroutine[Any, Any, int | None]:
        return self.wire.carry(lambda: self.kept.begin(server, clock))

    def wrote(self, server: str) -> Coroutine[Any, Any, None]:
        return self.wire.carry(lambda: self.kept.wrote(server))

    def doubt(self, server: str, now: float, seconds: float = 0.0) -> Coroutine[Any, Any, int]:
        return self.wire.carry(lambda: self.kept.doubt(server, now, seconds))

    def sure(self, server: str, doubt: int) -> Coroutine[Any, Any, None]:
        return self.wire.carry(lambda: self.kept.sure(server, doubt))

    def configure(self, limits: CacheLimits, now: float) -> None:
        self.kept.configure(limits, now)

    def facts(self, now: float) -> dict[str, Any]:
        return self.kept.facts(now)


class RemoteResults:
    """Kept results behind a wire; large ones are kept whole there, too."""

    def __init__(self, wire: Wire | None = None) -> None:
        self.wire = wire or Wire()
        self.kept = MemoryResults()

    def takes(self, size: int) -> bool:
        return self.kept.takes(size)

    def put(self, stored: Stored) -> Coroutine[Any, Any, Sequence[str]]:
        whole = msgspec.structs.replace(stored, spooled=False)
        return self.wire.carry(lambda: self.kept.put(whole))

    def get(self, ref: str, owner: str) -> Coroutine[Any, Any, Stored | None]:
        return self.wire.carry(lambda: self.kept.get(ref, owner))

    def configure(self, limits: StoreLimits) -> Sequence[str]:
        return self.kept.configure(limits)

    def facts(self) -> dict[str, Any]:
        return self.kept.facts()


class RemoteParkedCalls:
    """Parked calls behind a wire."""

    def __init__(self, wire: Wire | None = None, limits: ParkedLimits | None = None) -> None:
        self.wire = wire or Wire()
        self.kept = MemoryParkedCalls(limits)

    def park(self, token: str, call: ParkedCall, now: float) -> Coroutine[Any, Any, bool]:
        return self.wire.carry(lambda: self.kept.park(token, call, now))

    def take(self, token: str, owner: str, now: float) -> Coroutine[Any, Any, ParkedCall | None]:
        return self.wire.carry(lambda: self.kept.take(token, owner, now))

    def drop(self, token: str) -> Coroutine[Any, Any, None]:
        return self.wire.carry(lambda: self.kept.drop(token))


class RemoteRates:
    """Counters behind a wire."""

    def __init__(self, wire: Wire | None = None) -> None:
        self.wire = wire or Wire()
        self.kept = MemoryRates()

    def hit(self, key: str, seconds: float, now: float, amount: int = 1) -> Coroutine[Any, Any, int]:
        return self.wire.carry(lambda: self.kept.hit(key, seconds, now, amount))

    def end(self, key: str, now: float) -> Coroutine[Any, Any, float]:
        return self.wire.carry(lambda: self.kept.end(key, now))


class RemoteInFlight:
    """Requests in flight, counted behind a wire."""

    def __init__(self, wire: Wire | None = None) -> None:
        self.wire = wire or Wire()
        self.kept = MemoryInFlight()

    async def enter(self, name: str, most: int | None) -> bool:
        counted = False

        def work() -> bool:
            nonlocal counted
            counted = self.kept.enter(name, most)
            return counted

        try:
            return bool(await self.wire.carry(work))
        except BaseException:
            if counted:
                self.kept.leave(name)
            raise

    def leave(self, name: str) -> Coroutine[Any, Any, None]:
        return self.wire.carry(lambda: self.kept.leave(name))


class RemoteReplay:
    """Finished streams behind a wire; what comes back is another object."""

    def __init__(self, wire: Wire | None = None) -> None:
        self.wire = wire or Wire()
        self.kept = MemoryReplay()

    def put(self, session: str, stream: FinishedStream, now: float) -> Coroutine[Any, Any, None]:
        return self.wire.carry(lambda: self.kept.put(session, stream, now))

    def get(self, session: str, key: str, now: float) -> Coroutine[Any, Any, FinishedStream | None]:
        return self.wire.carry(lambda: self._copy(session, key, now))

    def drop(self, session: str, stream: FinishedStream | None = None) -> Coroutine[Any, Any, None]:
        return self.wire.carry(lambda: self._drop(session, stream))

    def expire(self, now: float) -> None:
        self.kept.expire(now)

    def _copy(self, session: str, key: str, now: float) -> FinishedStream | None:
        found = self.kept.get(session, key, now)
        return None if found is None else FinishedStream(found.key, found.events)

    def _drop(self, session: str, stream: FinishedStream | None) -> None:
        found = None if stream is None else self.kept.get(session, stream.key, 0)
        if stream is None or found == stream:
            self.kept.drop(session, found)
