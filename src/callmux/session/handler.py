"""What the requests of a session lead to: the router here, the relay in a bridge.

Implemented by `callmux.session.dispatch` and `callmux.bridge.relay`; called by `callmux.session.session`.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from msgspec import Raw

from callmux.protocol.calling import Calling, DirectCall
from callmux.protocol.jsonrpc import Request as Message
from callmux.session.facts import Said
from callmux.session.request import Request

if TYPE_CHECKING:
    from callmux.protocol.modern import Asked

S = TypeVar("S", contravariant=True)


class Handler(Protocol[S]):
    """The handler of sessions of the type `S`."""

    async def open(self, session: S, params: Raw | None) -> bytes:
        """The result of `initialize`."""

    def call(
        self, session: S, params: DirectCall | Raw | None, request: Request
    ) -> Coroutine[Any, Any, bytes | Raw] | None:
        """The result of a `tools/call`; None where the request has been given a job that answers it.

        Args:
            request: The request: the way back to the client for what belongs to it.

        Raises:
            RpcError: It is refused.
        """

    def handle(
        self, session: S, method: str, params: Raw | None, request: Request
    ) -> Coroutine[Any, Any, bytes | Raw] | None:
        """The same for any other request."""

    def stateless(
        self, session: S, message: Message | Calling, said: Said, asked: Asked | None = None
    ) -> None:
        """Takes a request of a revision without a handshake.

        Args:
            message: A `Calling` where what the revision adds to it was taken out already.
            asked: What it says of itself, where that was read already.
        """

    def told(self, session: S, method: str, params: Raw | None) -> None:
        """Takes a notification of the client."""
