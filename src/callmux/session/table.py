"""All sessions of a listener: by id, bounded in number, ended when idle, taken up again after a restart.

Called by the HTTP transport. Ids are tickets (`callmux.session.tickets`), so a session that this process does
not know may be one of the process before it: then it goes on.
"""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Coroutine, Iterable, Iterator
from hashlib import blake2b
from heapq import nsmallest
from typing import Any, Generic, Protocol, TypeVar

from callmux.clock import Clock
from callmux.session.tickets import Ticket, owner_mark, seal, unseal
from callmux.tasks import together

ENDED = 50_000
"""Ended sessions that are remembered, so that one that was deleted is not taken up again. Of older ones only
the time is kept: nobody's session that began before it is taken up."""
SHOWN = 24
"""Characters of an id that anybody may see, of a short one fewer: who knows the whole may use the session."""
_MARK = "#"


class Seat(Protocol):
    """A session as the table sees it."""

    id: str
    active: int
    seen_at: float


S = TypeVar("S", bound=Seat)


class SessionTable(Generic[S]):
    """The sessions.

    Args:
        clock: Time.
        key: Seals the ids.
        end: Ends a session that the table lets go.

    Attributes:
        floor: Seconds since 1970: sessions that began earlier may have ended, and nobody knows which.
        shared: Whether other listeners have these sessions, too: one that goes from here for want of room or
            of requests is not over, and may come back.
    """

    def __init__(self, clock: Clock, key: bytes, end: Callable[[S], Coroutine[Any, Any, None]]) -> None:
        self._clock = clock
        self._key = key
        self._end = end
        self._seats: dict[str, S] = {}
        self._ended: dict[str, float] = {}
        self.floor = 0.0
        self.shared = False

    def __len__(self) -> int:
        return len(self._seats)

    def __iter__(self) -> Iterator[S]:
        return iter(list(self._seats.values()))

    def get(self, id: str) -> S | None:
        """The session with this id."""
        return self._seats.get(id)

    def new_id(
        self, version: str, capabilities: bytes, owner: str = "", asked: str = "", profile: str = ""
    ) -> str:
        """An id for a session that `owner` begins now.

        Args:
            asked: The profile that its address names.
            profile: The profile that it has.
        """
        mark, nonce, now = owner_mark(owner, self._key), secrets.token_hex(16), self._clock.wall()
        return seal(Ticket(nonce, now, version, capabilities.decode(), mark, asked, profile), self._key)

    def recall(self, id: str, owner: str = "") -> Ticket | None:
        """What an id says of a session that another process began for `owner`; None where it says nothing, or
        ended, or is somebody else's."""
        ticket = unseal(id, self._key, self._clock.wall())
        if ticket is None or ticket.issued <= self.floor or _mark(id) in self._ended:
            return None
        return ticket if ticket.owner == owner_mark(owner, self._key) else None

    def is_over(self, id: str) -> bool:
        """Whether it is known here that this session was ended."""
        return _mark(id) in self._ended

    @property
    def key(self) -> bytes:
        """What seals the ids."""
        return self._key

    @property
    def ended(self) -> list[str]:
        """Marks of sessions that are over, the oldest first."""
        return list(self._ended)

    def bury(self, ended: Iterable[str], floor: float = 0.0) -> None:
        """These sessions, by their marks or ids, ended before our time, and any may have that began before
        `floor`."""
        now = self._clock.wall()
        self.floor = max(self.floor, floor)
        for one in ended:
            self._remember(one if one.startswith(_MARK) else _mark(one), now)

    def enter(self, seat: S, most: int) -> list[S] | None:
        """Takes a session in. Where there are `most`, the longest idle ones go: they are no longer here, and
        it is for the caller to `end` them. None where there is no room."""
        too_many = len(self._seats) + 1 - most
        gone: list[S] = []
        if too_many > 0:
            idle = [other for other in self._seats.values() if not other.active]
            if len(idle) < too_many:
                return None
            gone = nsmallest(too_many, idle, key=lambda other: other.seen_at)
            for other in gone:
                self._leave(other.id, over=not self.shared)
        self._seats[seat.id] = seat
        return gone

    async def end(self, gone: Iterable[S]) -> None:
        """Ends sessions that had to go, each also where the end of another fails: nobody else has them."""
        await together(*map(self._end, gone))

    async def remove(self, id: str, *, over: bool = True) -> bool:
        """Ends a session; whether there was one.

        Args:
            over: Whether it goes on nowhere.
        """
        seat = self._leave(id, over=over)
        if seat is None:
            return False
        await self._end(seat)
        return True

    def release(self, id: str) -> S | None:
        """A session goes on elsewhere: it is not here any more, and may come back."""
        return self._leave(id, over=False)

    def _leave(self, id: str, *, over: bool) -> S | None:
        seat = self._seats.pop(id, None)
        if seat is not None and over:
            self._remember(_mark(id), self._clock.wall())
        return seat

    def _remember(self, mark: str, at: float) -> None:
        self._ended[mark] = at
        while len(self._ended) > ENDED:
            # Whatever it was, it began before it ended.
            self.floor = max(self.floor, self._ended.pop(next(iter(self._ended))))

    async def sweep(self, ttl_seconds: float) -> None:
        """Ends every session that has been idle for longer; 0 means never."""
        if not ttl_seconds:
            return
        limit = self._clock.monotonic() - ttl_seconds
        for seat in [s for s in self._seats.values() if not s.active and s.seen_at < limit]:
            # While one is ended, the next may be used again.
            if not seat.active and seat.seen_at < limit:
                await self.remove(seat.id, over=not self.shared)


def _mark(id: str) -> str:
    """What is remembered of a session that is over."""
    digest = blake2b(id.encode("utf-8", "surrogatepass"), digest_size=15).digest()
    return _MARK + urlsafe_b64encode(digest).decode()


def shown(id: str) -> str:
    """What anybody may see of a session id: too little to guess the rest."""
    return id[: min(SHOWN, len(id) // 4)]
