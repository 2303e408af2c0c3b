"""What stands before a listener: makes the gate of a configuration, and keeps what must survive it.

Made by `callmux.cli.listen`, once; each reload asks for another gate, whose checks go on with the same
counters.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from callmux.clock import Clock
from callmux.config.model import Config
from callmux.config.security import BearerAuth, OidcAuth
from callmux.guard.authentication import Authentication, Verifier
from callmux.guard.bearer import Bearer
from callmux.guard.gate import Check, Gate, route_of
from callmux.guard.limits import PROBES, AbuseLimits
from callmux.guard.managers import Managers
from callmux.guard.memory import Memory
from callmux.guard.resource import Resource
from callmux.observe.bus import Bus
from callmux.tasks import TaskSet, to_the_end

if TYPE_CHECKING:
    from callmux.guard.oidc import Oidc
    from callmux.guard.visitors import Visitors

ENDPOINTS = {"/mcp", "/sse", "/messages"}
"""Paths that are never free, whatever else the configuration puts there."""


class Guard:
    """The checks of one listener.

    Args:
        clock: Time.
        bus: Told of limits that are reached.
        limits: Counts what clients do; in this process where absent.

    Attributes:
        visitors: The check of browsers; None where there is no dashboard.
    """

    def __init__(self, clock: Clock, bus: Bus | None = None, limits: AbuseLimits | None = None) -> None:
        self._bus = bus
        self._limits = limits or AbuseLimits(clock.monotonic)
        self._clock = clock
        self._memory = Memory(secrets.token_bytes(32))
        self._managers = Memory(secrets.token_bytes(32))
        self._manager_tokens: Bearer | None = None
        self._tasks = TaskSet("guard")
        self._bearer: Bearer | None = None
        self._oidc: Oidc | None = None
        self.visitors: Visitors | None = None

    def gate(self, config: Config) -> Gate | None:
        """The gate of a configuration; None where it asks for no check."""
        metrics = {route_of(config.metrics.path)} if config.metrics.enabled else set()
        before, after = self._limits.checks(config.abuse_controls, PROBES | (metrics - ENDPOINTS))
        found = self._authentication(config)
        clients, resource = found if found is not None else (None, None)
        middle: Check | None = clients
        own = self._management(config)
        if config.management.enabled:
            middle = Managers(route_of(config.management.path), own, middle)
        if config.dashboard.enabled:
            middle = self._of_browsers(config, clients, own, middle)
        else:
            self.visitors = None
        checks = [check for check in (before, middle, after) if check is not None]
        return Gate(checks, resource, self._bus) if checks else None

    def _of_browsers(
        self, config: Config, clients: Authentication | None, own: Authentication | None, others: Check | None
    ) -> Check:
        """The check of browsers: those that are signed in stay so."""
        from callmux.guard.browsers import Browsers
        from callmux.guard.visitors import Visitors

        browsers = Browsers() if self.visitors is None else self.visitors.browsers
        base, management = route_of(config.dashboard.path), config.management
        apart = route_of(management.path) if management.enabled else None
        self.visitors = Visitors(base, browsers, self._clock, clients, own, others, apart)
        return self.visitors

    def expect(self, config: Config) -> None:
        """A configuration will take effect once its servers are there: tokens that it has not end already."""
        if self._bearer is not None and isinstance(config.auth, BearerAuth):
            self._bearer.withdraw(but=config.auth)
        if self._manager_tokens is not None:
            self._manager_tokens.withdraw(but=config.management.auth)

    async def close(self) -> None:
        """Gives up what is being examined."""
        await to_the_end(self._tasks.cancel, self._limits.close)

    def _authentication(self, config: Config) -> tuple[Authentication, Resource] | None:
        auth = config.auth
        verifier = self._verifier(auth)
        # What was refused may be good now.
        self._memory.reconsider()
        if verifier is None or auth is None:
            return None
        free = {"/health"} if auth.allow_unauthenticated_health else set()
        if config.metrics.enabled and config.metrics.allow_unauthenticated:
            free.add(route_of(config.metrics.path))
        oidc = auth if isinstance(auth, OidcAuth) else None
        issuers = () if oidc is None else (oidc.issuer,)
        resource = Resource(auth.resource_url, issuers, () if oidc is None else oidc.required_scopes)
        check = Authentication(
            verifier,
            self._memory,
            self._clock,
            self._limits.attempts,
            resource,
            frozenset(free - ENDPOINTS),
            self._tasks,
        )
        return check, resource

    def _management(self, config: Config) -> Authentication | None:
        """The check of the credentials of the management interface."""
        self._managers.reconsider()
        before, auth = self._manager_tokens, config.management.auth
        self._manager_tokens = Bearer(auth, before) if config.management.enabled and auth else None
        if self._manager_tokens is None:
            if before is not None:
                before.withdraw()
            return None
        return Authentication(
            self._manager_tokens,
            self._managers,
            self._clock,
            self._limits.attempts,
            Resource(None, (), ()),
            frozenset(),
            self._tasks,
        )

    def _verifier(self, auth: BearerAuth | OidcAuth | None) -> Verifier | None:
        """What examines credentials now. What is not taken over from before ends what it gave."""
        bearer, oidc = self._bearer, self._oidc
        self._bearer = Bearer(auth, bearer) if isinstance(auth, BearerAuth) else None
        if bearer is not None and self._bearer is None:
            bearer.withdraw()
        if oidc is not None and oidc.auth != auth:
            oidc.withdraw()
            oidc = None
        if isinstance(auth, OidcAuth) and oidc is None:
            from callmux.guard.oidc import Oidc

            oidc = Oidc(auth, self._clock, self._tasks)
        self._oidc = oidc
        return self._bearer or oidc
