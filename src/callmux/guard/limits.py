"""`abuseControls`: the checks of addresses, rates and requests in flight.

Made by `callmux.guard.guard`, once for a listener: a reload gives new checks that go on with the same
counters. The checks stand in `callmux.guard.gate`: `Arrivals` before the credentials, `Allowance` after them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NoReturn

from callmux.config.traffic import AbuseControls
from callmux.guard.addresses import Addresses
from callmux.guard.attempts import Attempts
from callmux.guard.gate import Caller, Check, TurnedAway, too_many

if TYPE_CHECKING:
    from callmux.guard.rates import MonotonicMemory, Rate

ANONYMOUS = "anonymous"
"""Whom requests are counted for where nobody shows a credential."""
TOO_OFTEN = "Request rate exceeded configured limit"
TOO_MANY = "Too many concurrent in-flight requests for principal"
IN_FLIGHT_SECONDS = 1
"""What a client is asked to wait that has too much in flight: nobody knows when that ends."""


class AbuseLimits:
    """The counters of a listener.

    Args:
        now: The monotonic clock.

    Attributes:
        attempts: The bounds on checks of unknown credentials.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.attempts = Attempts(now)
        self._storage: MonotonicMemory | None = None
        self._in_flight: dict[str, int] = {}

    def checks(self, wanted: AbuseControls) -> tuple[Check | None, Check | None]:
        """What a configuration asks for: the check before the credentials, and the one after them."""
        everybody = self._rate(wanted.global_requests_per_minute, "all")
        self.attempts.failures_per_minute = wanted.address_failed_auth_per_minute
        # What is refused unseen takes nothing away from the others.
        self.attempts.when_refused = None if everybody is None else everybody.give_back
        each = self._rate(wanted.principal_requests_per_minute, "principal")
        lists = (wanted.cidr_allowlist, wanted.cidr_denylist, wanted.trusted_proxies)
        before = Arrivals(Addresses(*lists), everybody) if any(lists) or everybody is not None else None
        most = wanted.principal_max_in_flight
        if each is None and most is None:
            return before, None
        return before, Allowance(each, most, self._in_flight, everybody)

    def _rate(self, amount: int | None, name: str) -> Rate | None:
        if amount is None:
            return None
        from callmux.guard.rates import MonotonicMemory, Rate

        if self._storage is None:
            self._storage = MonotonicMemory(self._now)
        return Rate(amount, name, self._storage, self._now)


class Arrivals:
    """The check before anybody's credentials are looked at.

    Args:
        addresses: The lists.
        everybody: The rate of all requests together.
    """

    is_left = False

    def __init__(self, addresses: Addresses, everybody: Rate | None) -> None:
        self._addresses = addresses
        self._everybody = everybody

    def enter(self, caller: Caller) -> Awaitable[None] | None:
        source = self._addresses.source(caller.peer, caller.headers.get("x-forwarded-for"))
        caller.peer = source.address
        if source.refused_by is not None:
            raise TurnedAway(403, "Source IP is not allowed", limit=source.refused_by)
        if self._everybody is None or (verdict := self._everybody.hit()) is True:
            return None
        return _within(self._everybody, verdict, "", "globalRequestsPerMinute")

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
    """

    is_left = True

    def __init__(
        self, each: Rate | None, most: int | None, in_flight: dict[str, int], everybody: Rate | None
    ) -> None:
        self._each = each
        self._most = most
        self._in_flight = in_flight
        self._everybody = everybody

    def enter(self, caller: Caller) -> Awaitable[None] | None:
        name = ANONYMOUS if caller.principal is None else caller.principal.label
        verdict = True if self._each is None else self._each.hit(name)
        if verdict is not True:
            return self._enter(name, verdict)
        count = self._in_flight.get(name, 0)
        if self._most is not None and count >= self._most:
            return self._give_back(too_many(TOO_MANY, IN_FLIGHT_SECONDS, "principalMaxInFlight"))
        self._in_flight[name] = count + 1
        return None

    async def _enter(self, name: str, verdict: bool | Awaitable[bool]) -> None:
        assert self._each is not None
        try:
            await _within(self._each, verdict, name, "principalRequestsPerMinute")
        except TurnedAway as refusal:
            await self._give_back(refusal)
        count = self._in_flight.get(name, 0)
        if self._most is not None and count >= self._most:
            await self._give_back(too_many(TOO_MANY, IN_FLIGHT_SECONDS, "principalMaxInFlight"))
        self._in_flight[name] = count + 1

    async def _give_back(self, refusal: TurnedAway) -> NoReturn:
        if self._everybody is not None:
            await self._everybody.give_back()
        raise refusal

    def leave(self, caller: Caller, status: int) -> None:
        name = ANONYMOUS if caller.principal is None else caller.principal.label
        in_flight = self._in_flight
        left = in_flight[name] - 1
        if left:
            in_flight[name] = left
        else:
            del in_flight[name]


async def _within(rate: Rate, verdict: bool | Awaitable[bool], key: str, limit: str) -> None:
    if not (verdict if isinstance(verdict, bool) else await verdict):
        raise too_many(TOO_OFTEN, await rate.seconds_left(key), limit)
