"""Requests that wait for their client to come again with answers: who may go on with which, and once.

Called by `callmux.session.modern.request` and `callmux.session.modern.serving`. What a client is given is a
name that nobody can guess, with a seal over whose it is and what was asked: what another principal, another
request or another round sends is refused before anything is looked up (MCP 2026-07-28, basic/patterns/mrtr,
"Server Requirements").
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import inspect
import secrets
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

from callmux.errors import StoreUnavailable
from callmux.protocol.jsonrpc import INVALID_PARAMS, RpcError
from callmux.stores.border import Border
from callmux.stores.parked import ParkedCall, ParkedCalls

PARKED_SECONDS = 600.0
"""How long a client may take to come again; each round has as long."""
PROCESS_CHARS = 16
"""How long what stands for a process is."""
_SEAL_BYTES = 18
_GONE = (
    "requestState is not, or no longer, valid for this request: it was used before, has expired, or belongs"
    " to another request. Make the request again without requestState and inputResponses"
)

V = TypeVar("V")


class Waiting(Protocol):
    """A request that can be parked."""

    @property
    def owner(self) -> str:
        """Whose it is."""

    @property
    def digest(self) -> bytes:
        """Stands for its method and params."""

    def expire(self) -> None:
        """Its client has not come again."""


R = TypeVar("R", bound=Waiting)


class Parking(Generic[R]):
    """The parked requests of one process.

    Args:
        calls: The records of them.
        now: The monotonic clock.
        key: Seals the names; None where nobody else reads them.
        process: What names begin with where others must know who has a request; empty where nobody must.
    """

    def __init__(
        self, calls: ParkedCalls, now: Callable[[], float], key: bytes | None = None, process: str = ""
    ) -> None:
        self._calls = calls
        self._now = now
        self._key = key or secrets.token_bytes(32)
        self._process = process
        self._here: dict[str, tuple[R, asyncio.TimerHandle]] = {}
        self._border = Border("the store of parked calls")

    def __repr__(self) -> str:
        return f"Parking({len(self._here)} requests)"

    def __len__(self) -> int:
        return len(self._here)

    async def park(self, request: R) -> str | None:
        """Parks a request; gives the `requestState` for its client, or None where there is no room."""
        token, now = self._process + secrets.token_urlsafe(18), self._now()
        record = ParkedCall(
            owner=request.owner, request=request.digest, process=self._process, until=now + PARKED_SECONDS
        )
        try:
            if not await self._given(self._calls.park(token, record, now)):
                return None
        except StoreUnavailable:
            return None
        timer = asyncio.get_running_loop().call_later(PARKED_SECONDS, self._late, token)
        self._here[token] = request, timer
        return f"{token}.{self._seal(token, request.owner, request.digest)}"

    async def take(self, state: str, owner: str, digest: bytes) -> R:
        """The request that a client goes on with, which is parked no longer.

        Raises:
            RpcError: There is none, or it is not for whoever asks.
        """
        token, _, seal = state.rpartition(".")
        if not hmac.compare_digest(seal.encode(), self._seal(token, owner, digest).encode()):
            raise RpcError(INVALID_PARAMS, _GONE)
        if token not in self._here:
            # Another process may have it: its record is left to that.
            raise RpcError(INVALID_PARAMS, _GONE)
        try:
            record = await self._given(self._calls.take(token, owner, self._now()))
        except StoreUnavailable:
            record = None
        found = self._here.pop(token, None)
        if found is None:
            raise RpcError(INVALID_PARAMS, _GONE)
        request, timer = found
        timer.cancel()
        if record is None or record.request != digest:
            request.expire()
            raise RpcError(INVALID_PARAMS, _GONE)
        return request

    async def forget(self, concerns: Callable[[R], bool]) -> None:
        """Gives up the parked requests of a client that has left."""
        for token, (request, timer) in list(self._here.items()):
            if concerns(request):
                timer.cancel()
                del self._here[token]
                request.expire()
                with contextlib.suppress(StoreUnavailable):
                    await self._given(self._calls.drop(token))

    async def _given(self, given: V | Awaitable[V]) -> V:
        return await self._border.answered(given) if inspect.isawaitable(given) else given

    def _late(self, token: str) -> None:
        found = self._here.pop(token, None)
        if found is not None:
            found[0].expire()

    def _seal(self, token: str, owner: str, digest: bytes) -> str:
        told = b"\0".join((token.encode("utf-8", "replace"), owner.encode("utf-8", "surrogatepass"), digest))
        return hmac.new(self._key, told, hashlib.sha256).hexdigest()[: 2 * _SEAL_BYTES]
