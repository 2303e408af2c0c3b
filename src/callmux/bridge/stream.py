"""One HTTP answer of the listener: messages as JSON or as events.

Made by `callmux.bridge.link`; filled by `callmux.bridge.client`; hands messages back to the link.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeAlias

from callmux.bridge.client import Connection
from callmux.bridge.failures import LinkFailure, Reason, Refusal, of_refusal
from callmux.bridge.heads import Heads
from callmux.protocol.failure_points import TABLE, Carrier, Point
from callmux.protocol.http_answer import answer_to, failure_in, is_unknown_method
from callmux.protocol.http_client import MAX_ANSWER, is_event_stream, speaks_of_session
from callmux.protocol.jsonrpc import Failure, Response
from callmux.protocol.sse import EventBuffer, TooLarge

Waiter: TypeAlias = asyncio.Future[Response | Failure]

REFUSAL_SECONDS = 2.0
SHOWN_BYTES = 4096
"""How much of a refusal is read."""


class StreamOwner(Protocol):
    """The link, as far as its streams know it."""

    @property
    def heads(self) -> Heads:
        """The heads of its requests, which know the credentials in them."""

    @property
    def named(self) -> bool:
        """Whether the listener gave the session a name."""

    @property
    def ours(self) -> bool:
        """Whether the listener is a callmux."""

    def begun(self, session_id: bytes) -> None:
        """The listener names the session."""

    def take(self, data: bytes, about: int | None, alone: bool) -> None:
        """A message has come on the exchange of request `about`; `alone` where it is the whole answer."""

    def resume(self, events: EventBuffer, waiter: Waiter, why: str) -> None:
        """An answer's stream broke and can be resumed."""


class Stream:
    """Takes one answer.

    Args:
        link: Whose answer it is.
        connection: What carries it.
        waiter: The request it answers; None for the listener's own stream and for what needs no answer.
        events: Where a resumed stream, or the listener's own, goes on.
        about: The number of the request.

    Attributes:
        is_events: It is an event stream.
        starts_at: The event id that stands for the beginning of the answer, where the listener has one.
        status: The HTTP status; 0 before the head.
        finished: Nothing more will come.
        was_cut: It ended before its end.
        heard_at: When something came last, by the loop's clock; at first, when it was made.
    """

    def __init__(
        self,
        link: StreamOwner,
        connection: Connection,
        waiter: Waiter | None,
        events: EventBuffer | None = None,
        about: int | None = None,
    ) -> None:
        self._link = link
        self._connection = connection
        self._waiter = waiter
        self._resumed = events is not None
        self._events = events
        self._about = about
        self._parts: list[bytes] = []
        self._size = 0
        self.is_events = False
        self._opened: asyncio.Future[None] | None = None
        self._when_ended: list[Callable[[], None]] = []
        self._refused: dict[bytes, bytes] = {}
        self._broken: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.starts_at = ""
        self.status = 0
        self.finished = False
        self.was_cut = False
        self._loop = asyncio.get_running_loop()
        self.heard_at = self._loop.time()

    def __repr__(self) -> str:
        return f"Stream({self.status or 'waiting'}{', finished' if self.finished else ''})"

    # What the client calls.

    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        self.status = status
        self.heard_at = self._loop.time()
        if status == 200 and is_event_stream(headers.get(b"content-type", b"").decode("latin-1")):
            self.is_events = True
            if self._events is None:
                self._events = EventBuffer(MAX_ANSWER)
        elif status >= 300:
            self._refused = headers
        session_id = headers.get(b"mcp-session-id")
        if session_id is not None:
            self._link.begun(session_id)
        if self._opened is not None and not self._opened.done():
            self._opened.set_result(None)

    def body(self, data: bytes) -> None:
        if self.finished:
            return
        if not self.is_events:
            self._size += len(data)
            if self._size > MAX_ANSWER:
                self._overflow(f"the answer is larger than {MAX_ANSWER} bytes")
            else:
                self._parts.append(data)
            return
        assert self._events is not None
        self.heard_at = self._loop.time()
        try:
            events = self._events.feed(data)
        except TooLarge as error:
            self._overflow(str(error))
            return
        for event in events:
            # An empty one only says where to go on.
            if event.data:
                self._link.take(event.data, self._about, False)

    def _overflow(self, message: str) -> None:
        """More comes than is taken. To ask once more would bring as much."""
        if self._waiter is not None and not self._waiter.done():
            about = TABLE[Carrier.BRIDGE, Point.UNREADABLE]
            self._waiter.set_exception(LinkFailure(Reason.REFUSED, message, known=about))
        self.was_cut = True
        self._connection.close()
        self._finish(message)

    def takes_whole(self, body: bytes) -> bool:
        waiter = self._waiter
        if (
            waiter is None
            or waiter.done()
            or self._resumed
            or self._about is None
            # The first answer may name the session.
            or self._link.heads.version is None
            or (answer := answer_to(body, self._about)) is None
        ):
            return False
        waiter.set_result(answer)
        self.status = 200
        self._finish("")
        return True

    def done(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done() and not self.is_events:
            body = b"".join(self._parts)
            # That a stream cannot be resumed says nothing about the request.
            if self._resumed:
                pass
            elif self._is_answer(body):
                refused = self.status >= 300
                self._link.take(
                    self._link.heads.without_credentials(body) if refused else body, self._about, True
                )
            elif self.status >= 300:
                waiter.set_exception(self._refusal())
        self._finish("the listener ended the answer before the result")

    def broke(self, message: str) -> None:
        self._broken = message
        self.was_cut = True
        self._finish(message)

    def _finish(self, why: str) -> None:
        self.finished = True
        if self._timer is not None:
            self._timer.cancel()
        if self._opened is not None and not self._opened.done():
            self._opened.set_exception(LinkFailure(Reason.BROKEN, why))
        waiter = self._waiter
        if waiter is not None and not waiter.done() and not self._resumed:
            events = self._events or EventBuffer()
            events.last_id = events.last_id or self.starts_at
            if events.last_id:
                self._link.resume(events, waiter, why)
            else:
                answered = Point.CUT if self.was_cut else Point.WITHOUT_RESULT
                about = answered if self.status else Point.SILENT
                waiter.set_exception(LinkFailure(Reason.BROKEN, why, known=TABLE[Carrier.BRIDGE, about]))
        for tell in self._when_ended:
            tell()

    def _is_answer(self, body: bytes) -> bool:
        """Whether it holds the answer to the request: also a refusal may, unless it is about the session."""
        if self.status < 300:
            return bool(body.strip())
        if self.status == 404:
            return is_unknown_method(body)
        failure = failure_in(body) if self.status == 400 else None
        about_session = self._link.named and speaks_of_session(body)
        return failure is not None and failure.id is not None and not about_session

    def _refusal(self) -> LinkFailure:
        body = self._link.heads.without_credentials(b"".join(self._parts)[:SHOWN_BYTES])
        refusal = Refusal(status=self.status, body=body, headers=self._refused)
        return of_refusal(refusal, named=self._link.named, ours=self._link.ours, about=self._about)

    # What the link calls.

    async def opened(self) -> None:
        """Waits for the head.

        Raises:
            LinkFailure: The connection broke before.
        """
        if self.status:
            return
        if self._broken is not None:
            raise LinkFailure(Reason.BROKEN, self._broken)
        self._opened = asyncio.get_running_loop().create_future()
        await self._opened

    async def ended(self) -> None:
        """Waits for the end."""
        end = asyncio.Event()
        self.when_ended(end.set)
        await end.wait()

    async def refusal(self) -> LinkFailure:
        """What the answer means, where it is no success."""
        try:
            async with asyncio.timeout(REFUSAL_SECONDS):
                await self.ended()
        except TimeoutError:
            self.close()
        return self._refusal()

    def when_ended(self, tell: Callable[[], None]) -> None:
        """Has `tell` called at the end; at once where it has ended."""
        if self.finished:
            tell()
        else:
            self._when_ended.append(tell)

    def drop(self, seconds: float) -> None:
        """Nobody wants the rest: it may take `seconds` to end by itself, which saves its connection."""
        if not self.finished:
            self._timer = asyncio.get_running_loop().call_later(seconds, self.close)

    def fell_silent(self) -> None:
        """Nothing comes any more, not even what keeps the connection alive: as if it had broken."""
        if not self.finished:
            self._connection.close()
            self._finish("the listener fell silent")

    def close(self) -> None:
        """Ends it, with its connection."""
        if not self.finished:
            self._connection.close()
            self._waiter = None
            self._finish("the bridge closed the stream")


class Collected:
    """Takes one answer that is no conversation: its body, whole."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._whole: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        pass

    def body(self, data: bytes) -> None:
        self._parts.append(data)

    def done(self) -> None:
        if not self._whole.done():
            self._whole.set_result(b"".join(self._parts))

    def takes_whole(self, body: bytes) -> bool:
        self.body(body)
        self.done()
        return True

    def broke(self, message: str) -> None:
        if not self._whole.done():
            self._whole.set_exception(LinkFailure(Reason.BROKEN, message))

    async def body_whole(self) -> bytes:
        """Waits for the body.

        Raises:
            LinkFailure: The connection broke before.
        """
        return await self._whole
