"""What this process says of itself to each client: in the answers to `initialize` and `server/discover`.

Made by `callmux.process.host`. Nothing is started for `server/discover`: clients ask it in processes that
they end again. What a server listed last, in this process or an earlier one, is told meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from callmux.process.changes import listed_now
from callmux.process.entitlements import Entitlements
from callmux.process.runtime import Runtime
from callmux.protocol.caching import Freshness, narrowest
from callmux.router.greeting import SERVER_INFO, Portrait, greeting, portrait, transparent_greeting
from callmux.session.facts import BRIDGE
from callmux.session.session import Session
from callmux.upstream.inventory.offer import Offer

OWN = msgspec.json.encode(SERVER_INFO)


class Portraits:
    """What clients are told, each as it is now.

    Args:
        current: Gives the runtime in force.
        entitlements: What each client may use.
    """

    def __init__(self, current: Callable[[], Runtime], entitlements: Entitlements) -> None:
        self._current = current
        self._entitlements = entitlements
        self.own = OWN

    def greeting(self, session: Session, version: str, *, complete: bool) -> bytes:
        """The result of `initialize`.

        Args:
            session: Of the client.
            version: The MCP revision.
            complete: Whether no server is still starting.
        """
        runtime, up = self._current(), self._known(session)
        if runtime.is_transparent and up:
            # Clients of one server get nothing of ours; our own bridge tells its client nothing of it.
            told = session.offers if session.facts.client_kind == BRIDGE else frozenset()
            return transparent_greeting(version, next(iter(up.values())), told)
        return greeting(
            version,
            up,
            complete=complete and not runtime.failed(),
            own=runtime.config.expose_meta_tools,
            told=self._told(session),
            experimental=session.offers,
            several=len(runtime.servers) > 1,
            asks=bool(runtime.config.approve),
        )

    def of(self, session: Session) -> Portrait:
        """What a client without a handshake is told."""
        runtime = self._current()
        seen = self._entitlements.servers_of(session)
        servers = [server for name, server in runtime.servers.items() if name in seen]
        for server in servers:
            server.recall(session.capabilities)
        up = self._known(session)
        transparent = runtime.is_transparent and bool(up)
        return portrait(
            up,
            complete=transparent or all(server.connection is not None or server.asleep for server in servers),
            own=runtime.config.expose_meta_tools,
            told=self._told(session),
            several=len(runtime.servers) > 1,
            asks=bool(runtime.config.approve),
            transparent=transparent,
        )

    @property
    def identity(self) -> bytes:
        """Who answers, as JSON: the only server in the transparent mode, else callmux."""
        runtime = self._current()
        if runtime.is_transparent:
            for server in runtime.servers.values():
                if server.offer.server_info is not None:
                    return bytes(server.offer.server_info)
        return self.own

    def listed(self, session: Session, kind: str) -> bytes:
        """A list as this client would be given it now."""
        return listed_now(self._current(), self._entitlements, session, kind)

    def holds(self, session: Session, method: str) -> Freshness:
        """How long an answer of ours about what servers list holds for a client, and whether it is for that
        client alone: it is where anybody else may be listed something else."""
        servers, seen = self._current().servers, self._entitlements.servers_of(session)
        own = Freshness(private=self._entitlements.rights_of(session) is not None)
        now = asyncio.get_running_loop().time()
        theirs = [
            server.inventory.holds(method, now, apart=server.choice.sharing.owned)
            for name, server in servers.items()
            if name in seen
        ]
        return narrowest([own, *theirs])

    def _told(self, session: Session) -> str | None:
        """The servers that an index of tools shows to a client; None where there is no index."""
        if not self._current().config.index_tokens:
            return None
        lists = self._current().lists
        rights = self._entitlements.rights_of(session)
        return lists.servers_told(lists.view(session.kind, session.facts.client_name, rights))

    def _known(self, session: Session) -> dict[str, Offer]:
        """What the servers offer that have said so, of those that a client may know of."""
        servers, seen = self._current().servers, self._entitlements.servers_of(session)
        return {n: server.offer for n, server in servers.items() if server.suite.listed and n in seen}
