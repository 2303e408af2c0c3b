"""Whom a connection serves, and who can be meant by what its server says. Pure.

Kept by each `callmux.upstream.connection`; told of calls, arrivals and departures by
`callmux.upstream.server` and `callmux.upstream.scoped.side_lanes`. MCP does not say which call a question, a
log message or another notice belongs to, and a server may speak of a call long after it has ended, timed out
or been cancelled, and after its client has left. So a client is meant only where no call of anybody else was
ever carried.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import Protocol

from callmux.context import ClientPort


class Caused(Protocol):
    """A request, as far as this matters."""

    @property
    def client(self) -> ClientPort | None:
        """The client that caused it."""


class Audience:
    """The clients of one connection.

    Attributes:
        owner: The only client it serves, if it has only one for good.
        carried: It has carried a call of a client.
    """

    __slots__ = ("_clients", "_missing", "carried", "owner")

    def __init__(self) -> None:
        self.owner: ClientPort | None = None
        self.carried = False
        self._clients: dict[ClientPort, bool] = {}
        self._missing = False

    def __repr__(self) -> str:
        missing = ", others have left" if self._missing else ""
        return f"Audience({len(self._clients)}{', owned' if self.owner else ''}{missing})"

    def __contains__(self, client: ClientPort) -> bool:
        return client in self._clients

    def __len__(self) -> int:
        return len(self._clients)

    def join(self, client: ClientPort) -> None:
        """Counts the client on whose behalf the connection is opened."""
        self._clients.setdefault(client, False)

    def calls(self, client: ClientPort) -> None:
        """Counts a client whose call is going to be sent on the connection."""
        self.carried = True
        self._clients[client] = True

    def leave(self, client: ClientPort) -> None:
        """Drops a client that has left. For the server, calls of that client may still go on."""
        self._missing |= self._clients.pop(client, False)

    def is_only(self, client: ClientPort) -> bool:
        """Whether there is nothing of anybody else on it, so that it can be this client's own from now on."""
        return not self._missing and self._concerned <= {client}

    @property
    def _concerned(self) -> Set[ClientPort]:
        """Those who have called, or, where nobody has, those on whose behalf it was opened."""
        clients = self._clients
        return {one for one, called in clients.items() if called} if self.carried else clients.keys()

    def meant(self, client: ClientPort | None) -> ClientPort | None:
        """Whom something is for that the server says; None where that cannot be told for sure.

        Args:
            client: Whose call it belongs to, where the link tells.
        """
        if self.owner is not None:
            return client if client is not None and client.session is self.owner else self.owner
        if client is not None or self._missing:
            return client
        concerned = self._concerned
        return next(iter(concerned)) if len(concerned) == 1 else None

    def addressee(
        self, waiting: Mapping[int, Caused], about: int | None, maker: Callable[[], ClientPort | None]
    ) -> ClientPort | None:
        """The client that something is for that the server says: by the stream it came on, by the task it
        names, or because nobody else can be meant.

        Args:
            waiting: The requests under way, by their ids.
            about: The request on whose own stream it came, where the link knows.
            maker: Gives the client that made the task it names.
        """
        client = waiting[about].client if about is not None and about in waiting else None
        meant = self.meant(client)
        if client is not None and meant is not None:
            return meant
        meant = meant or maker()
        # Of several requests of that client, the latest: it may have a stream of its own.
        for one in reversed(list(waiting.values())):
            if one.client is not None and one.client.session is meant:
                return one.client
        return meant
