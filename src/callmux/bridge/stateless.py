"""A client of a revision without a handshake behind the bridge: its requests go out as they came.

Kept by `callmux.bridge.relay`. The link to the listener stays what it is, a session that can be resumed,
whatever the client speaks; the listener tells such requests apart by what they say of themselves. What is
left to do here: greet the listener for a client that greets nobody, answer for a listener that is not there,
and go on with subscriptions over sessions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from msgspec import Raw

from callmux.bridge import greeting as greetings
from callmux.bridge.budget import Budget
from callmux.bridge.failures import LinkFailure
from callmux.bridge.keeper import Keeper
from callmux.protocol.jsonrpc import METHOD_NOT_FOUND, Request, RpcError
from callmux.protocol.params import (
    ACKNOWLEDGED,
    CHANGES,
    DISCOVER,
    LISTEN,
    SUBSCRIBER,
    SUBSCRIPTION,
    WAITS,
    members,
)
from callmux.protocol.versions import LATEST_LEGACY
from callmux.session.facts import Said
from callmux.session.request import Request as Asking
from callmux.session.session import Session
from callmux.tasks import at_once

UNBOUNDED = Budget(30 * 24 * 3600.0, hard=False)
"""A subscription goes on for as long as its client wants it."""
DISCOVER_SECONDS = 5.0
"""How long a client that looks who is there waits for a listener that is starting or slow."""
_ENCODER = msgspec.json.Encoder()

Serve = Callable[[Session, str, Raw | None, Asking], Coroutine[Any, Any, bytes | Raw]]
Call = Callable[[Raw | None], Coroutine[Any, Any, bytes | Raw]]


class Stateless:
    """The requests of such a client.

    Args:
        serve: Sends a request to the listener; gives its result.
        call: The same for a `tools/call`.
        keeper: Keeps the session with the listener.
    """

    def __init__(self, serve: Serve, call: Call, keeper: Keeper) -> None:
        self._serve = serve
        self._call = call
        self._keeper = keeper
        self._left = asyncio.Event()
        self._acknowledged: set[bytes] = set()

    def __repr__(self) -> str:
        return f"Stateless({len(self._acknowledged)} subscriptions)"

    def begin(self, session: Session, message: Request, said: Said) -> None:
        """Takes a request."""
        if not session.peer.greeted:
            session.stateless = True
            if not self._keeper.started:
                self._keeper.start(own_greeting())
        request = Asking(session, message.id, message.method, said)
        session.enter(request, message.params)
        session.follow(request, self._served(session, request, message.params), message.params)

    async def _served(self, session: Session, request: Asking, params: Raw | None) -> bytes:
        method = request.method
        if method == LISTEN:
            return await self._listen(session, request, params)
        if method == DISCOVER:
            await self._find()
        if method == "tools/call":
            result = bytes(await self._call(params))
        else:
            result = bytes(await self._serve(session, method, params, request))
        if result.find(b'"resultType"') >= 0:
            return result
        # The bridge's own, for a listener that is not there.
        from callmux.protocol.modern import complete

        return complete(result, _ENCODER.encode(greetings.IDENTITY))

    async def _find(self) -> None:
        """Waits for the listener within a bound.

        Raises:
            RpcError: It is not there. The client falls back to a handshake, which the bridge answers.
        """
        try:
            await self._keeper.get(asyncio.get_running_loop().time() + DISCOVER_SECONDS, hasty=True)
        except LinkFailure as failure:
            why = f"method not found: {DISCOVER}: {failure.message}"
            raise RpcError(METHOD_NOT_FOUND, why) from None

    # Subscriptions.

    async def _listen(self, session: Session, request: Asking, params: Raw | None) -> bytes:
        """A subscription, until the client has left."""
        tag = _ENCODER.encode(request.id)
        given = members(params)
        given["_meta"] = Raw(_ENCODER.encode({**members(given.get("_meta")), SUBSCRIBER: Raw(tag)}))
        told = Raw(_ENCODER.encode(given))
        served = at_once(self._serve(session, LISTEN, told, request))
        left = at_once(self._left.wait())
        try:
            await asyncio.wait({served, left}, return_when=asyncio.FIRST_COMPLETED)
            if served.done():
                return bytes(served.result())
            return b'{"resultType":"complete","_meta":{"%b":%b}}' % (SUBSCRIPTION.encode(), tag)
        finally:
            served.cancel()
            left.cancel()
            self._acknowledged.discard(tag)

    def shown(self, method: str, params: Raw | None) -> list[tuple[str, bytes | Raw | None]]:
        """What the client is told for a notification of the listener. The second acknowledgement of a
        subscription comes from a listener that was restarted: nobody knows what has changed meanwhile."""
        if method != ACKNOWLEDGED:
            return [(method, params)]
        given = members(params)
        meta = given.get("_meta", Raw(b"{}"))
        tag = bytes(members(meta).get(SUBSCRIPTION, Raw(b"null")))
        if tag not in self._acknowledged:
            self._acknowledged.add(tag)
            return [(method, params)]
        wanted = members(given.get("notifications"))
        told = _ENCODER.encode({"_meta": meta})
        return [(note, told) for name, note in CHANGES.items() if bytes(wanted.get(name, b"")) == b"true"]

    def hang_up(self) -> None:
        """The client has left: no subscription goes on."""
        self._left.set()


def own_greeting() -> bytes:
    """The params of `initialize` for a client that sends none."""
    greeting: dict[str, Any] = {
        "protocolVersion": LATEST_LEGACY,
        "capabilities": {},
        "clientInfo": greetings.IDENTITY,
        "_meta": {WAITS: True},
    }
    return _ENCODER.encode(greeting)
