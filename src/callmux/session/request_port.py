"""The way back to a client as one of its requests has it: what belongs to the request says so.

Made by `callmux.session.session` where the transport has a stream per request (Streamable HTTP); goes into
the request's context. MCP 2025-11-25, basic/transports: what relates to a request is sent on its own stream.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Raw

from callmux.protocol.jsonrpc import Id
from callmux.session.facts import NOTHING, Said

if TYPE_CHECKING:
    from callmux.session.session import Session


class RequestPort:
    """A session's port for one request.

    Args:
        session: The session.
        id: The client's request id.
        said: What came with it beside the message.
    """

    __slots__ = ("_id", "said", "session")

    def __init__(self, session: Session, id: Id, said: Said = NOTHING) -> None:
        self.session = session
        self.said = said
        self._id = id

    def __repr__(self) -> str:
        return f"RequestPort({self._id!r} of {self.session!r})"

    @property
    def capabilities(self) -> bytes:
        return self.session.capabilities

    @property
    def log_level(self) -> str | None:
        return self.session.log_level

    @property
    def own_lanes(self) -> bool:
        return self.session.own_lanes

    @property
    def reading(self) -> bool:
        return self.session.reading

    async def until_reading(self) -> None:
        await self.session.until_reading()

    def notify(self, method: str, params: bytes | Raw | None) -> None:
        self.session.notify(method, params, self._id)

    async def ask(
        self,
        method: str,
        params: bytes | Raw | None,
        progress: Callable[[bytes], None] | None = None,
    ) -> bytes:
        return await self.session.ask(method, params, progress, self._id)
