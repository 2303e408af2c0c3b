"""One session with the listener (Streamable HTTP, MCP 2025-11-25, basic/transports).

Called by `callmux.bridge.keeper`, which opens and drops links, and by `relay`, which sends through them. Each
message is a POST; an answer comes as JSON or on an event stream, which is resumed by its last event id where
it breaks. A GET stream carries what the listener says by itself; its end is the first sign of trouble. What
an answer means is decided by `callmux.protocol.http_client`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping

import msgspec

from callmux.bridge.client import Connection, HttpClient
from callmux.bridge.endpoint import Endpoint
from callmux.bridge.failures import LinkFailure, Reason
from callmux.bridge.heads import Heads, Way
from callmux.bridge.plain_calls import Sent, SentCalls
from callmux.bridge.request_time import RequestTimes
from callmux.bridge.resuming import GRACE_SECONDS, resume
from callmux.bridge.silence import Silence
from callmux.bridge.stream import Stream, Waiter
from callmux.depth import DEEPEST, ROOM
from callmux.protocol import http_client, jsonrpc
from callmux.protocol.failure_points import TABLE, Carrier, Point
from callmux.protocol.http_answer import addressed, doubts_session
from callmux.protocol.http_client import session_id_of
from callmux.protocol.jsonrpc import Batch, Failure, Malformed, Message, Notification, Request, Response
from callmux.protocol.params import WAITING, members
from callmux.protocol.sse import REQUEST_STREAMS, EventBuffer, request_stream
from callmux.protocol.upstream_peer import read_greeting
from callmux.protocol.versions import is_supported
from callmux.tasks import TaskSet, reason_of

log = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 20.0
HEAD_SECONDS = 1.0
"""How long the GET stream may take to begin; a listener may hold its head back until there is an event."""
SHORT_SECONDS = 10.0
"""For what has no answer of its own: notifications, answers, pings."""
CLOSE_SECONDS = 1.0
DOUBT_SECONDS = 5.0
"""How long a listener may take to say whether it still knows the session."""


class Link:
    """One session.

    Args:
        endpoint: Where the listener is.
        http: The connections to it.
        headers: Sent with every request.
        received: Takes what the listener says and asks, and which request of ours it belongs to.
        ended: Called when the GET stream has ended.

    Attributes:
        offer: The listener's answer to `initialize`; empty before the handshake.
        has_stream: The listener gives a GET stream.
        closed: Nothing more begins with it.
        plain: Its plain calls.
        count: The number of the last request.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        http: HttpClient,
        headers: Mapping[str, str],
        received: Callable[[Link, Request | Notification, int | None], None],
        ended: Callable[[Link], None],
    ) -> None:
        self._endpoint = endpoint
        self._http = http
        self.heads = Heads(endpoint, headers)
        self._received = received
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._tasks = TaskSet("link")
        self._waiting: dict[int, Waiter] = {}
        self.plain = SentCalls(self, http)
        self._times = RequestTimes(self._ping, self._tasks.spawn)
        self.count = 0
        self._events = EventBuffer(http_client.MAX_ANSWER)
        self._own: Stream | None = None
        self._silence = Silence(lambda: http.reading)
        self._unusable: str | None = None
        self.closed = False
        self._names_streams = False
        self.offer = b""
        self.has_stream = True

    def __repr__(self) -> str:
        return f"Link({'open' if self.offer else 'new'}, {len(self._waiting)} waiting)"

    async def open(self, params: bytes) -> None:
        """The handshake.

        Args:
            params: Of `initialize`.

        Raises:
            LinkFailure: It failed.
        """
        answer = await self.request("initialize", params, HANDSHAKE_SECONDS)
        if self._unusable is not None:
            raise LinkFailure(Reason.REFUSED, f"the listener cannot be used: {self._unusable}")
        if isinstance(answer, Failure):
            said = jsonrpc.read_error(answer.error).message
            raise LinkFailure(Reason.REFUSED, f"the listener refused the handshake: {said}")
        try:
            greeting = read_greeting(answer.result)
        except ValueError as error:
            raise LinkFailure(Reason.REFUSED, f"the listener cannot be used: {error}") from None
        if not is_supported(greeting.protocol_version):
            version = greeting.protocol_version
            message = f"the listener uses MCP revision {version!r}, which callmux does not support"
            raise LinkFailure(Reason.REFUSED, message)
        self.heads.version = greeting.protocol_version
        self._names_streams = REQUEST_STREAMS in members(greeting.capabilities.get("experimental"))
        self.heads.renew()
        await self.tell(jsonrpc.notification("notifications/initialized", None))
        self.offer = bytes(answer.result)

    def begun(self, session_id: bytes) -> None:
        """Told by a stream whose head names the session: only the first answer may."""
        if self.named or self.heads.version is not None:
            return
        try:
            self.heads.session_id = session_id_of(session_id.decode("latin-1"))
        except ValueError as error:
            self._unusable = str(error)
        self.heads.renew()

    @property
    def named(self) -> bool:
        """Whether the listener gave the session a name."""
        return self.heads.session_id is not None

    @property
    def ours(self) -> bool:
        """Whether the listener is a callmux."""
        return self._names_streams

    async def request(
        self,
        method: str,
        params: bytes | msgspec.Raw | None,
        seconds: float,
        hard: bool = True,
        way: Way | None = None,
        sent: Sent | None = None,
    ) -> Response | Failure:
        """Sends a request and waits for its answer; cancelled, it withdraws the request.

        Args:
            seconds: How long it may take.
            hard: Whether it fails then; else it goes on as long as the listener answers a ping.
            way: How it was sent on so far.
            sent: What waits for its answer, where it was sent already.

        Raises:
            LinkFailure: There is no answer.
        """
        if sent is None:
            to = None if way is None else way.to
            connection = self._http.take(to) or await self._http.connect(to)
            self.count += 1
            sent = self.sent(self.count, connection, self._loop.time())
            line = jsonrpc.request(sent.id, method, params)
            head = self.heads.post if to is None else self.heads.of(b"POST", to)
            connection.start(b"%bContent-Length: %d\r\n\r\n%b" % (head, len(line), line), sent.stream)
        id, stream = sent.id, sent.stream
        self._times.begin(id, sent.waiter, seconds, hard)
        try:
            answer = await sent.waiter
        except asyncio.CancelledError as given_up:
            self.withdraw(id, method, reason_of(given_up, "the client gave it up"))
            stream.close()
            raise
        except LinkFailure as failure:
            failure.stood = self._times.end(id)
            if failure.reason is Reason.LATE:
                self.withdraw(id, method, "there was no answer in time")
                stream.close()
            if failure.location is not None and (way := way or Way(self._endpoint)).follows(failure):
                return await self.request(method, params, seconds, hard, way)
            if failure.doubted and method != "ping":
                raise await self._judged(failure) from None
            raise
        finally:
            self._waiting.pop(id, None)
            self._times.end(id)
            self._silence.forget(stream)
            if not stream.finished:
                stream.drop(GRACE_SECONDS)
        if type(answer) is Failure and self.named and doubts_session(answer) and method != "ping":
            said = jsonrpc.read_error(answer.error).message
            about = TABLE[Carrier.BRIDGE, Point.ERROR]
            doubtful = await self._judged(LinkFailure(Reason.REFUSED, said, known=about))
            if doubtful.over:
                raise doubtful
        return answer

    async def _judged(self, failure: LinkFailure) -> LinkFailure:
        """The failure, once the listener was asked whether it still knows the session."""
        ping = await self._forgotten() if failure.doubted and self.named else None
        return failure.remembered() if ping is None else failure.forgotten(ping)

    async def _forgotten(self) -> Point | None:
        """Where a ping was refused, if the listener has forgotten the session."""
        try:
            return Point.ERROR if doubts_session(await self.request("ping", None, DOUBT_SECONDS)) else None
        except LinkFailure as refused:
            # That it cannot be asked says nothing of the session.
            return refused.of_ping()

    def sent(self, id: int, connection: Connection, since: float) -> Sent:
        """What waits for the answer to a request that was sent at a time of the loop's clock."""
        waiter: Waiter = self._loop.create_future()
        self._waiting[id] = waiter
        stream = Stream(self, connection, waiter, about=id)
        if self._names_streams:
            stream.starts_at = f"{request_stream(id)}_0"
            self._silence.watch(stream)
        return Sent(self, id, waiter, stream, since)

    def withdraw(self, id: int, method: str, reason: str | None) -> None:
        """Nobody wants the answer to a request any more: the listener is told."""
        self._waiting.pop(id, None)
        if method != "initialize" and not self.closed:
            told = {"requestId": id} if reason is None else {"requestId": id, "reason": reason}
            params = msgspec.json.encode(told)
            self._tasks.spawn(self._quietly(jsonrpc.notification("notifications/cancelled", params)))

    async def _ping(self) -> None:
        await self.request("ping", None, SHORT_SECONDS)

    async def tell(self, line: bytes, way: Way | None = None) -> None:
        """Sends a notification or an answer.

        Raises:
            LinkFailure: It was not taken.
        """
        to = None if way is None else way.to
        connection = self._http.take(to) or await self._http.connect(to)
        stream = Stream(self, connection, None)
        head = self.heads.post if to is None else self.heads.of(b"POST", to)
        connection.start(b"%bContent-Length: %d\r\n\r\n%b" % (head, len(line), line), stream)
        try:
            async with asyncio.timeout(SHORT_SECONDS):
                await stream.opened()
        except TimeoutError:
            raise LinkFailure(Reason.LATE, "the listener did not take a notification in time") from None
        finally:
            if not stream.finished:
                stream.drop(GRACE_SECONDS)
        if stream.status >= 300:
            failure = await stream.refusal()
            way = way or Way(self._endpoint)
            if not way.follows(failure):
                raise failure
            await self.tell(line, way)

    async def _quietly(self, line: bytes) -> None:
        with contextlib.suppress(LinkFailure):
            await self.tell(line)

    async def open_stream(self, events: EventBuffer, waiter: Waiter | None, way: Way | None = None) -> Stream:
        """Opens a GET stream, from the last event on where there was one.

        Raises:
            LinkFailure: The listener does not give it.
        """
        events.restart()
        to = None if way is None else way.to
        connection = self._http.take(to) or await self._http.connect(to)
        about = next((id for id, one in self._waiting.items() if one is waiter), None)
        stream = Stream(self, connection, waiter, events, about)
        connection.start(self.heads.of(b"GET", to, events.last_id) + b"\r\n", stream)
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                await stream.opened()
        except TimeoutError:
            return stream
        except asyncio.CancelledError:
            stream.close()
            raise
        if stream.status == 200:
            return stream
        failure = await stream.refusal()
        way = way or Way(self._endpoint)
        if not way.follows(failure):
            raise failure
        return await self.open_stream(events, waiter, way)

    async def listen(self) -> None:
        """Opens the listener's own stream, or makes sure that the listener is there.

        Raises:
            LinkFailure: It is not there, or no longer knows the session.
        """
        if not self.has_stream:
            self._http.keep(await self._http.connect(), b"")
            return
        try:
            stream = await self.open_stream(self._events, None)
        except LinkFailure as failure:
            if failure.status is None or not http_client.has_no_stream(failure.status):
                raise
            if failure.status != 405 and self.named and (ping := await self._forgotten()) is not None:
                raise failure.forgotten(ping) from None
            self.has_stream = False
            return
        if stream.status and not stream.is_events:
            self.has_stream = False
            stream.close()
            return
        self._own = stream
        if self._names_streams:
            self._silence.watch(stream, own=True)
        stream.when_ended(lambda: self._own_ended(stream))

    def _own_ended(self, stream: Stream) -> None:
        if self._own is stream:
            self._own = None
            if not self.closed:
                self._ended(self)

    @property
    def pause_seconds(self) -> float:
        """How long the listener asks to wait before its own stream is opened again."""
        return min((self._events.retry_ms or 0) / 1000, 5.0)

    def take(self, data: bytes, about: int | None, alone: bool) -> None:
        """Takes one message; called by the streams."""
        # What the listener's own answers add to a value of a server is not counted.
        message = jsonrpc.parse(jsonrpc.on_one_line(data), deepest=DEEPEST + ROOM)
        if isinstance(message, Notification) and message.method == WAITING:
            self._times.told(about, message.params)
            return
        self._took(message if about is None else addressed(message, about, alone=alone), about)

    def _took(self, message: Message, about: int | None = None) -> None:
        match message:
            case Response(id) | Failure(id):
                own = jsonrpc.own_id(id)
                waiter = self._waiting.get(own) if own is not None else None
                if waiter is not None and not waiter.done():
                    waiter.set_result(message)
            case Request() | Notification():
                self._received(self, message, about)
            case Malformed(id, True, code, text):
                if (own := jsonrpc.own_id(id)) is not None:
                    error = msgspec.json.encode({"code": code, "message": f"the answer: {text}"})
                    self._took(Failure(own, msgspec.Raw(error)))
            case Malformed(_, _, _, text):
                log.warning("the listener sent something that is not a message: %s", text)
            case Batch(messages):
                for part in messages:
                    self._took(part, about)

    def resume(self, events: EventBuffer, waiter: Waiter, why: str) -> None:
        """Goes on with an answer's stream where it broke; called by the stream."""
        self._tasks.spawn(resume(self, events, waiter, why))

    def watch(self, stream: Stream) -> None:
        """Has a resumed stream end once it has been silent for too long."""
        if self._names_streams:
            self._silence.watch(stream)

    async def close(self) -> None:
        """Ends the session, within a bound."""
        self.abandon()
        self.plain.close()
        self._silence.close()
        self._times.close()
        for waiter in self._waiting.values():
            if not waiter.done():
                waiter.set_exception(LinkFailure(Reason.BROKEN, "the session with the listener has ended"))
        await self._tasks.cancel(CLOSE_SECONDS)
        if not self.named:
            return
        with contextlib.suppress(LinkFailure, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                connection = self._http.take() or await self._http.connect()
                stream = Stream(self, connection, None)
                connection.start(self.heads.of(b"DELETE") + b"Content-Length: 0\r\n\r\n", stream)
                await stream.opened()

    def abandon(self) -> None:
        """Nothing more begins with it; what waits for an answer learns by itself whether it comes."""
        self.closed = True
        if self._own is not None:
            self._own.close()
