"""The first requests on a new connection, before anything is agreed on.

Made by `callmux.upstream.connection`; `callmux.upstream.opening.handshake` decides what is said and when.
"""

from __future__ import annotations

from collections.abc import Coroutine
from math import inf
from typing import Any, Protocol

from msgspec import Raw

from callmux.protocol import stateless
from callmux.protocol.params import DISCOVER
from callmux.protocol.upstream_peer import InitializeResult, UpstreamPeer
from callmux.protocol.versions import MODERN
from callmux.upstream.exchanges import OwnExchange
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.links.link import Link, label_of


class Reached(Protocol):
    """A connection whose link is open."""

    link: Link
    live: bool

    def own(self, method: str, params: bytes | Raw | None, seconds: float) -> OwnExchange: ...
    def answer(self, own: OwnExchange) -> Coroutine[Any, Any, bytes]: ...
    def abandon(self, exchange: OwnExchange, reason: str | None) -> None: ...


class FirstWords:
    """What is said first.

    Args:
        connection: The connection.
        peer: Its protocol.
        client_info: Who we are, as JSON.
        declared: Our capabilities, as JSON.
    """

    def __init__(self, connection: Reached, peer: UpstreamPeer, client_info: bytes, declared: bytes) -> None:
        self._connection = connection
        self._peer = peer
        self._client_info = client_info
        self._declared = declared

    def __repr__(self) -> str:
        return f"FirstWords({self._peer!r})"

    @property
    def live(self) -> bool:
        """Whether anything can be said still."""
        return self._connection.live

    async def hello(self) -> bytes:
        """Begins the handshake; gives what the server says, which goes to `greeted`.

        Raises:
            CallFailure: It refuses, or cannot be reached.
        """
        own = self._connection.own("initialize", None, inf)
        own.number, line = self._peer.open(self._client_info, self._declared, own)
        self._connection.link.send(line, own.number, True)
        return await self._connection.answer(own)

    def greeted(self, result: bytes) -> InitializeResult:
        """Ends the handshake.

        Raises:
            CallFailure: The answer cannot be read, or offers a revision we do not speak.
        """
        try:
            init, line = self._peer.opened(result)
        except ValueError as error:
            raise CallFailure(Category.PROTOCOL, str(error), started=False) from None
        self._connection.link.send(line)
        self._connection.link.agreed(init.protocol_version)
        return init

    def probe(self) -> OwnExchange:
        """Asks who the server is, as one without a handshake is asked."""
        revision = MODERN[0]
        own_meta = stateless.own_meta(self._client_info, self._declared, None, revision)
        own = self._connection.own(DISCOVER, None, inf)
        own.number, line = self._peer.probe(stateless.with_meta(None, None, own_meta, {}), own)
        if (label := label_of(self._connection.link)) is not None:
            from callmux.protocol import mirrored

            label(own.number, mirrored.head(revision, own.method, None))
        self._connection.link.send(line, own.number, True)
        return own

    def discovered(self, found: InitializeResult) -> None:
        """The server has answered that: there is no handshake."""
        self._peer.discovered(found.protocol_version)

    def forget(self, own: OwnExchange) -> None:
        """Waits no longer for what was asked, and does not mind how that failed."""
        if own.answer.done() and not own.answer.cancelled():
            own.answer.exception()
        self._connection.abandon(own, None)
