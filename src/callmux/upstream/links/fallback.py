"""A remote server whose transport is not configured: Streamable HTTP first, then the older HTTP+SSE.

Called by `callmux.upstream.links.opening`. The rule is that of MCP 2025-11-25, basic/transports, "Backwards
Compatibility": POST the initialize request; if that is refused with a 4xx status, GET the stream. A server
that asks for credentials, or cannot be reached at all, is not tried a second time: the first answer is the
true one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from callmux.protocol.jsonrpc import METHOD_NOT_FOUND, Message, Response
from callmux.protocol.versions import MODERN_CODES
from callmux.tasks import TaskSet
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.links.link import Link, Listener, label_of


class FallbackLink:
    """One of two links, found out by the first request.

    Args:
        name: The server's name.
        first: Streamable HTTP.
        second: Gives the older transport.
    """

    def __init__(self, name: str, first: Link, second: Callable[[], Link]) -> None:
        self._link = first
        self._second: Callable[[], Link] | None = second
        self._listener: Listener | None = None
        self._first_line: tuple[bytes, int] | None = None
        self._probes: set[int] = set()
        self._tasks = TaskSet(f'link to "{name}"')

    def __repr__(self) -> str:
        return f"FallbackLink({self._link!r})"

    @property
    def transport(self) -> str:
        return self._link.transport

    async def open(self, listener: Listener) -> None:
        self._listener = listener
        await self._link.open(Listener(self._received, self._failed, self._lost, listener.expired))

    def send(self, line: bytes, id: int | None = None, last: bool = False) -> None:
        if id is not None and self._first_line is None and id not in self._probes:
            self._first_line = line, id
        self._link.send(line, id)

    def label(self, id: int, head: Mapping[str, str]) -> None:
        """Gives a request headers of its own. It decides nothing: only `initialize` tells what is spoken."""
        if (label := label_of(self._link)) is not None:
            if self._second is not None:
                self._probes.add(id)
            label(id, head)

    def agreed(self, protocol_version: str) -> None:
        self._link.agreed(protocol_version)

    def abandon(self, id: int) -> None:
        self._link.abandon(id)

    async def close(self) -> None:
        self._listener = None
        try:
            await self._tasks.cancel()
        finally:
            await self._link.close()

    def _received(self, message: Message, id: int | None) -> None:
        if id not in self._probes or isinstance(message, Response):
            # To refuse a question, or to answer nonsense, is what servers of either transport do.
            self._second = None
        if self._listener is not None:
            self._listener.received(message, id)

    def _failed(self, id: int, failure: CallFailure) -> None:
        if id not in self._probes and self._may_fall_back(failure):
            self._tasks.spawn(self._fall_back(failure))
        elif self._listener is not None:
            self._listener.failed(id, failure)

    def _lost(self, failure: CallFailure) -> None:
        if not self._may_fall_back(failure) and len(self._tasks) == 0 and self._listener is not None:
            self._listener.lost(failure)

    def _may_fall_back(self, failure: CallFailure) -> bool:
        refused = failure.category in (Category.PROTOCOL, Category.SESSION)
        if failure.rpc is not None:
            # Who refuses in this way has no handshake, over no transport.
            refused = failure.rpc.code not in MODERN_CODES | {METHOD_NOT_FOUND}
        return self._second is not None and refused

    async def _fall_back(self, failure: CallFailure) -> None:
        second, listener, first_line = self._second, self._listener, self._first_line
        if second is None or listener is None or first_line is None:
            return
        self._second = None
        await self._link.close()
        link = second()
        try:
            await link.open(listener)
        except CallFailure as error:
            await link.close()
            cause = f"streamable HTTP: {failure.cause}; HTTP+SSE: {error.cause}"
            category = error.category if error.category is Category.AUTHORIZATION else failure.category
            over = CallFailure(category, cause, started=False, lasting=error.lasting, sign_in=error.sign_in)
            listener.failed(first_line[1], over)
            listener.lost(over)
            return
        except asyncio.CancelledError:
            # Nobody else knows of it yet.
            await link.close()
            raise
        self._link = link
        link.send(*first_line)
