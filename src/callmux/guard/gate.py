"""What every HTTP request passes before anything is looked up for it: the checks that the configuration asks
for, in one order.

Called by `callmux.transport.http.app`. A listener without such checks has no gate.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Protocol

from callmux.guard.grant import Grant
from callmux.guard.principal import Principal
from callmux.guard.resource import Resource
from callmux.observe.bus import Bus
from callmux.observe.facts import LimitReached

GONE = 499
"""The status of what has no answer: the client left, or the check itself was given up."""


def route_of(path: str) -> str:
    """The path by which a route is found: `/mcp/` is `/mcp`."""
    return path[:-1] if path != "/" and path.endswith("/") else path


class Caller(Protocol):
    """A request, as far as a check sees it.

    Attributes:
        scheme: `http` or `https`.
        principal: Who it is from. The check of credentials finds out; later checks read it.
        grant: What its credential gives, for as long as that holds.
        seen_host: The host that its browser asked for, where a proxy that we trust says so.
    """

    scheme: str
    method: str
    path: str
    headers: dict[str, str]
    peer: str | None
    request_id: str
    principal: Principal | None
    grant: Grant | None
    seen_host: str | None


class TurnedAway(Exception):
    """A check does not let a request in.

    Args:
        status: The HTTP status.
        message: What the caller is told.
        headers: Headers of the answer.
        more: Further members of its body.
        limit: The limit that it is over, as the configuration calls it; None where it is refused for another
            reason.
    """

    def __init__(
        self,
        status: int,
        message: str,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, str] | None = None,
        limit: str | None = None,
    ) -> None:
        super().__init__(message)
        self.limit = limit
        self.status = status
        self.message = message
        self.headers = headers
        self.more = more


def too_many(reason: str, seconds: int, limit: str) -> TurnedAway:
    """The refusal of what is over a limit.

    Args:
        reason: What there is too much of.
        seconds: When to come again.
        limit: The limit, as the configuration calls it.
    """
    headers = {"Retry-After": str(seconds)}
    return TurnedAway(429, "Too many requests", headers, {"reason": reason}, limit)


class Check(Protocol):
    """One check.

    Attributes:
        is_left: Whether it is to be told when an answer is over.
    """

    is_left: bool

    def enter(self, caller: Caller) -> Awaitable[None] | None:
        """Lets a request in; gives what must be waited for first, where something must.

        Raises:
            TurnedAway: It does not; then it is not left either. What is waited for may raise it, too.
        """

    def leave(self, caller: Caller, status: int) -> None:
        """The answer to a request that it let in is over."""


class Gate:
    """The checks of one configuration.

    Args:
        checks: In the order in which requests pass them: addresses, what bounds the work for strangers,
            credentials, what depends on the principal.
        resource: What the listener says of itself as a protected resource, where credentials are checked.
        bus: Told of limits that are reached.

    Attributes:
        resource: The same.
    """

    def __init__(
        self, checks: Sequence[Check], resource: Resource | None = None, bus: Bus | None = None
    ) -> None:
        self._checks = tuple(checks)
        # Most checks have nothing to do when an answer is over.
        self._leavers = tuple(check for check in reversed(checks) if check.is_left)
        self._bus = bus
        self.resource = resource

    def enter(self, caller: Caller) -> Awaitable[None] | None:
        """Passes every check; gives what must be waited for until they are passed, where something must.

        Raises:
            TurnedAway: One of them does not let it in. It need not be left. What is waited for may raise it,
                too.
        """
        passed, status, waiting = 0, GONE, None
        try:
            for check in self._checks:
                waiting = check.enter(caller)
                if waiting is not None:
                    return self._wait(waiting, passed, caller)
                passed += 1
        except TurnedAway as refusal:
            status = self._told(refusal, caller)
            raise
        finally:
            if waiting is None and passed < len(self._checks):
                self._leave(passed, caller, status)
        return None

    async def _wait(self, waiting: Awaitable[None], passed: int, caller: Caller) -> None:
        """Goes on with a check that must be waited for."""
        status = GONE
        try:
            await waiting
            passed += 1
            for check in self._checks[passed:]:
                further = check.enter(caller)
                if further is not None:
                    await further
                passed += 1
        except TurnedAway as refusal:
            status = self._told(refusal, caller)
            raise
        finally:
            if passed < len(self._checks):
                self._leave(passed, caller, status)

    def _told(self, refusal: TurnedAway, caller: Caller) -> int:
        """Tells of a limit that is reached; gives the status of a refusal."""
        if refusal.limit is not None and self._bus is not None and self._bus.hears(LimitReached):
            self._bus.publish(limit_reached(refusal.limit, refusal.headers, caller))
        return refusal.status

    def _leave(self, passed: int, caller: Caller, status: int) -> None:
        for check in reversed(self._checks[:passed]):
            if check.is_left:
                check.leave(caller, status)

    def leave(self, caller: Caller, status: int) -> None:
        """The answer to a request that came in is over.

        Args:
            status: That of the answer; 499 where the client left before it.
        """
        for check in self._leavers:
            check.leave(caller, status)


def limit_reached(limit: str, headers: Mapping[str, str] | None, caller: Caller) -> LimitReached:
    """What is told of a limit that refused a request.

    Args:
        limit: As the configuration calls it.
        headers: Those of the refusal.
    """
    after = (headers or {}).get("Retry-After")
    return LimitReached(
        limit=limit,
        request_id=caller.request_id,
        peer=caller.peer,
        principal=caller.principal,
        retry_seconds=None if after is None else int(after),
    )
