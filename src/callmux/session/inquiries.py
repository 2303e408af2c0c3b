"""What callmux asks a client on behalf of a server, until the client answers or the server asks no longer.

Kept by `callmux.session.session`, which knows whether the client is there and takes its messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from msgspec import Raw

from callmux.protocol import jsonrpc
from callmux.protocol.client_peer import ClientPeer
from callmux.protocol.jsonrpc import Failure, Id, Response, RpcError
from callmux.protocol.params import members, progress_token, with_progress_token
from callmux.tasks import reason_of


class Inquiries:
    """The questions to one client.

    Args:
        peer: Its protocol.
        emit: Sends a line, and says which request of the client it belongs to.
        notify: Sends a notification, unless the client has left.
    """

    __slots__ = ("_answers", "_emit", "_notify", "_peer", "_progress")

    def __init__(
        self,
        peer: ClientPeer,
        emit: Callable[[bytes, Id | None], None],
        notify: Callable[[str, bytes, Id | None], None],
    ) -> None:
        self._notify = notify
        self._peer = peer
        self._emit = emit
        self._answers: dict[int, asyncio.Future[bytes]] = {}
        self._progress: dict[int, tuple[Raw, Callable[[bytes], None]]] = {}

    def __repr__(self) -> str:
        return f"Inquiries({len(self._answers)} waiting)"

    async def ask(
        self,
        method: str,
        params: bytes | Raw | None,
        progress: Callable[[bytes], None] | None,
        about: Id | None,
    ) -> bytes:
        """The client's answer; a cancelled question is withdrawn.

        Args:
            progress: Takes the params of the client's progress, where the question wants any.
            about: The client's request it belongs to.

        Raises:
            RpcError: It refuses, or leaves.
        """
        waiter: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        token = progress_token(members(params).get("_meta")) if progress is not None else None
        if token is not None:
            # Several servers may use the same token: towards the client it is the question's own id.
            params = with_progress_token(params, self._peer.next_id())
        id, line = self._peer.ask(method, params)
        self._answers[id] = waiter
        if token is not None and progress is not None:
            self._progress[id] = token, progress
        self._emit(line, about)
        try:
            return await waiter
        except asyncio.CancelledError as withdrawn:
            reason = reason_of(withdrawn, "the server no longer asks")
            told = {"requestId": id} if reason is None else {"requestId": id, "reason": reason}
            self._notify("notifications/cancelled", msgspec.json.encode(told), about)
            raise
        finally:
            self._peer.forget(id)
            self._progress.pop(id, None)
            del self._answers[id]

    def settle(self, id: int, answer: Response | Failure) -> None:
        """Takes the client's answer to question `id`."""
        waiter = self._answers.get(id)
        if waiter is None or waiter.done():
            return
        if isinstance(answer, Response):
            waiter.set_result(bytes(answer.result))
        else:
            error = jsonrpc.read_error(answer.error)
            waiter.set_exception(RpcError(error.code, error.message, error.data))

    def progressed(self, params: Raw | None) -> None:
        """Takes progress that the client tells of."""
        given = members(params)
        try:
            id = msgspec.json.decode(given.get("progressToken", b"null"), type=int)
        except msgspec.MsgspecError:
            return
        if id in self._progress:
            given["progressToken"], progress = self._progress[id]
            progress(msgspec.json.encode(given))

    def close(self) -> None:
        """Ends all questions, because the client has left."""
        for waiter in self._answers.values():
            if not waiter.done():
                waiter.set_exception(RpcError(jsonrpc.INTERNAL_ERROR, "the client has left"))
