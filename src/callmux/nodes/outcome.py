"""What a client is told of requests whose node was lost, and which of them were answered before. Pure.

Called by `callmux.nodes.placing`. Requests that do no harm twice are made again; of the others nobody knows
what became of them, and their client is told so in the form that it knows from calls to servers.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Raw

from callmux.errors import OutcomeUnknown
from callmux.protocol import jsonrpc, modern
from callmux.protocol.jsonrpc import Batch, Failure, Id, Message, Request, Response
from callmux.protocol.params import members, names_revision
from callmux.protocol.sse import EventBuffer, event
from callmux.rings.envelope import failure
from callmux.router.greeting import SERVER_INFO

UNKNOWN = -32000
"""The JSON-RPC code for a request that is no tool call."""
MESSAGE = (
    "The listener that worked on this ended, and whether it was done is unknown: look whether it was, "
    "before asking again"
)

_OWN = msgspec.json.encode(SERVER_INFO)


class _Named(msgspec.Struct):
    name: str = ""


def unknown(request: Request) -> bytes:
    """The answer to a request of which nobody knows what became of it: one line."""
    tool: str | None = None
    if request.method == "tools/call" and request.params is not None:
        try:
            tool = msgspec.json.decode(request.params, type=_Named).name or None
        except msgspec.MsgspecError:
            tool = None
    error = OutcomeUnknown(MESSAGE, tool=tool, retryable=False, safeToRetry=False, executionState="unknown")
    if request.method == "tools/call":
        result: bytes | Raw = failure(error).raw
        if names_revision(members(request.params).get("_meta")):
            result = modern.complete(result, _OWN)
        return jsonrpc.response(request.id, result)
    return jsonrpc.failure(request.id, UNKNOWN, MESSAGE, {"code": error.code, **error.details})


def unknown_body(requests: list[Request], *, batch: bool) -> bytes:
    """The same as the body of an answer."""
    lines = [unknown(request).rstrip(b"\n") for request in requests]
    return b"[%b]" % b",".join(lines) if batch else lines[0]


def unknown_events(requests: Iterable[Request]) -> bytes:
    """The same as events of a stream."""
    return b"".join(event(unknown(request).rstrip(b"\n")) for request in requests)


class Answered:
    """Which requests were answered in an event stream that is passed on."""

    def __init__(self) -> None:
        self._events = EventBuffer()
        self._ids: set[Id] = set()

    def heard(self, part: bytes) -> None:
        """Takes what goes out."""
        for found in self._events.feed(part):
            message = jsonrpc.parse(found.data)
            for one in message.messages if isinstance(message, Batch) else [message]:
                if isinstance(one, Response | Failure) and one.id is not None:
                    self._ids.add(one.id)

    def open(self, requests: Iterable[Request]) -> list[Request]:
        """Those that were not answered."""
        return [request for request in requests if request.id not in self._ids]


def requests_of(message: Message) -> list[Request]:
    """The requests in a body."""
    parts = message.messages if isinstance(message, Batch) else [message]
    return [part for part in parts if isinstance(part, Request)]
