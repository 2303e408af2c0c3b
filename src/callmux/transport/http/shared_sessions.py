"""Sessions that several listeners share: each keeps what it knows of its own, and goes on with others.

Made by `callmux.serving.sharing` where the configuration has `state`; called by
`callmux.transport.http.listener`. What it knows stands in a store (`callmux.stores.sessions`) before the
client has the answer to what changed it. Where the store does not answer, a listener goes on with the
sessions that it has, and with others by their ids alone; what it could not keep is kept later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from weakref import WeakKeyDictionary

from callmux.errors import StoreUnavailable
from callmux.session.saved_sessions import SavedSession
from callmux.session.session import Session
from callmux.session.table import SessionTable
from callmux.session.tickets import MAX_AGE_SECONDS, Ticket, owner_mark
from callmux.stores.sessions import KeptSession, KeptSessions, Over
from callmux.tasks import TaskSet, to_the_end
from callmux.transport.http.web_session import STREAMABLE, WebSession

log = logging.getLogger(__name__)

AT_A_TIME = 16
"""Sessions that are kept for longer at the same time: requests of clients find their turns."""
MARGIN_SECONDS = 150.0
"""How much longer than a session may be idle its record is kept: it is touched once in a while only."""


class SharedSessions:
    """This listener's side of the store.

    Args:
        store: Where sessions are kept.
        key: Seals their ids.
        wall: The time, in seconds since 1970.
        subscriptions: The resources that a session wants to hear of.
        table: The sessions that are here.

    Attributes:
        idle_seconds: How long a session may be idle; 0 for ever.
    """

    def __init__(
        self,
        store: KeptSessions,
        key: bytes,
        wall: Callable[[], float],
        subscriptions: Callable[[Session], list[str]],
        table: SessionTable[WebSession],
    ) -> None:
        self._store = store
        self._key = key
        self._wall = wall
        self._subscriptions = subscriptions
        self._table = table
        table.shared = True
        self._tasks = TaskSet("shared sessions")
        self.idle_seconds = 0.0
        self._seats: WeakKeyDictionary[Session, WebSession] = WeakKeyDictionary()
        self._begun: dict[str, float] = {}
        self._kept: dict[str, KeptSession | None] = {}
        self._reviving: set[str] = set()
        self._heard = ""

    def __repr__(self) -> str:
        return f"SharedSessions({len(self._kept)} of this listener)"

    def add(self, seat: WebSession) -> None:
        """A session is here from now on, and kept once it is ready."""
        if seat.kind == STREAMABLE:
            self._seats[seat.session] = seat
            self._begun.setdefault(seat.id, self._wall())
            self._kept.setdefault(seat.id, None)

    def let_go(self, seat: WebSession) -> None:
        """A session is not here any more; it may go on elsewhere."""
        self._begun.pop(seat.id, None)
        self._kept.pop(seat.id, None)
        self._reviving.discard(seat.id)

    async def changed(self, session: Session) -> None:
        """Keeps what is so now of a session, before its client hears that it is so."""
        seat = self._seats.get(session)
        if seat is not None and seat.id in self._kept and seat.id not in self._reviving:
            await self.keep(seat)

    async def keep(self, seat: WebSession) -> bool:
        """Keeps what is so now; says whether the session goes on, as far as anybody knows."""
        now, id = self._record(seat), seat.id
        try:
            if now == self._kept.get(id) and await self._store.touch(id, self._seconds):
                return True
            goes_on = await self._store.put(id, now, self._seconds)
        except StoreUnavailable as error:
            log.debug("a session was not kept: %s", error)
            self._kept[id] = None
            return True
        if id in self._kept:
            self._kept[id] = now
        return goes_on

    async def renew(self) -> None:
        """Keeps those that are here for longer; ends those that were ended elsewhere."""
        here = [
            seat
            for seat in self._table
            if seat.id in self._kept and seat.session.is_ready and seat.id not in self._reviving
        ]
        for at in range(0, len(here), AT_A_TIME):
            some = here[at : at + AT_A_TIME]
            go_on = await asyncio.gather(*map(self.keep, some))
            for seat, goes_on in zip(some, go_on, strict=True):
                if not goes_on:
                    await self._table.remove(seat.id)

    async def hear(self) -> None:
        """Ends those that were ended at another listener since the last time."""
        try:
            self._heard, over = await self._store.ended(self._heard, list(self._kept))
        except StoreUnavailable as error:
            log.debug("it is not known which sessions were ended elsewhere: %s", error)
            return
        for id in over:
            await self._table.remove(id)

    def returned(self) -> None:
        """The store is there again: perhaps it has lost what it had, and it did not hear what is new."""
        self._kept = dict.fromkeys(self._kept)
        self._tasks.spawn(self.renew())

    async def close(self) -> None:
        """This listener ends: what is known of its sessions is left to the others."""
        await to_the_end(self.renew, self._tasks.cancel)

    async def recall(
        self, id: str, owner: str, ticket: Ticket | None
    ) -> tuple[Ticket | None, KeptSession | None]:
        """What a session of another listener is, and what else is known of it; None for both where it is
        over, or is somebody else's.

        Args:
            owner: Who asks.
            ticket: What the id itself says; None where it says nothing.
        """
        if self._table.is_over(id):
            return None, None
        try:
            found = await self._store.get(id)
        except StoreUnavailable as error:
            log.debug("a session goes on by its id alone: %s", error)
            found = None
        if isinstance(found, Over):
            return None, None
        if found is None:
            return ticket, None
        if found.owner != owner_mark(owner, self._key):
            return None, None
        known = Ticket(
            nonce=id,
            issued=found.begun,
            version=found.version,
            capabilities=found.capabilities,
            owner=found.owner,
            asked=found.asked,
            profile=found.profile,
        )
        return known, found

    def take_up(self, seat: WebSession, found: KeptSession) -> SavedSession:
        """Makes the session what the store says it is; gives what must be asked of servers anew. Until
        `taken_up`, nothing of it is kept: it is not whole yet."""
        facts = seat.session.facts
        facts.client_name, facts.client_kind = found.client_name, found.client_kind
        facts.waits, facts.asks = found.waits, found.asks
        facts.cwd, facts.cwd_source = found.cwd, found.cwd_source
        facts.declared = None if found.declared is None else frozenset(found.declared)
        self._begun[seat.id], self._kept[seat.id] = found.begun, found
        self._reviving.add(seat.id)
        return SavedSession(found.log_level, found.client_name, list(found.subscriptions), found.waits)

    def taken_up(self, seat: WebSession) -> None:
        """It is whole again."""
        self._reviving.discard(seat.id)

    async def ended(self, seat: WebSession) -> None:
        """Its client has ended a session: no listener takes it up again."""
        if seat.id not in self._kept:
            return
        self.let_go(seat)
        try:
            await self._store.end(seat.id, MAX_AGE_SECONDS)
        except StoreUnavailable as error:
            log.warning("could not tell the other listeners that a session is over: %s", error)

    @property
    def _seconds(self) -> float:
        return self.idle_seconds + MARGIN_SECONDS if self.idle_seconds else MAX_AGE_SECONDS

    def _record(self, seat: WebSession) -> KeptSession:
        session, facts = seat.session, seat.session.facts
        return KeptSession(
            owner=owner_mark(seat.owner, self._key),
            begun=self._begun.get(seat.id, 0.0),
            version=session.version or "",
            capabilities=session.capabilities.decode(),
            asked=seat.asked,
            profile=facts.profile,
            client_name=facts.client_name,
            client_kind=facts.client_kind,
            log_level=session.log_level,
            subscriptions=tuple(sorted(self._subscriptions(session))),
            cwd=facts.cwd,
            cwd_source=facts.cwd_source,
            waits=facts.waits,
            asks=facts.asks,
            declared=None if facts.declared is None else tuple(sorted(facts.declared)),
        )
