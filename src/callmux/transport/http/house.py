"""What the endpoints for clients ask of the rest: of the host about sessions, of nodes about who serves.

Implemented by `callmux.serving.assembly` and by the cluster of nodes; called by
`callmux.transport.http.listener`, through which the other endpoints reach it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from callmux.guard.principal import Principal
from callmux.protocol.jsonrpc import Request
from callmux.transport.http.exchange import Exchange
from callmux.transport.http.web_session import WebSession


class Sessions(Protocol):
    """Hears of sessions. Implemented by `callmux.serving.assembly` over the host."""

    def begun(self, seat: WebSession) -> None:
        """A session begins."""

    def profile(self, asked: str, principal: Principal | None, directory: str | None) -> str | None:
        """The profile of a session that begins, empty for none; None where it may not have what it asks for.

        Args:
            asked: The one that its address names; empty for none.
            directory: Where its client works; None where it does not say.
        """

    async def ended(self, seat: WebSession) -> None:
        """A session is over."""

    def hang_up(self) -> None:
        """No subscription of a client without a session goes on."""

    def definition(self, tool: str) -> bytes | None:
        """A tool as its server lists it, by the name of a direct call; None where there is none."""


class Nodes(Protocol):
    """Other listeners, where several are one."""

    async def begun(self, session: str) -> None:
        """A session begins here."""

    def ended(self, session: str, over: bool) -> None:
        """A session is not here any more.

        Args:
            over: Whether it goes on nowhere.
        """

    async def serve(self, exchange: Exchange, here: Callable[[Exchange], Awaitable[None]]) -> None:
        """Has a request answered, wherever that is; raises `Refusal`.

        Args:
            here: Answers it on this node.
        """

    def facts(self) -> dict[str, Any]:
        """What status shows of them."""

    async def streaming(self, session: str, stream: str, body: bytes) -> None:
        """A request begins to be answered by a stream, which its client may go on with elsewhere."""

    def streamed(self, session: str, stream: str) -> None:
        """The client has all of the stream."""

    async def resumed(self, session: str, stream: str) -> tuple[Request, bytes | None] | None:
        """The request of a stream that broke with its node, and what its client is told where it may not be
        made again; None where nothing is known of it."""

    async def is_safe(self, request: Request) -> bool:
        """Whether a request does no harm when it is made twice."""

    async def claim(self, whose: str, name: str) -> bool:
        """Takes the name of a request, which no other attempt at it has begun with; whether it was free.

        Args:
            whose: The session; or, where there is none, who asks.
        """

    def answered(self, whose: str, name: str) -> None:
        """No other attempt comes under this name."""

    def unknown(self, request: Request) -> bytes:
        """What is told of a request that was begun at a node that is lost, and must not be made again."""
