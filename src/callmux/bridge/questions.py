"""What servers ask the client: carried to it, and its answers back.

Called by `callmux.bridge.relay` with what comes on a link. A question ends with its session: nobody waits for
the answer any more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec
from msgspec import Raw

from callmux.bridge.failures import LinkFailure, Reason
from callmux.bridge.link import Link
from callmux.protocol import jsonrpc
from callmux.protocol.jsonrpc import Id, Request, RpcError
from callmux.session.session import Session
from callmux.tasks import TaskSet

log = logging.getLogger(__name__)

ATTEMPTS = 20
PAUSE_SECONDS = 0.1
GREETING_SECONDS = 5.0
"""How long a question waits for a client that has not finished its handshake."""


class _CancelParams(msgspec.Struct, rename="camel"):
    request_id: int | str


_CANCEL = msgspec.json.Decoder(_CancelParams)


class Questions:
    """The questions that wait for the client.

    Args:
        session: The client's session, once there is one.
    """

    def __init__(self, session: Callable[[], Session | None]) -> None:
        self._session = session
        self._tasks = TaskSet("questions")
        self._open: dict[tuple[int, Id], asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._open)

    def asked(self, link: Link, question: Request) -> None:
        """A server asks. The same question may come twice where a stream was resumed."""
        key = (id(link), question.id)
        if key not in self._open:
            params = None if question.params is None else question.params.copy()
            self._open[key] = self._tasks.spawn(self._carry(link, key, question.method, params))
            self._open[key].add_done_callback(lambda _: self._open.pop(key, None))

    def withdrawn(self, link: Link, params: Raw | None) -> None:
        """It no longer wants to know."""
        try:
            given = _CANCEL.decode(params if params is not None else b"{}").request_id
        except msgspec.MsgspecError:
            return
        if (task := self._open.get((id(link), given))) is not None:
            task.cancel()

    def drop(self, link: Link) -> None:
        """The session has ended."""
        for (owner, _), task in self._open.items():
            if owner == id(link):
                task.cancel()

    async def close(self) -> None:
        await self._tasks.cancel()

    async def _carry(self, link: Link, key: tuple[int, Id], method: str, params: Raw | None) -> None:
        session = self._session()
        if session is None or method == "ping":
            line = jsonrpc.response(key[1], b"{}")
            if method != "ping":
                line = jsonrpc.failure(key[1], jsonrpc.INTERNAL_ERROR, "the client has not greeted yet")
            await self._answer(link, line)
            return
        await _greeted(session)

        def progressed(report: bytes) -> None:
            self._tasks.spawn(self._answer(link, jsonrpc.notification("notifications/progress", report), 1))

        try:
            result = await session.ask(method, params, progressed)
            line = jsonrpc.response(key[1], result)
        except RpcError as error:
            line = jsonrpc.failure_raw(key[1], error.encoded())
        except Exception as broken:
            # The root of the question: the listener's server is told, or it would wait for ever.
            log.error("a question (%s) failed in callmux itself: %r", method, broken, exc_info=broken)
            line = jsonrpc.failure(key[1], jsonrpc.INTERNAL_ERROR, "callmux could not pass this question on")
        await self._answer(link, line)

    async def _answer(self, link: Link, line: bytes, attempts: int = ATTEMPTS) -> None:
        for _ in range(attempts):
            try:
                await link.tell(line)
            except LinkFailure as failure:
                if failure.reason not in (Reason.UNREACHABLE, Reason.BUSY):
                    log.warning("an answer of the client was not taken: %s", failure.message)
                    return
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return


async def _greeted(session: Session) -> None:
    """Waits until the client may be asked (MCP 2025-11-25, basic/lifecycle), within a bound."""
    waited = 0.0
    while not session.is_ready and waited < GREETING_SECONDS:
        await asyncio.sleep(0.02)
        waited += 0.02
