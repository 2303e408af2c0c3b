"""Who wants to hear of which resource. Several sessions share one subscription at the server.

Called by `callmux.session.dispatch` (add, remove) and `callmux.process.host` (updates, sessions that leave).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

from callmux.protocol.jsonrpc import RpcError
from callmux.protocol.params import members
from callmux.session.client_cwd import on_behalf_of
from callmux.session.session import Session
from callmux.upstream.resources import Place

if TYPE_CHECKING:
    from callmux.router.offers import Offers

MOST_UPDATES = 100
"""Updates that are kept while a subscription is being made."""


class _Turn:
    """What is going on at one place.

    Attributes:
        lock: Held by whoever changes something there.
        waiting: How many hold it or want to.
        updates: What the server told meanwhile, while nobody was subscribed.
    """

    __slots__ = ("lock", "updates", "waiting")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiting = 0
        self.updates: list[tuple[str, Raw]] = []

    def note(self, below: str, params: Raw) -> None:
        """Notes that the server told of an update there, or of something `below`."""
        if len(self.updates) < MOST_UPDATES:
            self.updates.append((below, params.copy()))


class Subscriptions:
    """The subscriptions of all sessions. What concerns one place happens one after the other: a server may
    take its time, and whoever comes meanwhile must find what is so then.

    Args:
        keep: Called with a place, and whether anybody wants it, so that a server that comes back is asked
            again.
        current: Gives the offers of the configuration in force; those a subscription began with where None.
        may: Whether a session may still use a place: rules can change while a subscription goes on.
    """

    def __init__(
        self,
        keep: Callable[[Place, bool], None],
        current: Callable[[], Offers] | None = None,
        may: Callable[[Session, Place], bool] = lambda session, place: True,
    ) -> None:
        self._may = may
        self._keep = keep
        self._current = current
        self._wanted: dict[Place, dict[Session, str]] = {}
        self._makers: dict[Place, Session] = {}
        self._turns: dict[Place, _Turn] = {}

    def __repr__(self) -> str:
        return f"Subscriptions({len(self._wanted)} places, {len(self._turns)} being changed)"

    async def add(
        self, session: Session, uri: str, offers: Offers, given: Mapping[str, Raw] | None = None
    ) -> None:
        """Subscribes a session.

        Args:
            given: The client's params, passed on where the server is asked.

        Raises:
            RpcError: No server knows the URI, or it refuses.
        """
        from callmux.router.extensions import ELSEWHERE

        places = await offers.resource_places(uri, on_behalf_of(session))
        for place in places:
            async with self._turn(place) as turn:
                if not self._wanted.get(place):
                    try:
                        await self._make(place, offers, given or {}, session)
                    except RpcError as error:
                        if error.code not in ELSEWHERE or place is places[-1]:
                            raise
                        continue
                self._wanted.setdefault(place, {})[session] = uri
                self._keep(place, True)
                for below, update in turn.updates:
                    if self._may(session, Place(place.server, place.uri + below)):
                        _tell(session, uri + below, members(update))
                return

    async def _make(self, place: Place, offers: Offers, given: Mapping[str, Raw], session: Session) -> None:
        """Asks the server, and once more where another has taken its place meanwhile."""
        while True:
            await offers.subscribe([place], given, on_behalf_of(session))
            self._makers[place] = session
            latest = offers if self._current is None else self._current()
            if latest is offers:
                return
            offers = latest

    async def remove(
        self, session: Session, uri: str, offers: Offers, given: Mapping[str, Raw] | None = None
    ) -> None:
        """Ends a session's subscription; the last one ends the server's.

        Args:
            given: The client's params, passed on where the server is asked.

        Raises:
            RpcError: No server knows the URI, or it refuses.
        """
        own = [place for place, sessions in self._wanted.items() if sessions.get(session) == uri]
        places = own or await offers.resource_places(uri, on_behalf_of(session))
        for place in places:
            async with self._turn(place):
                sessions = self._wanted.get(place, {})
                if sessions.pop(session, None) is not None:
                    if not sessions:
                        await self._end(place, offers, given or {}, session)
                    return
        async with self._turn(places[0]):
            # It had none, and may not end what others have; of what nobody has, the server is the judge.
            if not self._wanted.get(places[0]):
                await self._end(places[0], offers, given or {}, session)

    async def _end(self, place: Place, offers: Offers, given: Mapping[str, Raw], session: Session) -> None:
        self._wanted.pop(place, None)
        self._makers.pop(place, None)
        self._keep(place, False)
        await offers.unsubscribe(place, given, on_behalf_of(session))

    @contextlib.asynccontextmanager
    async def _turn(self, place: Place) -> AsyncIterator[_Turn]:
        turn = self._turns.setdefault(place, _Turn())
        turn.waiting += 1
        try:
            async with turn.lock:
                turn.updates.clear()
                yield turn
        finally:
            turn.waiting -= 1
            if not turn.waiting:
                del self._turns[place]

    def of(self, session: Session) -> list[str]:
        """What the session is subscribed to, by the URIs it knows."""
        return [sessions[session] for sessions in self._wanted.values() if session in sessions]

    async def forget(self, session: Session, offers: Offers) -> None:
        """Forgets a session that is over. What it had asked for and others want, too, another session asks
        for."""
        # The server may be down: then there is nothing to end.
        for sessions in list(self._wanted.values()):
            if session in sessions:
                with contextlib.suppress(RpcError):
                    await self.remove(session, sessions[session], offers)
        for place in [place for place, maker in self._makers.items() if maker is session]:
            async with self._turn(place):
                heir = next(iter(self._wanted.get(place, {})), None)
                if heir is None:
                    self._makers.pop(place, None)
                    continue
                self._makers[place] = heir
                with contextlib.suppress(RpcError):
                    await offers.subscribe([place], {}, on_behalf_of(heir))

    def updated(self, server: str, params: Raw | None) -> None:
        """Tells sessions that a resource has changed, each by the URI that it knows."""
        given = members(params)
        try:
            uri = msgspec.json.decode(given.get("uri", b"null"), type=str)
        except msgspec.MsgspecError:
            return
        for place, turn in self._turns.items():
            # Who is just subscribing will hear of it, too.
            if params is not None and place.server == server and _covers(place.uri, uri):
                turn.note(uri[len(place.uri) :], params)
        for session, known in self._hearers(server, uri).items():
            if self._may(session, Place(server, uri)):
                _tell(session, known, given)

    def _hearers(self, server: str, uri: str) -> dict[Session, str]:
        """Who is told of this URI, and as which: an update may name a sub-resource of what was subscribed to
        (MCP 2025-11-25, schema, ResourceUpdatedNotification)."""
        exact = self._wanted.get(Place(server, uri))
        if exact:
            return exact
        return {
            session: known + uri[len(place.uri) :]
            for place, sessions in self._wanted.items()
            if place.server == server and _covers(place.uri, uri)
            for session, known in sessions.items()
        }


def _covers(place: str, uri: str) -> bool:
    """Whether `uri` is that of a place or of something below it."""
    below = uri[len(place) :]
    return uri.startswith(place) and (not below or place.endswith("/") or below[0] in "/?#")


def _tell(session: Session, known: str, given: dict[str, Raw]) -> None:
    given["uri"] = Raw(msgspec.json.encode(known))
    session.notify("notifications/resources/updated", msgspec.json.encode(given))
