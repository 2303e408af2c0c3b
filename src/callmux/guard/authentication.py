"""The check of credentials: each request shows its own, and a session stands in for none.

Made by `callmux.guard.guard` where the configuration has `auth`; a check of `callmux.guard.gate`. A
credential is remembered for a while, good or bad; requests that bring the same new one wait for one
examination.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Protocol

from callmux.clock import Clock
from callmux.guard.addresses import site_of
from callmux.guard.attempts import Attempts
from callmux.guard.gate import Caller, TurnedAway, route_of
from callmux.guard.grant import Grant, Undecided
from callmux.guard.memory import Memory
from callmux.guard.resource import WELL_KNOWN, Resource
from callmux.tasks import TaskSet

MOST_BYTES = 16_384
"""Of a credential. Whatever is longer is none."""
USUAL = "Bearer "
_BEARER = re.compile(r"bearer[ \t]+([^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*)[ \t]*", re.IGNORECASE)
"""Without control characters: for scrypt, zero bytes at the end of a token are none."""


class Verifier(Protocol):
    """Tells good credentials from bad ones."""

    async def examine(
        self, token: bytes, turn: Callable[[], AbstractAsyncContextManager[None]]
    ) -> Grant | None:
        """What a credential gives; None for nothing.

        Args:
            turn: Gives a turn for work that takes a processor.

        Raises:
            TurnedAway: There is no turn.
            Undecided: That cannot be said now.
        """


class Authentication:
    """The check.

    Args:
        verifier: Examines credentials.
        memory: What was found out about credentials before, in this process.
        clock: Time.
        attempts: Bounds the work that strangers cause.
        resource: What the refusals say of us.
        free: Paths that are answered to everybody.
        tasks: Own the examinations.
    """

    is_left = False

    def __init__(
        self,
        verifier: Verifier,
        memory: Memory,
        clock: Clock,
        attempts: Attempts,
        resource: Resource,
        free: frozenset[str],
        tasks: TaskSet,
    ) -> None:
        self._verifier = verifier
        self._memory = memory
        self._clock = clock
        self._digest, self._recall = memory.digest, memory.recall
        self._now, self._wall = clock.monotonic, clock.wall
        self._attempts = attempts
        self._resource = resource
        self._free = free
        self._tasks = tasks
        self._running: dict[bytes, asyncio.Task[Grant | TurnedAway | None]] = {}

    def enter(self, caller: Caller) -> Awaitable[None] | None:
        given = caller.headers.get("authorization", "")
        if given.startswith(USUAL):
            # What is remembered was looked at before: the usual way ends here.
            digest = self._digest(given[len(USUAL) :].encode("latin-1"))
            grant = self._recall(digest, self._now(), self._wall())
            if grant is not None:
                if grant.lacks:
                    self._admit(caller, grant)
                caller.principal, caller.grant = grant.principal, grant
                return None
        match = _BEARER.fullmatch(given)
        if self._is_free(caller):
            return None
        if match is None:
            raise self._refused(caller)
        token = match[1].rstrip().encode("latin-1")
        digest = self._memory.digest(token)
        grant = self._memory.recall(digest, self._clock.monotonic(), self._clock.wall())
        if grant is None:
            return self._examine(caller, token, digest)
        self._admit(caller, grant)
        return None

    def leave(self, caller: Caller, status: int) -> None:
        """A credential is shown anew with each request."""

    async def _examine(self, caller: Caller, token: bytes, digest: bytes) -> None:
        if len(token) > MOST_BYTES or self._memory.is_bad(digest, self._clock.monotonic()):
            raise self._refused(caller, "invalid_token")
        task = self._running.get(digest)
        if task is None:
            task = self._tasks.spawn(self._find(site_of(caller.peer), token, digest))
            self._running[digest] = task
            task.add_done_callback(lambda _: self._running.pop(digest, None))
        # Whoever leaves takes the examination from nobody who waits for the same.
        found = await asyncio.shield(task)
        if isinstance(found, TurnedAway):
            raise found
        if found is None or not found.holds(self._clock.wall()):
            raise self._refused(caller, "invalid_token")
        self._admit(caller, found)

    async def _find(self, site: str, token: bytes, digest: bytes) -> Grant | TurnedAway | None:
        try:
            # What costs little can be guessed, too: a token that the configuration holds as it is.
            await self._attempts.admit(site)
            grant = await self._verifier.examine(token, partial(self._attempts.turn, site))
        except TurnedAway as refusal:
            return refusal
        except Undecided:
            return None
        now = self._clock.monotonic()
        if grant is None:
            self._attempts.failed(site)
            self._memory.refuse(digest, now)
        else:
            self._memory.keep(digest, grant, now)
        return grant

    def _admit(self, caller: Caller, grant: Grant) -> None:
        caller.principal = grant.principal
        caller.grant = grant
        if grant.lacks and not self._is_free(caller):
            challenge = self._resource.challenge(caller, "insufficient_scope")
            raise TurnedAway(403, "Insufficient scope", {"WWW-Authenticate": challenge})

    def _refused(self, caller: Caller, error: str | None = None) -> TurnedAway:
        challenge = self._resource.challenge(caller, error)
        return TurnedAway(401, "Unauthorized", {"WWW-Authenticate": challenge})

    def _is_free(self, caller: Caller) -> bool:
        if caller.method == "OPTIONS":
            # A browser asks whether its page may, and shows nothing for it (the Fetch standard's preflight).
            return "access-control-request-method" in caller.headers and "origin" in caller.headers
        if caller.method != "GET":
            return False
        path = route_of(caller.path)
        return path in self._free or path == WELL_KNOWN or path.startswith(WELL_KNOWN + "/")
