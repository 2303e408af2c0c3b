"""The address of a node for other nodes: takes what they pass on. Nothing else is answered.

Made by `callmux.serving.clustering`; served on a port of its own, so that no client reaches it. A request is
taken once, from whoever has our secret, for this process; who the client is was found out by the node that it
asked, and is neither asked again nor widened. What came from a node is never passed on to another one.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any

from callmux.guard.grant import Grant, Standing
from callmux.guard.principal import Principal
from callmux.nodes.continuing import Replayed
from callmux.nodes.passing import MAC, MISDIRECTED, NODE, PATH, PROOF, SIZE
from callmux.nodes.sealing import FREE_BYTES, NodeKeys, Passed, PassedClient, TakenNumbers, Unsealed
from callmux.transport.http.exchange import LEAVING, LOST, Exchange, Receive, Refusal, Scope, Send

log = logging.getLogger(__name__)

HEAD_BYTES = 256 * 1024
"""What may stand before a client's body."""

ELSEWHERE = Refusal(MISDIRECTED, "This node does not serve that session, and nothing was begun")

Serve = Callable[[Exchange], Awaitable[None]]


class NodeEndpoint:
    """The application on the port for nodes.

    Args:
        keys: What both ends have.
        id: Gives the id of this node.
        serve: Answers a client's request.
        most: Gives how large a client's body may be; 0 for any size.
        now: The monotonic clock.
    """

    def __init__(
        self,
        keys: NodeKeys,
        id: Callable[[], str],
        serve: Serve,
        most: Callable[[], int],
        now: Callable[[], float],
    ) -> None:
        self._keys = keys
        self._id = id
        self._serve = serve
        self._most = most
        self._now = now
        self._numbers = TakenNumbers()
        self.refused = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        outer = Exchange(scope, receive, send, "")
        try:
            passed, body, mac = await self._opened(outer)
        except Refusal as refusal:
            await outer.refuse(refusal)
            return
        proving = _Proving(send, self._keys.proof(mac), self._id())
        if passed.receiver != self._id():
            # It was another process, or the lease of this one had ended: nobody may rely on what was so then.
            await Exchange(scope, receive, proving, "").refuse(ELSEWHERE)
            return
        exchange = exchange_of(passed, scope, Replayed(body, receive), proving)
        exchange.began = self._now()
        await self._serve(exchange)

    async def _opened(self, outer: Exchange) -> tuple[Passed, bytes, str]:
        """What another node has sent.

        Raises:
            Refusal: It is nothing of another node.
        """
        mac = outer.headers.get(MAC)
        if outer.method != "POST" or outer.path != PATH or mac is None:
            raise Refusal(404, "Only other nodes are answered here")
        sent = await _read(outer, self._bound(outer))
        try:
            passed, body = self._keys.open(sent, mac)
        except Unsealed as wrong:
            self.refused += 1
            log.warning("refused what %s sent as if it were another node: %s", outer.peer, wrong)
            raise Refusal(403, f"Refused: {wrong}") from None
        if not self._numbers.take(passed.sender, passed.number):
            self.refused += 1
            log.warning("refused what %s sent a second time as node %s", outer.peer, passed.sender)
            raise Refusal(403, "Refused: it was taken already")
        return passed, body, mac

    def _bound(self, outer: Exchange) -> int:
        """How many bytes are read: what nobody of ours has announced may not fill the memory.

        Raises:
            Refusal: It announces more than it may.
        """
        declared = outer.headers.get("content-length", "")
        size = int(declared) if declared.isascii() and declared.isdigit() else 0
        most = self._most() + HEAD_BYTES if self._most() else math.inf
        if size <= FREE_BYTES:
            return int(min(FREE_BYTES, most))
        if not self._keys.announces(outer.headers.get(SIZE, ""), size):
            self.refused += 1
            log.warning("refused %d bytes that %s announced as if it were another node", size, outer.peer)
            raise Refusal(403, "Refused: so much is only read of another node")
        return int(min(size, most))


async def _read(outer: Exchange, most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await outer.receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "it did not come whole")
        part = message.get("body", b"")
        size += len(part)
        if size > most:
            raise Refusal(413, "larger than any request here may be")
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def exchange_of(passed: Passed, scope: Scope, receive: Receive, send: Send) -> Exchange:
    """The client's request, as if it had come here."""
    made: dict[str, Any] = {
        "type": "http",
        "method": passed.method,
        "path": passed.path,
        "query_string": passed.query.encode("latin-1"),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in passed.headers],
        "scheme": passed.scheme,
        "client": None if passed.peer is None else (passed.peer, 0),
        # The connection is between nodes: that it brings another request says nothing of this client.
        LOST: scope.get(LOST, []),
        LEAVING: scope.get(LEAVING, []),
    }
    exchange = Exchange(made, receive, send, passed.request_id)
    exchange.profile = passed.profile
    exchange.seen_host, exchange.seen_https = passed.seen_host, passed.seen_https
    if passed.client is not None:
        exchange.principal = _principal(passed.client)
        if passed.granted:
            exchange.grant = _grant(passed.client, exchange.principal)
    return exchange


def _principal(client: PassedClient) -> Principal:
    return Principal(
        kind=client.kind, id=client.id, subject=client.subject, scopes=client.scopes, groups=client.groups
    )


def _grant(client: PassedClient, principal: Principal) -> Grant:
    return Grant(
        principal=principal,
        # The node that let the client in watches over what it showed.
        standing=Standing(),
        not_before=-math.inf if client.not_before is None else client.not_before,
        expires=math.inf if client.expires is None else client.expires,
        audiences=client.audiences,
        lacks=client.lacks,
    )


class _Proving:
    """Sends an answer with what shows that it comes from a node of ours."""

    def __init__(self, send: Send, proof: str, node: str) -> None:
        self._send = send
        self._headers = [(PROOF.encode(), proof.encode()), (NODE.encode(), node.encode())]

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *self._headers]}
        await self._send(message)
