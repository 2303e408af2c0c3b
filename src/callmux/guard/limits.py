"""`abuseControls`: the checks of addresses, rates and requests in flight.

Made by `callmux.guard.guard`, once for a listener: a reload gives new checks that go on with the same
counters. The checks stand in `callmux.guard.gate`: `Arrivals` before the credentials, `Allowance` after them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import NoReturn

from callmux.config.traffic import AbuseControls
from callmux.errors import StoreUnavailable
from callmux.guard.addresses import Addresses
from callmux.guard.attempts import Attempts
from callmux.guard.gate import Caller, Check, TurnedAway, too_many
from callmux.guard.rates import Rate
from callmux.stores.border import Border
from callmux.stores.counts import InFlight, Rates
from callmux.stores.memory_counts import MemoryInFlight, MemoryRates
from callmux.tasks import TaskSet

ANONYMOUS = "anonymous"
"""Whom requests are counted for where nobody shows a credential."""
TOO_OFTEN = "Request rate exceeded configured limit"
TOO_MANY = "Too many concurrent in-flight requests for principal"
NOT_COUNTED = "Limits cannot be counted now, and nobody is let in without: ask again in a moment"
AWAY_SECONDS = 1
PROBES = frozenset({"/health", "/ready"})
IN_FLIGHT_SECONDS = 1
"""What a client is asked to wait that has too much in flight: nobody knows when that ends."""


class AbuseLimits:
    """The counters of a listener.

    Args:
        now: The monotonic clock.
        rates: Where it is counted how often somebody asks; None for this process.
        in_flight: Where it is counted what somebody has in flight; None for this process.
        strict: Whether clients are refused while these do not answer.

    Attributes:
        attempts: The bounds on checks of unknown credentials.
    """

    def __init__(
        self,
        now: Callable[[], float],
        rates: Rates | None = None,
        in_flight: InFlight | None = None,
        *,
        strict: bool = False,
    ) -> None:
        self._now = now
        self.attempts = Attempts(now)
        self._rates: Rates = MemoryRates() if rates is None else rates
        self._strict = strict
        self._in_flight = Flights(MemoryInFlight() if in_flight is None else in_flight, strict=strict)

    def checks(
        self, wanted: AbuseControls, probes: frozenset[str] = PROBES
    ) -> tuple[Check | None, Check | None]:
        """What a configuration asks for: the check before the credentials, and the one after them.

        Args:
            probes: Paths that are answered also where nobody can count.
        """
        everybody = self._rate(wanted.global_requests_per_minute, "all")
        self.attempts.failures_per_minute = wanted.address_failed_auth_per_minute
        # What is refused unseen takes nothing away from the others.
        self.attempts.when_refused = None if everybody is None else everybody.give_back
        each = self._rate(wanted.principal_requests_per_minute, "principal")
        lists = (wanted.cidr_allowlist, wanted.cidr_denylist, wanted.trusted_proxies)
        before = (
            Arrivals(Addresses(*lists), everybody, probes) if any(lists) or everybody is not None else None
        )
        most = wanted.principal_max_in_flight
        if each is None and most is None:
            return before, None
        return before, Allowance(each, most, self._in_flight, everybody, probes)

    def _rate(self, amount: int | None, name: str) -> Rate | None:
        if amount is None:
            return None
        return Rate(amount, name, self._rates, self._now, strict=self._strict)

    async def close(self) -> None:
        """Tells the stores nothing more."""
        await self._in_flight.close()


class Flights:
    """What principals have in flight, also where the store that counts is slow or fails.

    Args:
        counts: The store.
        strict: Whether nobody is let in while it does not answer.
    """

    def __init__(self, counts: InFlight, *, strict: bool = False) -> None:
        self.enter = counts.enter
        self._leave = counts.leave
        self._strict = strict
        # Those that were let in while the store did not answer.
        self._uncounted: Counter[str] = Counter()
        self._border = Border("the store of requests in flight")
        self._tasks = TaskSet("requests in flight")

    async def is_counted(self, name: str, answer: Awaitable[bool]) -> bool:
        """Whether one more was counted; True where the store does not say.

        Raises:
            StoreUnavailable: It does not say, and nobody is let in then.
        """
        asked = _Asked(answer, lambda: self.leave(name))
        try:
            return await self._border.answered(asked.answer())
        except asyncio.CancelledError:
            asked.give_up()
            raise
        except StoreUnavailable:
            asked.give_up()
            if self._strict:
                raise
            self._uncounted[name] += 1
            return True

    def leave(self, name: str) -> None:
        """One that was counted is over. Nobody waits for the store."""
        if self._uncounted and self._uncounted[name]:
            self._uncounted[name] -= 1
            self._uncounted += Counter()
            return
        waiting = self._leave(name)
        if waiting is not None:
            self._border.tell(waiting, self._tasks)

    async def close(self) -> None:
        """Tells the store nothing more."""
        await self._tasks.cancel()


class _Asked:
    """A question whether one more counts, which whoever asked may give up.

    Args:
        given: What the store gives.
        leave: Takes back what was counted for nobody.
    """

    def __init__(self, given: Awaitable[bool], leave: Callable[[], None]) -> None:
        self._given = given
        self._leave = leave
        self._is_begun = self._is_counted = self._is_given_up = False

    async def answer(self) -> bool:
        """Whether one more counts, as the store says."""
        self._is_begun = True
        self._is_counted = counted = await self._given
        if counted and self._is_given_up:
            self._leave()
        return counted

    def give_up(self) -> None:
        """Nobody hears the answer any more."""
        self._is_given_up = True
        if self._is_counted:
            self._leave()
        elif not self._is_begun and isinstance(self._given, Coroutine):
            self._given.close()


class Arrivals:
    """The check before anybody's credentials are looked at.

    Args:
        addresses: The lists.
        everybody: The rate of all requests together.
        probes: Paths that are answered also where nobody can count.
    """

    is_left = False

    def __init__(self, addresses: Addresses, everybody: Rate | None, probes: frozenset[str] = PROBES) -> None:
        self._probes = probes
        self._addresses = addresses
        self._everybody = everybody

    def enter(self, caller: Caller) -> Awaitable[None] | None:
        source = self._addresses.source(caller.peer, caller.headers.get("x-forwarded-for"))
        caller.peer = source.address
        if source.refused_by is not None:
            raise TurnedAway(403, "Source IP is not allowed", limit=source.refused_by)
        if self._everybody is None or (verdict := self._everybody.hit()) is True:
            return None
        return _counted(
            _within(self._everybody, verdict, "", "globalRequestsPerMinute"), caller.path in self._probes
        )

    def leave(self, caller: Caller, status: int) -> None:
        """A rate counts what begins."""


class Allowance:
    """The check of what one principal may.

    Args:
        each: The rate of its requests.
        most: Its requests at a time.
        in_flight: Those there are, by principal.
        everybody: The rate of all requests, which gets back what this check refuses: a principal over its own
            limit takes nothing away from the others.
        probes: Paths that are answered also where nobody can count.
    """

    is_left = True

    def __init__(
        self,
        each: Rate | None,
        most: int | None,
        in_flight: Flights,
        everybody: Rate | None,
        probes: frozenset[str] = PROBES,
    ) -> None:
        self._probes = probes
        self._each = each
        self._most = most
        self._in_flight = in_flight
        self._everybody = everybody

    def enter(self, caller: Caller) -> Awaitable[None] | None:
        name = ANONYMOUS if caller.principal is None else caller.principal.label
        verdict = True if self._each is None else self._each.hit(name)
        if verdict is not True:
            return _counted(self._enter(name, verdict), caller.path in self._probes)
        counted = self._in_flight.enter(name, self._most)
        if counted is True:
            return None
        return _counted(self._count(name, counted), caller.path in self._probes)

    async def _enter(self, name: str, verdict: bool | Awaitable[bool]) -> None:
        assert self._each is not None
        try:
            await _within(self._each, verdict, name, "principalRequestsPerMinute")
        except TurnedAway as refusal:
            await self._give_back(refusal)
        await self._count(name, self._in_flight.enter(name, self._most))

    async def _count(self, name: str, counted: bool | Awaitable[bool]) -> None:
        if not (counted if isinstance(counted, bool) else await self._in_flight.is_counted(name, counted)):
            await self._give_back(too_many(TOO_MANY, IN_FLIGHT_SECONDS, "principalMaxInFlight"))

    async def _give_back(self, refusal: TurnedAway) -> NoReturn:
        if self._everybody is not None:
            await self._everybody.give_back()
        raise refusal

    def leave(self, caller: Caller, status: int) -> None:
        self._in_flight.leave(ANONYMOUS if caller.principal is None else caller.principal.label)


async def _counted(counting: Awaitable[None], is_probe: bool) -> None:
    """Lets a request in once it is counted.

    Args:
        is_probe: Whether it is let in, too, where nobody can count: it asks how we are.
    """
    try:
        await counting
    except StoreUnavailable:
        if not is_probe:
            raise TurnedAway(503, NOT_COUNTED, {"Retry-After": str(AWAY_SECONDS)}) from None


async def _within(rate: Rate, verdict: bool | Awaitable[bool], key: str, limit: str) -> None:
    if not (verdict if isinstance(verdict, bool) else await verdict):
        raise too_many(TOO_OFTEN, await rate.seconds_left(key), limit)
