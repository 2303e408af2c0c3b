"""One client's session: the shell around `callmux.protocol.client_peer`.

Called by a transport, which feeds messages and takes lines. Each request runs in a task of the session, so
that it ends with the session and not with whatever carried it here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from msgspec import Raw

from callmux.protocol import jsonrpc
from callmux.protocol.client_peer import (
    Called,
    Cancelled,
    ClientPeer,
    Confirmed,
    Opened,
    Replied,
    State,
    Told,
)
from callmux.protocol.jsonrpc import Batch, Id, Message, RpcError
from callmux.tasks import TaskSet

log = logging.getLogger(__name__)


class Handler(Protocol):
    """What a session's requests lead to: the router here, the relay in a bridge."""

    async def open(self, session: Session, params: Raw | None) -> bytes:
        """The result of `initialize`."""

    async def handle(self, session: Session, method: str, params: Raw | None) -> bytes | Raw:
        """The result of any other request.

        Raises:
            RpcError: It is refused.
        """

    def told(self, session: Session, method: str, params: Raw | None) -> None:
        """A notification of the client."""


class Session:
    """One client.

    Args:
        handler: What its requests lead to.
        send: Takes each line for the client.

    Attributes:
        tools_seen: The tool listing the client was given last, or None.
        quiet: Set while no request is in flight.
    """

    def __init__(self, handler: Handler, send: Callable[[bytes], None]) -> None:
        self._handler = handler
        self._send = send
        self._peer = ClientPeer()
        self._tasks = TaskSet("session")
        self._requests: dict[Id, asyncio.Task[None]] = {}
        self.quiet = asyncio.Event()
        self.quiet.set()
        self.tools_seen: bytes | None = None

    def __repr__(self) -> str:
        return f"Session({self._peer!r})"

    @property
    def is_ready(self) -> bool:
        """The handshake is done."""
        return self._peer.state is State.READY

    def receive(self, message: Message) -> None:
        """Takes one message of the client."""
        if isinstance(message, Batch):
            for part in message.messages:
                self.receive(part)
            return
        event = self._peer.receive(message)
        if self._peer.outbox:
            for line in self._peer.outbox:
                self._send(line)
            self._peer.outbox.clear()
        match event:
            case Called(id, method, params):
                self._serve(id, method, params)
            case Opened(id, params):
                self._serve(id, "initialize", params)
            case Cancelled(id):
                if (task := self._requests.get(id)) is not None:
                    task.cancel()
            case Told(method, params):
                self._handler.told(self, method, params)
            case Confirmed() | Replied() | None:
                pass

    def _serve(self, id: Id, method: str, params: Raw | None) -> None:
        # A raw body is a view into the transport's buffer, which must not be kept as long as a call may last.
        kept = None if params is None else params.copy()
        task = self._tasks.spawn(self._run(id, method, kept))
        self._requests[id] = task
        self.quiet.clear()

    async def _run(self, id: Id, method: str, params: Raw | None) -> None:
        try:
            if method == "initialize":
                line = self._peer.answer(id, await self._handler.open(self, params))
            else:
                line = self._peer.answer(id, await self._handler.handle(self, method, params))
        except RpcError as error:
            line = self._peer.refuse(id, error.encoded())
        except Exception as error:
            log.error("%s failed in callmux itself: %r", method, error, exc_info=error)
            broken = RpcError(
                jsonrpc.INTERNAL_ERROR, "callmux failed internally; its log on stderr says more"
            )
            line = self._peer.refuse(id, broken.encoded())
        finally:
            if self._requests.get(id) is asyncio.current_task():
                del self._requests[id]
                if not self._requests:
                    self.quiet.set()
        if line is not None:
            self._send(line)

    def notify(self, method: str, params: bytes | None) -> None:
        """Sends a notification; dropped once the session is closed."""
        if self._peer.state is not State.CLOSED:
            self._send(jsonrpc.notification(method, params))

    async def close(self) -> None:
        """Gives up every request in flight; nothing is answered any more."""
        self._peer.close()
        await self._tasks.cancel()
