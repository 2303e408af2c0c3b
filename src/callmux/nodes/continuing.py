"""Another answer in place of one that broke: it goes out on the event stream that the client has open.

Called by `callmux.nodes.placing`. The request is served as any other; what it brings becomes events of the
stream whose head has gone out already.
"""

from __future__ import annotations

from typing import Any

from callmux.protocol.sse import event
from callmux.transport.http.exchange import EVENT_STREAM, Exchange, Receive


class Replayed:
    """A body that was read already, then what its connection brings.

    Args:
        body: It.
        receive: The connection.
    """

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Any:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


class Continuation:
    """Takes an answer, and sends it as a part of a stream that is open.

    Args:
        exchange: Whose stream it is.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._is_events = False
        self._whole = b""

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            kinds = [value for name, value in message["headers"] if name.lower() == b"content-type"]
            self._is_events = any(EVENT_STREAM.encode() in kind for kind in kinds)
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        if self._is_events:
            await self._exchange.write(body, more=more)
            return
        self._whole += body
        if not more:
            answer = event(self._whole) if self._whole else b""
            await self._exchange.write(answer, more=False)


def continued(exchange: Exchange, body: bytes) -> Exchange:
    """The same request once more, with its answer on the stream that it has.

    Args:
        body: What it brought.
    """
    headers = {**exchange.headers, "accept": EVENT_STREAM}
    headers.pop("content-length", None)
    scope: dict[str, Any] = {
        "type": "http",
        "method": exchange.method,
        "path": exchange.path,
        "query_string": exchange.query_string,
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        "scheme": exchange.scheme,
        "client": None if exchange.peer is None else (exchange.peer, 0),
    }
    again = Exchange(scope, Replayed(body, exchange.receive), Continuation(exchange), exchange.request_id)
    again.principal, again.grant, again.profile = exchange.principal, exchange.grant, exchange.profile
    again.seen_host, again.seen_https = exchange.seen_host, exchange.seen_https
    return again
