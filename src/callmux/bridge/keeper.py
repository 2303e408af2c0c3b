"""Keeps one session with the listener, whatever happens to the listener.

Called by `callmux.bridge.relay`. One task opens a link, waits for trouble, and takes the session up again:
with its old id first, which survives a restart of the listener, else with a new handshake. Requests wait here
for a link that can be used; meanwhile the attempts come in quick succession.

How it works. `_keep` is a loop: connect, wait for trouble, pause. The link is a session (its id outlives
connections); `_usable` says whether the listener can be reached over it now. `doubt` ends only the latter:
the next attempt takes the session up again by its id. `expire` ends both, because the listener has said
that it does not know the id. Requests wait in `get` for as long as the patience lasts, longer where a
handshake is under way, and not at all after a refusal, which no waiting mends.

What is ugly: the state is six attributes and no enum (link, usable, was there, lost at, opening since,
failure), since each is read by a rule of its own; a new one must be thought of in `_publish`, `_failed`,
and `_forget`. `get` wakes up by the clock, because how long it may wait changes while it waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

import msgspec

from callmux.bridge.failures import LinkFailure, Reason
from callmux.bridge.link import Link
from callmux.tasks import TaskSet, first_of

log = logging.getLogger(__name__)

FIRST_SECONDS = 0.25
LONGEST_SECONDS = 10.0
QUICK_SECONDS = 0.05
"""Between attempts while somebody waits."""
OUTAGE_SECONDS = 30.0
"""How long requests wait for a listener that was there."""
NEVER_SECONDS = 1.0
"""How long they wait for one that never was."""
INSTANT = 0.001
"""Shorter waits are none: a timer may end a little before its time."""
HANDSHAKE_SECONDS = 20.0
"""How long they wait for one that has taken the connection and has not answered yet."""

Revive: TypeAlias = Callable[[], Awaitable[None]]


class Patience(msgspec.Struct, frozen=True):
    """How long requests wait for the listener.

    Attributes:
        outage: Seconds, where it was there before.
        never: Seconds, where it was not.
    """

    outage: float = OUTAGE_SECONDS
    never: float = NEVER_SECONDS


class Events(Protocol):
    """What the keeper tells the relay."""

    async def restore(self, link: Link) -> None:
        """A new session has begun, before anybody uses it, or an old one goes on, perhaps with another
        process: it is to be brought where it was."""

    def returned(self, fresh: bool) -> None:
        """The listener is there (again)."""

    def gone(self, link: Link) -> None:
        """A session has ended."""


def delay_seconds(pauses: int, wanted: bool) -> float:
    """Seconds before the next attempt, after so many pauses in which nobody waited."""
    return QUICK_SECONDS if wanted else min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(pauses, 30))


class Keeper:
    """One session at a time.

    Args:
        dial: Makes a link; it gets what to call when the listener's own stream ends.
        events: Who is told.
        patience: How long requests wait.
        revive: Starts the listener where it does not run; called before the first attempt and after each
            that found nobody.
        advice: What to do where nobody answers, for the log.

    Attributes:
        started: It has begun.
    """

    def __init__(
        self,
        dial: Callable[[Callable[[Link], None]], Link],
        events: Events,
        patience: Patience,
        revive: Revive | None = None,
        advice: str = "",
    ) -> None:
        self._advice = advice
        self._dial = dial
        self._events = events
        self._patience = patience
        self._revive = revive
        self._loop = asyncio.get_running_loop()
        self._tasks = TaskSet("keeper")
        self.started = False
        self._greeting = b"{}"
        self._link: Link | None = None
        self._usable = False
        self._was_there = False
        self._lost_at = self._loop.time()
        self._opening_since: float | None = None
        self._trouble = asyncio.Event()
        self._wanted = asyncio.Event()
        self._failure: LinkFailure | None = None
        self._waiters: dict[asyncio.Future[Link], bool] = {}

    def __repr__(self) -> str:
        return f"Keeper({'up' if self._usable else 'down'}, {len(self._waiters)} waiting)"

    @property
    def link(self) -> Link | None:
        """The link that can be used now, or None."""
        return self._link if self._usable else None

    def start(self, greeting: bytes) -> None:
        """Begins, or begins anew where the client greets again.

        Args:
            greeting: The params of `initialize` for the listener.
        """
        if self.started and greeting != self._greeting and self._link is not None:
            self._tasks.spawn(self._link.close())
            self._forget(self._link)
        self._greeting = greeting
        if not self.started:
            self.started = True
            self._tasks.spawn(self._keep())

    @property
    def ready(self) -> Link | None:
        """The link, where it can be used now."""
        return self._link if self._usable else None

    async def get(self, deadline: float, *, hasty: bool = False) -> Link:
        """A link that can be used.

        Args:
            deadline: When to give up, by the loop's clock; the patience may end earlier.
            hasty: Whether to give up with the first attempt that fails.

        Raises:
            LinkFailure: There is none; nothing was sent.
        """
        if self._usable and self._link is not None:
            return self._link
        self.start(self._greeting)
        waiter: asyncio.Future[Link] = self._loop.create_future()
        self._waiters[waiter] = hasty
        self._wanted.set()
        patience = self._loop.time() + self._patience.never
        if self._was_there:
            patience = max(patience, self._lost_at + self._patience.outage)
        try:
            while not waiter.done():
                end = patience
                if self._opening_since is not None:
                    end = max(end, self._opening_since + HANDSHAKE_SECONDS)
                left = min(end, deadline) - self._loop.time()
                if left < INSTANT:
                    raise self._failure or LinkFailure(Reason.UNREACHABLE, "the listener does not answer")
                # Never longer than the patience at a time: whether it is longer is known only then.
                await asyncio.wait([waiter], timeout=min(left, max(patience - self._loop.time(), 0.1)))
            return waiter.result()
        finally:
            del self._waiters[waiter]
            waiter.cancel()

    def doubt(self, link: Link) -> None:
        """A request found nobody at the other end."""
        if link is self._link and self._usable:
            self._usable = False
            self._lost_at = self._loop.time()
        self._trouble.set()

    def expire(self, link: Link) -> None:
        """The listener does not know the session of `link`."""
        if link is self._link:
            self._lost_at = self._loop.time()
            self._forget(link)

    def _forget(self, link: Link) -> None:
        link.abandon()
        self._link = None
        self._usable = False
        self._trouble.set()
        self._events.gone(link)

    async def _keep(self) -> None:
        tries = pauses = 0
        while True:
            self._trouble.clear()
            began = self._loop.time()
            try:
                await self._connect(first=tries == 0)
            except LinkFailure as failure:
                self._failed(failure)
                tries += 1
                if failure.reason is Reason.SESSION and tries == 1:
                    continue
            else:
                await self._trouble.wait()
                # A stream that ends at once, time and again, is no reason to hurry.
                steady = self._loop.time() - began > 1.0
                tries, pauses = (0, 0) if steady else (tries + 1, pauses)
            if await self._pause(tries, pauses):
                pauses += 1

    async def _connect(self, *, first: bool) -> None:
        """Opens a session, or takes the old one up again.

        Raises:
            LinkFailure: Neither can be done now.
        """
        if self._revive is not None and not self._usable and (first or self._was_refused()):
            await self._revive()
        link, fresh = self._link, False
        if link is None:
            link, fresh = self._dial(self._stream_ended), True
            self._opening_since = self._loop.time()
            try:
                await link.open(self._greeting)
                await self._events.restore(link)
                self._link = link
            finally:
                self._opening_since = None
                if self._link is not link:
                    link.abandon()
            self._publish(link)
        await link.listen()
        self._publish(link)
        if not fresh:
            # Another process may be there now, which knows little more of the session than its id.
            await self._events.restore(link)
        self._events.returned(fresh)

    def _was_refused(self) -> bool:
        return self._failure is not None and self._failure.reason is Reason.UNREACHABLE

    def _publish(self, link: Link) -> None:
        if link is not self._link:
            return
        if not self._was_there:
            log.info("connected to the listener")
        elif not self._usable:
            log.info("the listener is back")
        self._usable = self._was_there = True
        self._failure = None
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(link)
        self._wanted.clear()

    def _failed(self, failure: LinkFailure) -> None:
        link = self._link
        if link is not None and failure.reason is Reason.SESSION:
            self.expire(link)
        elif self._usable and failure.reason is Reason.UNREACHABLE:
            self._usable = False
            self._lost_at = self._loop.time()
        if self._failure is None or self._failure.reason is not failure.reason:
            unreachable = self._advice and failure.reason is Reason.UNREACHABLE
            log.warning("%s", f"{failure.message} ({self._advice})" if unreachable else failure.message)
        self._failure = failure
        for waiter, hasty in self._waiters.items():
            # A refusal does not pass by waiting.
            if not waiter.done() and (hasty or failure.reason is Reason.REFUSED):
                waiter.set_exception(failure)

    async def _pause(self, tries: int, pauses: int) -> bool:
        """Waits before the next attempt; whether nobody waited with it."""
        link = self._link
        least = link.pause_seconds if link is not None and self._usable else 0.0
        began = self._loop.time()
        while True:
            wanted = not self._usable and bool(self._waiters)
            delay = delay_seconds(pauses, wanted) if tries else 0.0
            left = max(least, delay) - (self._loop.time() - began)
            if left < INSTANT:
                return tries > 0 and not wanted
            self._wanted.clear()
            await first_of(self._wanted, seconds=left)

    def _stream_ended(self, link: Link) -> None:
        if link is self._link:
            self._trouble.set()

    async def close(self) -> None:
        """Ends the session and the attempts, within a bound."""
        await self._tasks.cancel()
        link, self._link, self._usable = self._link, None, False
        if link is not None:
            await link.close()
