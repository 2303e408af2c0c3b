"""Whose apps a client has opened, so that what their pages say by short names reaches their own servers.

A page calls tools by the names that its server gave them, and may read addresses as that server wrote them
(MCP Apps, 2026-01-26): a name or address that several servers have means the server whose page was opened.
Kept by `callmux.router.indexes`; told by `callmux.router.offers` of each page that is read, asked by that and
by `callmux.router.router`.
"""

from __future__ import annotations

from collections.abc import Collection
from weakref import WeakKeyDictionary

from callmux.context import ClientPort
from callmux.protocol import apps
from callmux.upstream.resources import Place


class OpenedApps:
    """The pages that clients have read, by server. A client is remembered for as long as its session is."""

    def __init__(self) -> None:
        self._servers: WeakKeyDictionary[ClientPort, set[str]] = WeakKeyDictionary()

    def note(self, client: ClientPort, place: Place) -> None:
        """A client has read what stands at a place."""
        if place.uri.startswith(apps.SCHEME) and client.lasting:
            self._servers.setdefault(client.session, set()).add(place.server)

    def meant(self, client: ClientPort, servers: Collection[str]) -> str | None:
        """The one of these servers whose page a client has opened; None where it is none, or several."""
        opened = self._servers.get(client.session) if self._servers and client.lasting else None
        found = [server for server in dict.fromkeys(servers) if opened is not None and server in opened]
        return found[0] if len(found) == 1 else None
