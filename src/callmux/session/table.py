"""All sessions of a listener: by id, bounded in number, ended when idle, taken up again after a restart.

Called by the HTTP transport. Ids are tickets (`callmux.session.tickets`), so a session that this process does
not know may be one of the process before it: then it goes on.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from callmux.clock import Clock
from callmux.session.tickets import Ticket, seal, unseal

ENDED = 10_000
"""Ended ids that are remembered, so that a session that was deleted is not taken up again."""


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
    """

    def __init__(self, clock: Clock, key: bytes, end: Callable[[S], Awaitable[None]]) -> None:
        self._clock = clock
        self._key = key
        self._end = end
        self._seats: dict[str, S] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seats)

    def __iter__(self) -> Iterator[S]:
        return iter(list(self._seats.values()))

    def get(self, id: str) -> S | None:
        """The session of that id."""
        return self._seats.get(id)

    def new_id(self, version: str, capabilities: bytes) -> str:
        """An id for a session that begins now."""
        ticket = Ticket(secrets.token_hex(16), self._clock.wall(), version, capabilities.decode())
        return seal(ticket, self._key)

    def recall(self, id: str) -> Ticket | None:
        """What an id says of a session that another process began; None where it says nothing, or ended."""
        if id in self._ended:
            return None
        return unseal(id, self._key, self._clock.wall())

    @property
    def key(self) -> bytes:
        """What seals the ids."""
        return self._key

    @property
    def ended(self) -> list[str]:
        """Ids of sessions that are over, the oldest first."""
        return list(self._ended)

    def bury(self, ids: Iterable[str]) -> None:
        """These sessions ended before our time."""
        self._ended.update(dict.fromkeys(ids))

    def add(self, seat: S) -> None:
        self._seats[seat.id] = seat

    async def make_room(self, most: int) -> bool:
        """Ends the longest idle session if there are `most`; whether there is room now."""
        if len(self._seats) < most:
            return True
        idle = [seat for seat in self._seats.values() if not seat.active]
        if not idle:
            return False
        await self.remove(min(idle, key=lambda seat: seat.seen_at).id)
        return True

    async def remove(self, id: str) -> bool:
        """Ends a session; whether there was one."""
        seat = self._seats.pop(id, None)
        if seat is None:
            return False
        self._ended[id] = None
        while len(self._ended) > ENDED:
            self._ended.popitem(last=False)
        await self._end(seat)
        return True

    async def sweep(self, ttl_seconds: float) -> None:
        """Ends every session that has been idle for longer; 0 means never."""
        if not ttl_seconds:
            return
        limit = self._clock.monotonic() - ttl_seconds
        for seat in [s for s in self._seats.values() if not s.active and s.seen_at < limit]:
            await self.remove(seat.id)
