"""What a connection needs of its link, whatever carries the bytes. Pure.

Implemented by `child.ChildLink` (a process), `http.HttpLink`, `sse.SseLink`, `fallback.FallbackLink` and test
doubles; used by `callmux.upstream.connection`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from callmux.protocol.jsonrpc import Message
from callmux.upstream.failures import CallFailure


class Listener(msgspec.Struct, frozen=True):
    """Who hears what a link brings.

    Attributes:
        received: Called with each message, in order, and with the id of our request on whose own stream it
            came, where the link knows (a process has one stream for all: None).
        failed: Called where one request failed and the link goes on: its id and why.
        lost: Called once when the link ends, with the reason; nothing is received after it.
        expired: Called once, in place of `lost`, when the link takes no further request but those under way
            still end by themselves.
    """

    received: Callable[[Message, int | None], None]
    failed: Callable[[int, CallFailure], None]
    lost: Callable[[CallFailure], None]
    expired: Callable[[CallFailure], None] | None = None


class Link(Protocol):
    """One way to one server."""

    @property
    def transport(self) -> str:
        """`stdio`, `streamable-http` or `sse`."""

    async def open(self, listener: Listener) -> None:
        """Starts the process or connects.

        Raises:
            CallFailure: It cannot be started or reached.
        """

    def send(self, line: bytes, id: int | None = None, last: bool = False) -> None:
        """Sends one message, in order. Dropped where the link has ended; `lost` has told so.

        Args:
            id: Our request's id, where it is a request.
            last: Whether nothing more is to be expected for now.
        """

    def agreed(self, protocol_version: str) -> None:
        """Notes the revision that the handshake agreed on."""

    def abandon(self, id: int) -> None:
        """Gives up our request `id`: nobody waits for its answer any more."""

    async def close(self) -> None:
        """Ends the link within a bound; safe to call twice. `lost` is not called for it."""


def pid_of(link: object) -> int | None:
    """The process behind a link, whatever links stand in front of that one; None where there is none."""
    while link is not None:
        if isinstance(pid := getattr(link, "pid", None), int):
            return pid
        link = getattr(link, "link", None)
    return None


Label = Callable[[int, Mapping[str, str]], None]


def label_of(link: Link) -> Label | None:
    """What gives a request headers of its own, before it is sent, on a link that has headers: its request is
    one without a session then, and is given up by ending its stream."""
    label: Label | None = getattr(link, "label", None)
    return label
