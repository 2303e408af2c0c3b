"""What the two peers have in common: states, kinds of messages, cancellations. Pure.

Called by `callmux.protocol.client_peer` and `callmux.protocol.upstream_peer`. Each has a table of its own
that says, for each era, state and kind of message, what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Raw

from callmux.protocol.jsonrpc import Failure, Id, Notification, Request, Response, Single

K = TypeVar("K")


class State(Enum):
    """Where a conversation stands."""

    __hash__ = object.__hash__  # looked up for every message; Enum's own hash runs in Python

    NEW = "new"
    OPENING = "opening"
    READY = "ready"
    CLOSED = "closed"


class Kinds(msgspec.Struct, Generic[K], frozen=True, kw_only=True):
    """Which kind a message is of. A method counts as itself only where it has the form it must have: a
    notification called `ping` is any notification.

    Attributes:
        requests: The kinds of single requests, by method.
        notifications: The same of notifications.
        request: Any other request.
        notification: Any other notification.
        reply: An answer.
        malformed: What cannot be read.
    """

    requests: Mapping[str, K]
    notifications: Mapping[str, K]
    request: K
    notification: K
    reply: K
    malformed: K

    def of(self, message: Single) -> K:
        """The kind of a message."""
        match message:
            case Request():
                return self.requests.get(message.method, self.request)
            case Notification():
                return self.notifications.get(message.method, self.notification)
            case Response() | Failure():
                return self.reply
            case _:
                return self.malformed


class RequestReceived(msgspec.Struct, frozen=True):
    """The other side asks for something. An answer to `id` is owed unless the other side cancels it."""

    id: Id
    method: str
    params: Raw | None


class NotificationReceived(msgspec.Struct, frozen=True):
    """The other side says something and expects no answer."""

    method: str
    params: Raw | None


class CancellationReceived(msgspec.Struct, frozen=True):
    """The other side gave up its request `id`, which gets no answer.

    Attributes:
        id: The request.
        reason: Why, as the other side says; None where it gives no reason.
        who: What the shell kept of the request.
    """

    id: Id
    reason: str | None = None
    who: Any = None


class Cancellation(msgspec.Struct, rename="camel"):
    """The params of a cancellation that we read (MCP 2025-11-25, basic/utilities/cancellation)."""

    request_id: int | str
    reason: Raw = Raw(b"null")


_CANCEL = msgspec.json.Decoder(Cancellation)


def cancellation(params: Raw | None) -> Cancellation | None:
    """What a cancellation is about; None where it names no request."""
    try:
        return _CANCEL.decode(params if params is not None else b"{}")
    except msgspec.MsgspecError:
        return None
