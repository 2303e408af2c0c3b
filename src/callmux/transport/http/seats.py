"""Sessions for requests that have none: each serves one request at a time, and then the next like it.

Made by `callmux.transport.http.listener`, for whoever answers a POST without a session. To servers a request
needs a client, whose connections are its own where a server asks questions. A request gets one that no
other request has meanwhile, so that a question can only be its own; the connections stay for the next request
of the same principal that says the same of itself.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import TypeAlias

from callmux.context import Loan
from callmux.protocol.modern import Asked
from callmux.transport.http.exchange import Exchange, Refusal
from callmux.transport.http.web_session import STATELESS, WebSession

IDLE_SECONDS = 60.0
"""How long a session waits for the next request like its last one."""

Key: TypeAlias = tuple[str, str, str, bytes, str | None, str | None]


class Seats:
    """The sessions of requests without one.

    Args:
        begin: Begins a session of this id and kind for whoever asks.
        profile: The profile that whoever asks has.
        owner: Whose sessions a request may use.
        now: The monotonic clock.
    """

    def __init__(
        self,
        begin: Callable[[str, str, Exchange, str], Awaitable[WebSession]],
        profile: Callable[[Exchange], str],
        owner: Callable[[Exchange], str],
        now: Callable[[], float],
    ) -> None:
        self._begin = begin
        self._profile = profile
        self._owner = owner
        self._now = now
        self._idle: dict[Key, list[WebSession]] = {}
        self._keys: dict[WebSession, Key] = {}

    def __repr__(self) -> str:
        idle = sum(len(seats) for seats in self._idle.values())
        return f"Seats({len(self._keys)}, {idle} idle)"

    async def take(self, exchange: Exchange, asked: Asked) -> WebSession:
        """A session that no other request has now.

        Raises:
            Refusal: There is no room, or no such profile.
        """
        profile = self._profile(exchange)
        key = self._key(exchange, profile, asked)
        if (waiting := self.lend(self._idle.get(key, []))) is not None:
            return waiting
        seat = await self._begin(secrets.token_hex(16), STATELESS, exchange, profile)
        seat.session.server_level = asked.log_level
        seat.session.facts.roots_asked = True
        seat.session.over = partial(self.release, seat)
        self._keys[seat] = key
        seat.active += 1
        seat.session.loan = Loan(key)
        return seat

    def _key(self, exchange: Exchange, profile: str, asked: Asked) -> Key:
        return (
            self._owner(exchange),
            exchange.profile,
            profile,
            asked.capabilities,
            asked.client_name,
            asked.log_level,
        )

    def idle(self, exchange: Exchange, asked: Asked) -> list[WebSession]:
        """The sessions that wait for such a request, as long as there are any; none where one must begin
        first, or the request is to be refused. For `lend`."""
        try:
            profile = self._profile(exchange)
        except Refusal:
            return []
        return self._idle.get(self._key(exchange, profile, asked), [])

    def lend(self, idle: list[WebSession]) -> WebSession | None:
        """One of the sessions that wait; None where there is none."""
        while idle:
            seat = idle.pop()
            if not seat.closed:
                seat.active += 1
                if (loan := seat.session.loan) is not None:
                    loan.free = False
                return seat
        return None

    def release(self, seat: WebSession) -> None:
        """One less needs a session: its exchange has ended, or its request is over."""
        seat.active -= 1
        if seat.active:
            return
        seat.seen_at = self._now()
        if not seat.closed and (key := self._keys.get(seat)) is not None:
            self._idle.setdefault(key, []).append(seat)
            if seat.session.loan is not None:
                seat.session.loan.free = True

    def ended(self, seat: WebSession) -> None:
        """Forgets a session that is over."""
        key = self._keys.pop(seat, None)
        if key is None or (idle := self._idle.get(key)) is None:
            return
        if seat in idle:
            idle.remove(seat)
        if not idle:
            # Also where it was lent: what clients say of themselves would pile up here.
            del self._idle[key]

    def spent(self) -> Iterator[str]:
        """The ids of those that nobody has needed for a while; none that is lent before its turn comes."""
        oldest = self._now() - IDLE_SECONDS
        found = [seat for seats in self._idle.values() for seat in seats if seat.seen_at < oldest]
        return (seat.id for seat in found if not seat.active)
