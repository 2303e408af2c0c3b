"""Requests that a load balancer sends again because the node that had them is lost: each is begun once.

Called by `callmux.transport.http.mcp` and `callmux.transport.http.stateless`, where several nodes are one.
The load balancer gives each request of a client a name of its own, and the same name with each attempt. What
does no harm twice is begun again. Anything else is claimed under its name first: an attempt that finds the
name taken goes on with what the first one has begun here, or says that nobody knows what became of it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Sequence

from callmux.protocol.jsonrpc import Id, Request
from callmux.protocol.sse import request_stream
from callmux.transport.http.exchange import Exchange, Refusal
from callmux.transport.http.house import Nodes
from callmux.transport.http.listener import Listener, owner_of
from callmux.transport.http.streams import Stream
from callmux.transport.http.web_session import WebSession

ONCE = "x-callmux-once"
"""The header with the name of a request."""
_NAME = re.compile(r"[A-Za-z0-9._:-]{16,128}")
REFUSED = -32000
"""The JSON-RPC code for a request whose session has ended under it."""
_UNANSWERED = (
    "The session ended here before the answer was there, and whether it was done is unknown: look whether it"
    " was, before asking again"
)
_MOVED = "The session has ended here and nothing was begun: ask again"


class NamedAttempt:
    """One attempt at the requests of a body.

    Args:
        nodes: All nodes.
        whose: The session; or, where there is none, who asks.
        name: The same for each attempt.
    """

    def __init__(self, nodes: Nodes, whose: str, name: str) -> None:
        self._nodes = nodes
        self._whose = whose
        self._name = name
        self._is_claimed = False

    async def may_begin(self, requests: Sequence[Request]) -> bool:
        """Whether no other attempt has begun with these, or that does no harm."""
        for request in requests:
            if not await self._nodes.is_safe(request):
                self._is_claimed = await self._nodes.claim(self._whose, self._name)
                return self._is_claimed
        return True

    async def stream(self, seat: WebSession, requests: Sequence[Request]) -> Stream | None:
        """What an attempt before this one brings or has brought; None where these requests are to begin."""
        first, ids = requests[0].id, [request.id for request in requests]
        if (stream := await self._begun_here(seat, first)) is not None:
            return stream
        if seat.taken(ids) is not None:
            # Another request is in flight with one of them: this one is refused, and that one keeps its name.
            return None
        may_begin = await self.may_begin(requests)
        # Meanwhile the other attempt may have begun: it waited for the same.
        if (stream := await self._begun_here(seat, first)) is not None:
            return stream
        if may_begin:
            if seat.taken(ids) is None:
                seat.attempted(first, self._name)
            return None
        stream = Stream(request_stream(first))
        for request in requests:
            stream.push(self.unknown(request), is_answer=True)
        stream.finish()
        return stream

    def unknown(self, request: Request) -> bytes:
        """What is told of a request with which another attempt has begun elsewhere."""
        return self._nodes.unknown(request)

    async def _begun_here(self, seat: WebSession, first: Id) -> Stream | None:
        """What another attempt has begun here; None where none has, or nothing is left of it."""
        if seat.attempts.get(first) != self._name:
            return None
        found = seat.find(f"{request_stream(first)}_0")
        if isinstance(found, Awaitable):
            found = await found
        return None if found is None else found[0]

    def over(self) -> None:
        """The load balancer has an answer, and makes no other attempt."""
        if self._is_claimed:
            self._nodes.answered(self._whose, self._name)


def attempt_at(exchange: Exchange, listener: Listener, seat: WebSession | None) -> NamedAttempt | None:
    """What is known of a request that a load balancer may send again; None where none does: it has given the
    request no name, or there is no other node.

    Raises:
        Refusal: Its name is none that could be of one request alone.
    """
    name, nodes = exchange.headers.get(ONCE), listener.nodes
    if name is None or nodes is None:
        return None
    if _NAME.fullmatch(name) is None:
        what = f"{ONCE} must be a name of this request alone: 16 to 128 letters, digits and . _ : -"
        raise Refusal(400, what, -32600)
    return NamedAttempt(nodes, f"stateless {owner_of(exchange)}" if seat is None else seat.id, name)


def unanswered(id: Id) -> Refusal:
    """What is told of a request whose session has ended before its answer was there."""
    return Refusal(503, _UNANSWERED, REFUSED, id)


def moved(id: Id) -> Refusal:
    """What is told of a request whose session has ended before it was begun."""
    return Refusal(503, _MOVED, REFUSED, id, headers={"Retry-After": "1"})
