"""Who wants to hear of which resource. Several sessions share one subscription at the server.

Called by `callmux.session.dispatch` (add, remove) and `callmux.host` (updates, sessions that leave).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

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

    async def add(self, session: Session, uri: str, offers: Offers) -> None:
        """Subscribes a session.

        Raises:
            RpcError: No server knows the URI, or it refuses.
        """
        place = await offers.resource_place(uri)
        if not self._wanted.get(place):
            await offers.subscribe(place, CallContext(client=session), on=True)
        self._wanted.setdefault(place, {})[session] = uri
        self._keep(place, True)

    async def remove(self, session: Session, uri: str, offers: Offers) -> None:
        """Ends a session's subscription; the last one ends the server's.

        Raises:
            RpcError: No server knows the URI, or it refuses.
        """
        place = await offers.resource_place(uri)
        sessions = self._wanted.get(place, {})
        sessions.pop(session, None)
        if not sessions:
            self._wanted.pop(place, None)
            self._keep(place, False)
            await offers.subscribe(place, CallContext(client=session), on=False)

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
        for session, known in self._wanted.get(Place(server, uri), {}).items():
            given["uri"] = Raw(msgspec.json.encode(known))
            session.notify("notifications/resources/updated", msgspec.json.encode(given))
