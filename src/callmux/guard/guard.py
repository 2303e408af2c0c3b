"""What stands before a listener: makes the gate of a configuration, and keeps what must survive it.

Made by `callmux.cli.listen`, once; each reload asks for another gate, whose checks go on with the same
counters.
"""

from __future__ import annotations

import secrets

from callmux.clock import Clock
from callmux.config.model import Config
from callmux.config.security import BearerAuth
from callmux.guard.authentication import Authentication
from callmux.guard.bearer import Bearer
from callmux.guard.gate import Gate, route_of
from callmux.guard.limits import AbuseLimits
from callmux.guard.memory import Memory
from callmux.guard.resource import Resource
from callmux.observe.bus import Bus
from callmux.tasks import TaskSet

ENDPOINTS = {"/mcp", "/sse", "/messages"}
"""Paths that are never free, whatever else the configuration puts there."""


class Guard:
    """The checks of one listener.

    Args:
        clock: Time.
        bus: Told of limits that are reached.
    """

    def __init__(self, clock: Clock, bus: Bus | None = None) -> None:
        self._bus = bus
        self._limits = AbuseLimits(clock.monotonic)
        self._clock = clock
        self._memory = Memory(secrets.token_bytes(32))
        self._tasks = TaskSet("guard")
        self._bearer: Bearer | None = None

    def gate(self, config: Config) -> Gate | None:
        """The gate of a configuration; None where it asks for no check."""
        before, after = self._limits.checks(config.abuse_controls)
        found = self._authentication(config)
        middle, resource = found if found is not None else (None, None)
        checks = [check for check in (before, middle, after) if check is not None]
        return Gate(checks, resource, self._bus) if checks else None

    async def close(self) -> None:
        """Gives up what is being examined."""
        await self._tasks.cancel()

    def _authentication(self, config: Config) -> tuple[Authentication, Resource] | None:
        auth, before = config.auth, self._bearer
        self._bearer = Bearer(auth, before) if isinstance(auth, BearerAuth) else None
        if before is not None and self._bearer is None:
            before.withdraw()
        # What was refused may be good now.
        self._memory.reconsider()
        if self._bearer is None or auth is None:
            return None
        free = {"/health"} if auth.allow_unauthenticated_health else set()
        if config.metrics.enabled and config.metrics.allow_unauthenticated:
            free.add(route_of(config.metrics.path))
        resource = Resource(auth.resource_url, (), ())
        check = Authentication(
            self._bearer,
            self._memory,
            self._clock,
            self._limits.attempts,
            resource,
            frozenset(free - ENDPOINTS),
            self._tasks,
        )
        return check, resource
