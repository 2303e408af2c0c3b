"""What the requests of a session lead to: the router here, the relay in a bridge.

Implemented by `callmux.session.dispatch` and `callmux.bridge.relay`; called by `callmux.session.session`.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Raw

if TYPE_CHECKING:
    from callmux.session.request import Request
    from callmux.session.session import Session


class Handler(Protocol):
    """The handler."""

    async def open(self, session: Session, params: Raw | None) -> bytes:
        """The result of `initialize`."""

    def handle(
        self, session: Session, method: str, params: Raw | None, request: Request
    ) -> Coroutine[Any, Any, bytes | Raw] | None:
        """The result of any other request; None where the request has been given a job that answers it.

        Args:
            request: The request: the way back to the client for what belongs to it.

        Raises:
            RpcError: It is refused.
        """

    def told(self, session: Session, method: str, params: Raw | None) -> None:
        """A notification of the client."""
