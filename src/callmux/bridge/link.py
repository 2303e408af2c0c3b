"""One session with the listener (Streamable HTTP, MCP 2025-11-25, basic/transports).

Called by `callmux.bridge.keeper`, which opens and drops links, and by `relay`, which sends through them. Each
message is a POST; an answer comes as JSON or on an event stream, which is resumed by its last event id where
it breaks. A GET stream carries what the listener says by itself; its end is the first sign of trouble.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping

import msgspec

from callmux.bridge.client import HttpClient
from callmux.bridge.endpoint import Endpoint
from callmux.bridge.failures import LinkFailure, Reason
from callmux.bridge.silence import Silence
from callmux.bridge.stream import Stream, Waiter
from callmux.depth import DEEPEST, ROOM
from callmux.protocol import jsonrpc
from callmux.protocol.jsonrpc import Batch, Failure, Malformed, Message, Notification, Request, Response
from callmux.protocol.params import members
from callmux.protocol.sse import REQUEST_STREAMS, EventBuffer, request_stream
from callmux.protocol.upstream_peer import Greeting, read_greeting
from callmux.protocol.versions import is_supported
from callmux.tasks import TaskSet, reason_of

log = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 10.0
HEAD_SECONDS = 1.0
"""How long the GET stream may take to begin; a listener may hold its head back until there is an event."""
SHORT_SECONDS = 10.0
"""For what has no answer of its own: notifications, answers, pings."""
CLOSE_SECONDS = 1.0
RESUMPTIONS = 5
"""How often a stream is resumed without anything new having come."""
OUTAGE_SECONDS = 30.0
"""How long a broken stream waits for the listener to come back."""
AFTER_OUTAGE_SECONDS = 2.0
"""How long a stream may take to bring anything after the listener was away: it may have forgotten it."""
GRACE_SECONDS = 5.0
"""How long a stream may stay open after its answer."""
MORE_SECONDS = 30.0
"""What a request gets after its time, each time the listener shows that it is there."""

_STREAMS = b"Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"


class Link:
    """One session.

    Args:
        endpoint: Where the listener is.
        http: The connections to it.
        headers: Sent with every request.
        received: Takes what the listener says and asks.
        ended: Called when the GET stream has ended.

    Attributes:
        offer: What the listener said of itself; None before the handshake.
        has_stream: The listener gives a GET stream.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        http: HttpClient,
        headers: Mapping[str, str],
        received: Callable[[Link, Request | Notification], None],
        ended: Callable[[Link], None],
    ) -> None:
        self._endpoint = endpoint
        self._http = http
        self._headers = b"".join(b"%b: %b\r\n" % (k.encode(), v.encode()) for k, v in headers.items())
        self._received = received
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._tasks = TaskSet("link")
        self._waiting: dict[int, Waiter] = {}
        self._count = 0
        self._events = EventBuffer()
        self._own: Stream | None = None
        self._silence = Silence(lambda: http.reading)
        self._session_id: bytes | None = None
        self._version: str | None = None
        self._post = self._head(b"POST", _STREAMS)
        self._closed = False
        self._names_streams = False
        self.offer: Greeting | None = None
        self.has_stream = True

    def __repr__(self) -> str:
        return f"Link({'open' if self.offer else 'new'}, {len(self._waiting)} waiting)"

    def _head(self, verb: bytes, more: bytes) -> bytes:
        to = self._endpoint
        lines = [b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (verb, to.target.encode(), to.authority.encode()), more]
        lines.append(self._headers)
        if self._session_id is not None:
            lines.append(b"Mcp-Session-Id: %b\r\n" % self._session_id)
        if self._version is not None:
            lines.append(b"MCP-Protocol-Version: %b\r\n" % self._version.encode())
        return b"".join(lines)

    async def open(self, params: bytes) -> None:
        """The handshake.

        Args:
            params: Of `initialize`.

        Raises:
            LinkFailure: It failed.
        """
        answer = await self.request("initialize", params, HANDSHAKE_SECONDS)
        if isinstance(answer, Failure):
            said = jsonrpc.read_error(answer.error).message
            raise LinkFailure(Reason.REFUSED, f"the listener refused the handshake: {said}")
        try:
            offer = read_greeting(answer.result)
        except ValueError as error:
            raise LinkFailure(Reason.REFUSED, f"the listener cannot be used: {error}") from None
        if not is_supported(offer.protocol_version):
            message = (
                f"the listener speaks the MCP revision {offer.protocol_version!r}, which callmux does not"
            )
            raise LinkFailure(Reason.REFUSED, message)
        self._version = offer.protocol_version
        self._names_streams = REQUEST_STREAMS in members(offer.capabilities.get("experimental"))
        self._post = self._head(b"POST", _STREAMS)
        await self.tell(jsonrpc.notification("notifications/initialized", None))
        self.offer = offer

    def begun(self, session_id: bytes) -> None:
        """Told by a stream whose head names the session."""
        if self._session_id is None and self._version is None:
            self._session_id = session_id

    @property
    def named(self) -> bool:
        """The listener gave the session a name."""
        return self._session_id is not None

    async def request(
        self, method: str, params: bytes | msgspec.Raw | None, seconds: float, hard: bool = True
    ) -> Response | Failure:
        """Sends a request and waits for its answer; cancelled, it withdraws the request.

        Args:
            seconds: How long it may take.
            hard: It fails then; else it goes on as long as the listener answers a ping.

        Raises:
            LinkFailure: There is no answer.
        """
        self._count += 1
        id = self._count
        line = jsonrpc.request(id, method, params)
        connection = self._http.take()
        if connection is None:
            connection = await self._http.connect()
        waiter: Waiter = self._loop.create_future()
        self._waiting[id] = waiter
        timer = self._loop.call_later(seconds, self._due, waiter, hard)
        stream = Stream(self, connection, waiter)
        if self._names_streams:
            stream.starts_at = f"{request_stream(id)}_0"
            self._silence.watch(stream)
        connection.start(b"%bContent-Length: %d\r\n\r\n%b" % (self._post, len(line), line), stream)
        try:
            return await waiter
        except asyncio.CancelledError as given_up:
            self._withdraw(id, method, reason_of(given_up, "the client gave it up"))
            stream.close()
            raise
        except LinkFailure as failure:
            if failure.reason is Reason.LATE:
                self._withdraw(id, method, "there was no answer in time")
                stream.close()
            raise
        finally:
            timer.cancel()
            del self._waiting[id]
            self._silence.forget(stream)
            if not stream.finished:
                stream.drop(GRACE_SECONDS)

    def _withdraw(self, id: int, method: str, reason: str | None) -> None:
        if method != "initialize" and not self._closed:
            told = {"requestId": id} if reason is None else {"requestId": id, "reason": reason}
            params = msgspec.json.encode(told)
            self._tasks.spawn(self._quietly(jsonrpc.notification("notifications/cancelled", params)))

    def _due(self, waiter: Waiter, hard: bool) -> None:
        if waiter.done():
            return
        if hard:
            waiter.set_exception(LinkFailure(Reason.LATE, "the listener did not answer in time"))
        else:
            self._tasks.spawn(self._extend(waiter))

    async def _extend(self, waiter: Waiter) -> None:
        """A request past its time goes on while the listener is alive: that one bounds every call itself."""
        while not waiter.done():
            try:
                await self.request("ping", None, SHORT_SECONDS)
            except LinkFailure:
                self._due(waiter, True)
                return
            await asyncio.wait([waiter], timeout=MORE_SECONDS)

    async def tell(self, line: bytes) -> None:
        """Sends a notification or an answer.

        Raises:
            LinkFailure: It was not taken.
        """
        connection = self._http.take()
        if connection is None:
            connection = await self._http.connect()
        stream = Stream(self, connection, None)
        connection.start(b"%bContent-Length: %d\r\n\r\n%b" % (self._post, len(line), line), stream)
        try:
            async with asyncio.timeout(SHORT_SECONDS):
                await stream.opened()
        except TimeoutError:
            raise LinkFailure(Reason.LATE, "the listener did not take a notification in time") from None
        finally:
            if not stream.finished:
                stream.drop(GRACE_SECONDS)
        if stream.status >= 300:
            raise await stream.refusal()

    async def _quietly(self, line: bytes) -> None:
        with contextlib.suppress(LinkFailure):
            await self.tell(line)

    async def _get(self, events: EventBuffer, waiter: Waiter | None) -> Stream:
        """Opens a GET stream, from the last event on where there was one.

        Raises:
            LinkFailure: The listener does not give it.
        """
        events.restart()
        more = b"Accept: text/event-stream\r\n"
        if events.last_id:
            more += b"Last-Event-ID: %b\r\n" % events.last_id.encode()
        connection = self._http.take()
        if connection is None:
            connection = await self._http.connect()
        stream = Stream(self, connection, waiter, events)
        connection.start(self._head(b"GET", more) + b"\r\n", stream)
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                await stream.opened()
        except TimeoutError:
            return stream
        except asyncio.CancelledError:
            stream.close()
            raise
        if stream.status != 200:
            raise await stream.refusal()
        return stream

    async def listen(self) -> None:
        """Opens the listener's own stream, or makes sure that the listener is there.

        Raises:
            LinkFailure: It is not there, or no longer knows the session.
        """
        if not self.has_stream:
            self._http.keep(await self._http.connect(), b"")
            return
        try:
            stream = await self._get(self._events, None)
        except LinkFailure as failure:
            if failure.status == 405 or (failure.status == 404 and not self.named):
                self.has_stream = False
                return
            raise
        self._own = stream
        if self._names_streams:
            self._silence.watch(stream, own=True)
        stream.when_ended(lambda: self._own_ended(stream))

    def _own_ended(self, stream: Stream) -> None:
        if self._own is stream:
            self._own = None
            if not self._closed:
                self._ended(self)

    @property
    def pause_seconds(self) -> float:
        """How long the listener asks to wait before its own stream is opened again."""
        return min((self._events.retry_ms or 0) / 1000, 5.0)

    def take(self, data: bytes) -> None:
        """Takes one message; called by the streams."""
        # What the listener's own answers add to a value of a server is not counted.
        self._took(jsonrpc.parse(jsonrpc.on_one_line(data), deepest=DEEPEST + ROOM))

    def _took(self, message: Message) -> None:
        match message:
            case Response(id) | Failure(id):
                own = jsonrpc.own_id(id)
                waiter = self._waiting.get(own) if own is not None else None
                if waiter is not None and not waiter.done():
                    waiter.set_result(message)
            case Request() | Notification():
                self._received(self, message)
            case Malformed(id, True, code, text):
                if (own := jsonrpc.own_id(id)) is not None:
                    error = msgspec.json.encode({"code": code, "message": f"the answer: {text}"})
                    self._took(Failure(own, msgspec.Raw(error)))
            case Malformed(_, _, _, text):
                log.warning("the listener sent what is no message: %s", text)
            case Batch(messages):
                for part in messages:
                    self._took(part)

    def resume(self, events: EventBuffer, waiter: Waiter, why: str) -> None:
        """Goes on with an answer's stream where it broke; called by the stream."""
        self._tasks.spawn(self._resume(events, waiter, why))

    async def _resume(self, events: EventBuffer, waiter: Waiter, why: str) -> None:
        was_away = False
        tries, delay = 0, min((events.retry_ms or 0) / 1000, 30.0)
        until = self._loop.time() + OUTAGE_SECONDS
        while not waiter.done():
            seen = events.last_id
            if delay:
                await asyncio.wait([waiter], timeout=delay)
            try:
                stream = await self._get(events, waiter)
            except LinkFailure as failure:
                waits = failure.reason in (Reason.UNREACHABLE, Reason.BUSY, Reason.BROKEN)
                if self._closed or not waits or self._loop.time() > until:
                    why = f"{why}; it could not be resumed: {failure.message}"
                    break
                was_away = was_away or failure.reason is Reason.UNREACHABLE
                delay = min(0.25, delay * 2 or 0.02)
                continue
            await self._read(stream, waiter, AFTER_OUTAGE_SECONDS if was_away else None)
            if was_away and not stream.finished and events.last_id == seen:
                break
            until = self._loop.time() + OUTAGE_SECONDS
            tries = tries + 1 if events.last_id == seen else 0
            if tries >= RESUMPTIONS:
                break
            delay = max((events.retry_ms or 0) / 1000, 0.02 * 2.0**tries if tries else 0.0)
        if not waiter.done():
            waiter.set_exception(LinkFailure(Reason.BROKEN, why))

    async def _read(self, stream: Stream, waiter: Waiter, seconds: float | None) -> None:
        """Waits until `waiter` has its answer or the stream has ended, at most `seconds`."""
        if self._names_streams:
            self._silence.watch(stream)
        end = asyncio.Event()
        stream.when_ended(end.set)
        waiter.add_done_callback(lambda _: end.set())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await end.wait()
        if waiter.done() and not stream.finished:
            stream.drop(GRACE_SECONDS)

    async def close(self) -> None:
        """Ends the session, within a bound."""
        self.abandon()
        self._silence.close()
        self._fail()
        await self._tasks.cancel(CLOSE_SECONDS)
        if self._session_id is None:
            return
        with contextlib.suppress(LinkFailure, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                connection = self._http.take() or await self._http.connect()
                stream = Stream(self, connection, None)
                connection.start(self._head(b"DELETE", b"") + b"Content-Length: 0\r\n\r\n", stream)
                await stream.opened()

    def abandon(self) -> None:
        """Nothing more begins with it; what waits for an answer learns by itself whether it comes."""
        self._closed = True
        if self._own is not None:
            self._own.close()

    def _fail(self) -> None:
        for waiter in self._waiting.values():
            if not waiter.done():
                waiter.set_exception(LinkFailure(Reason.BROKEN, "the session with the listener has ended"))
