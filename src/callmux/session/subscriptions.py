"""Who wants to hear of which resource. Several sessions share one subscription at the server.

Called by `callmux.session.dispatch` (add, remove) and `callmux.host` (updates, sessions that leave).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

import msgspec
from msgspec import Raw

from callmux.context import CallContext
from callmux.protocol.jsonrpc import RpcError
from callmux.protocol.params import members
from callmux.router.offers import Offers
from callmux.session.session import Session
from callmux.upstream.resources import Place


class Subscriptions:
    """The subscriptions of all sessions.

    Args:
        keep: Called with a place, and whether anybody wants it, so that a server that comes back is asked
            again.
    """

    def __init__(self, keep: Callable[[Place, bool], None]) -> None:
        self._keep = keep
        self._wanted: dict[Place, dict[Session, str]] = {}

    async def add(
        self, session: Session, uri: str, offers: Offers, given: Mapping[str, Raw] | None = None
    ) -> None:
        """Subscribes a session.

        Args:
            given: The client's params, passed on where the server is asked.

        Raises:
            RpcError: No server knows the URI, or it refuses.
        """
        places = await offers.resource_places(uri)
        place = next((p for p in places if self._wanted.get(p)), None)
        if place is None:
            place = await offers.subscribe(places, given or {}, CallContext(client=session))
        self._wanted.setdefault(place, {})[session] = uri
        self._keep(place, True)

    async def remove(
        self, session: Session, uri: str, offers: Offers, given: Mapping[str, Raw] | None = None
    ) -> None:
        """Ends a session's subscription; the last one ends the server's.

        Args:
            given: The client's params, passed on where the server is asked.

        Raises:
            RpcError: No server knows the URI, or it refuses.
        """
        own = (place for place, sessions in self._wanted.items() if sessions.get(session) == uri)
        place = next(own, None) or (await offers.resource_places(uri))[0]
        sessions = self._wanted.get(place, {})
        sessions.pop(session, None)
        if not sessions:
            self._wanted.pop(place, None)
            self._keep(place, False)
            await offers.unsubscribe(place, given or {}, CallContext(client=session))

    def of(self, session: Session) -> list[str]:
        """What the session is subscribed to, by the URIs it knows."""
        return [sessions[session] for sessions in self._wanted.values() if session in sessions]

    async def forget(self, session: Session, offers: Offers) -> None:
        """The session is over."""
        for sessions in list(self._wanted.values()):
            if session in sessions:
                # The server may be down: then there is nothing to end.
                with contextlib.suppress(RpcError):
                    await self.remove(session, sessions[session], offers)

    def updated(self, server: str, params: Raw | None) -> None:
        """A server says that a resource has changed: told to those who want it, by the URI they know."""
        given = members(params)
        try:
            uri = msgspec.json.decode(given.get("uri", b"null"), type=str)
        except msgspec.MsgspecError:
            return
        for session, known in self._hearers(server, uri).items():
            given["uri"] = Raw(msgspec.json.encode(known))
            session.notify("notifications/resources/updated", msgspec.json.encode(given))

    def _hearers(self, server: str, uri: str) -> dict[Session, str]:
        """Who is told of this URI, and as which: an update may name a sub-resource of what was subscribed to
        (MCP 2025-11-25, schema, ResourceUpdatedNotification)."""
        exact = self._wanted.get(Place(server, uri))
        if exact:
            return exact
        return {
            session: known + uri[len(place.uri) :]
            for place, sessions in self._wanted.items()
            if place.server == server and _is_below(uri, place.uri)
            for session, known in sessions.items()
        }


def _is_below(uri: str, above: str) -> bool:
    return uri.startswith(above) and (above.endswith("/") or uri[len(above)] in "/?#")
