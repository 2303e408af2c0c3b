"""The questions of one server that still wait for the answer of a client.

Kept by each `callmux.upstream.connection`. Every question is answered: with what the client says, with its
refusal, or with an error of ours; unless the server itself withdraws it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from msgspec import Raw

from callmux.context import ClientPort
from callmux.protocol.jsonrpc import INTERNAL_ERROR, Id, RpcError
from callmux.protocol.upstream_peer import UpstreamPeer
from callmux.tasks import TaskSet, Withdrawal

log = logging.getLogger(__name__)

Ask = Callable[[Raw | None, ClientPort | None], Awaitable[bytes | Raw]]
Meant = Callable[[Raw | None], ClientPort | None]


class NotWaiting(RpcError):
    """The request whose client was asked is over before there was an answer: another one may be meant."""

    def __init__(self) -> None:
        super().__init__(INTERNAL_ERROR, "the client no longer waits")


class OpenQuestions:
    """The questions on one connection.

    Args:
        name: The server's name, for the log.
        peer: The protocol of the connection.
        send: Sends a line to the server.
        tasks: Where the questions belong.
    """

    def __init__(self, name: str, peer: UpstreamPeer, send: Callable[[bytes], None], tasks: TaskSet) -> None:
        self._name = name
        self._peer = peer
        self._send = send
        self._tasks = tasks
        self._open: dict[Id, asyncio.Task[None]] = {}

    def __repr__(self) -> str:
        return f"OpenQuestions({len(self._open)} open)"

    def __len__(self) -> int:
        return len(self._open)

    def come(
        self,
        id: Id,
        method: str,
        params: Raw | None,
        ask: Ask,
        client: ClientPort | None,
        meant: Meant | None = None,
    ) -> None:
        """Passes a question on, and its answer back.

        Args:
            ask: Gives the answer of a client; takes params of its own, which outlive what was read.
            client: Who is asked.
            meant: Gives who is asked instead once the request of `client` is over; None for nobody.
        """
        kept = None if params is None else params.copy()
        self._open[id] = self._tasks.spawn(self._ask(id, method, kept, ask, client, meant))

    def withdrawn(self, id: Id, reason: str | None) -> None:
        """The server asks no longer."""
        # Cancelled before its first step, a task cannot clean up after itself.
        if (task := self._open.pop(id, None)) is not None:
            task.cancel(Withdrawal(reason))

    def close(self) -> None:
        """Withdraws all of them: nobody could be told the answers."""
        for task in self._open.values():
            task.cancel()

    async def _ask(
        self,
        id: Id,
        method: str,
        params: Raw | None,
        ask: Ask,
        client: ClientPort | None,
        meant: Meant | None,
    ) -> None:
        try:
            line = self._peer.answer(id, await _answer(params, ask, client, meant))
        except RpcError as error:
            line = self._peer.refuse(id, error.encoded())
        except Exception as error:
            # The root of the question's task: the server is told, or it would wait for ever.
            log.error(
                'could not pass on a question of "%s" (%s): an error in callmux',
                self._name,
                method,
                exc_info=error,
            )
            why = RpcError(INTERNAL_ERROR, "callmux could not pass this question on")
            line = self._peer.refuse(id, why.encoded())
        finally:
            # The server may use the id of a withdrawn question again before that one has ended.
            if self._open.get(id) is asyncio.current_task():
                del self._open[id]
        if line is not None:
            self._send(line)


async def _answer(
    params: Raw | None, ask: Ask, client: ClientPort | None, meant: Meant | None
) -> bytes | Raw:
    """The answer of the first client whose request lasts until then."""
    asked: list[ClientPort | None] = []
    while True:
        try:
            return await ask(params, client)
        except NotWaiting:
            asked.append(client)
            client = None if meant is None else meant(params)
            if client is None or any(one is client for one in asked):
                raise
