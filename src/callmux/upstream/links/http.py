"""A server behind Streamable HTTP (MCP 2025-11-25, basic/transports, "Streamable HTTP").

Made by `callmux.upstream.links.opening`, used through `callmux.upstream.links.link`. Each message is a POST
of its own; an answer comes as JSON or on an event stream, which is resumed by its last event id where it
breaks. A GET stream carries what the server says by itself, and shows at once when the server is gone; a
server without one is pinged. What an answer means is decided by `callmux.protocol.http_client`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping

import aiohttp

from callmux.protocol import http_answer, http_client, jsonrpc
from callmux.protocol.failure_points import Carrier, Point, Session, known
from callmux.protocol.http_answer import addressed, answers, doubts_session, is_answer
from callmux.protocol.http_client import MAX_ANSWER, Resumption
from callmux.protocol.jsonrpc import Failure, Response
from callmux.protocol.sse import EventBuffer, TooLarge
from callmux.tasks import TaskSet
from callmux.upstream import failures
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.links.credentials import Credentials
from callmux.upstream.links.link import Listener
from callmux.upstream.links.web import (
    Doubtful,
    StatusRefused,
    StatusVerdict,
    WebAddress,
    failure_of,
    open_client,
    refused,
    resumption_verdict,
    unknown_session,
    verdict,
    whole,
    words,
)

log = logging.getLogger(__name__)

PING_SECONDS = 20.0
"""How long a server without a GET stream may be silent before it is asked whether it is there."""
DOUBT_SECONDS = 5.0
"""How long a server may take to say whether it still knows the session."""
CLOSE_SECONDS = 1.0


class HttpLink:
    """One session with one server.

    Args:
        name: The server's name, for log lines.
        url: Its endpoint.
        credentials: Who asks.
        limit: Bytes of the largest answer that is taken.
    """

    transport = "streamable-http"

    def __init__(self, name: str, url: str, credentials: Credentials, limit: int = MAX_ANSWER) -> None:
        self._name = name
        self._place = WebAddress(url, credentials)
        self._limit = limit
        self._client: aiohttp.ClientSession | None = None
        self._listener: Listener | None = None
        self._tasks = TaskSet(f'link to "{name}"')
        self._posts: dict[int, asyncio.Task[None]] = {}
        self._heads: dict[int, Mapping[str, str]] = {}
        self._session_id: str | None = None
        self._version: str | None = None
        self._greeted = False
        self._post_head = self._head(body=True)
        self._before: asyncio.Task[None] | None = None
        self._doubt: asyncio.Task[Point | None] | None = None
        self._pings = 0
        self._heard = 0.0
        self._over = False

    def __repr__(self) -> str:
        return f"HttpLink({self._name!r}, {len(self._posts)} waiting)"

    async def open(self, listener: Listener) -> None:
        self._client = open_client()
        self._listener = listener

    def send(self, line: bytes, id: int | None = None, last: bool = False) -> None:
        if self._client is None:
            return
        task = self._tasks.spawn(self._post(line.rstrip(b"\n"), id, self._before))
        if id is not None:
            self._posts[id] = task
        elif b'"notifications/initialized"' in line:
            # No request may overtake the end of the handshake.
            self._before = task

    def label(self, id: int, head: Mapping[str, str]) -> None:
        """Gives our request `id`, which is sent next, headers of its own: it belongs to no session."""
        self._heads[id] = {**http_client.request_head(body=True, session_id=None, version=None), **head}

    def agreed(self, protocol_version: str) -> None:
        """From here on each request names the revision, and the server's own stream is opened."""
        self._version = protocol_version
        self._post_head = self._head(body=True)
        self._tasks.spawn(self._watch())

    def abandon(self, id: int) -> None:
        if (task := self._posts.get(id)) is not None:
            task.cancel()

    async def close(self) -> None:
        client, self._client, self._listener = self._client, None, None
        if client is None:
            return
        try:
            await self._tasks.cancel(CLOSE_SECONDS)
            if self._session_id is not None:
                with contextlib.suppress(aiohttp.ClientError, CallFailure, OSError, StatusRefused):
                    async with asyncio.timeout(CLOSE_SECONDS):
                        async with await self._place.send(client, "DELETE", self._head(body=False)):
                            pass
        finally:
            await client.close()

    def _head(self, *, body: bool, last_event_id: str = "") -> dict[str, str]:
        return http_client.request_head(
            body=body, session_id=self._session_id, version=self._version, last_event_id=last_event_id
        )

    async def _post(self, body: bytes, id: int | None, before: asyncio.Task[None] | None) -> None:
        if before is not None and not before.done():
            await asyncio.wait({before})
        head = self._heads.pop(id, None) if id is not None and self._heads else None
        try:
            await self._exchange(body, id, head)
        except CallFailure as failure:
            self._failed(id, failure)
        except StatusRefused as refusal:
            named = self._session_id is not None and head is None
            await self._judge(id, verdict(refusal, Carrier.HTTP, named=named, id=id))
        except Doubtful as doubtful:
            await self._weigh(id, doubtful.answer)
        except Exception as error:  # noqa: BLE001 - the root of a request: whoever waits for it is told
            self._failed(id, failure_of(error))
        finally:
            if id is not None and self._posts.get(id) is asyncio.current_task():
                del self._posts[id]

    async def _judge(self, id: int | None, verdict: StatusVerdict) -> None:
        """Ends a request that was refused; before that, the server is asked whether it still knows us."""
        failure = verdict.failure
        if verdict.known.session is Session.DOUBTED and (ping := await self._forgotten()) is not None:
            failure = verdict.forgotten(ping)
        self._failed(id, failure)

    async def _weigh(self, id: int | None, answer: Failure) -> None:
        """The same for an error of the server's own."""
        about = known(Carrier.HTTP, Point.ERROR)
        if about.session is Session.DOUBTED and (ping := await self._forgotten()) is not None:
            self._failed(id, StatusVerdict(failures.refused(answer.error), about).forgotten(ping))
        elif self._listener is not None:
            self._listener.received(answer, id)

    def _failed(self, id: int | None, failure: CallFailure) -> None:
        listener = self._listener
        if listener is None:
            return
        if id is not None:
            listener.failed(id, failure)
        else:
            log.warning('could not send a notification to "%s": %s', self._name, failure.cause)
        if failure.over or (failure.category is Category.TRANSPORT and not failure.started):
            self._lose(failure)

    def _lose(self, failure: CallFailure) -> None:
        listener = self._listener
        if listener is None or self._over:
            return
        self._over = True
        if failure.over and listener.expired is not None:
            # The other requests are POSTs of their own: the server answers each, and so do we.
            listener.expired(failure)
        else:
            self._listener = None
            listener.lost(failure)

    async def _exchange(self, body: bytes, id: int | None, head: Mapping[str, str] | None) -> None:
        client = self._client
        if client is None:
            return
        async with await self._place.send(client, "POST", head or self._post_head, body) as answer:
            if answer.status >= 300:
                refusal = await refused(answer)
                if id is None or not is_answer(answer.status, refusal.body, stateless=head is not None):
                    raise refusal
                self._take(refusal.body, id, alone=True)
                return
            if id is None:
                return
            if not self._greeted and head is None:
                self._greet(answer)
            resume = await self._read(answer, id)
        if id in self._posts and resume is not None:
            if head is not None:
                # No stream of this era is resumed.
                resume.last_id = ""
            await self._resume(id, resume)
        elif id in self._posts:
            begun = known(Carrier.HTTP, Point.WITHOUT_RESULT).begun
            cause = "the server's answer does not hold the result"
            raise CallFailure(Category.PROTOCOL, cause, started=begun)

    async def _read(self, answer: aiohttp.ClientResponse, id: int) -> EventBuffer | None:
        """Reads an answer; gives where to go on, where it came as a stream."""
        try:
            if answer.content_type == "text/event-stream":
                return await self._stream(answer, id, EventBuffer(self._limit))
            self._take(await whole(answer, self._limit), id, alone=True)
        except (aiohttp.ClientError, OSError) as error:
            begun = known(Carrier.HTTP, Point.CUT).begun
            raise failures.lost(f"the answer broke off: {words(error)}", started=begun) from None
        return None

    def _greet(self, answer: aiohttp.ClientResponse) -> None:
        """Takes the session from the answer to `initialize`, the only answer that names it."""
        try:
            self._session_id = http_client.session_id_of(answer.headers.get("Mcp-Session-Id"))
        except ValueError as error:
            raise CallFailure(Category.PROTOCOL, str(error), started=False) from None
        self._greeted = True
        self._post_head = self._head(body=True)

    def _take(self, body: bytes, id: int | None, *, alone: bool = False) -> None:
        """Hands over the messages of one body; a request whose answer it is waits no longer.

        Raises:
            Doubtful: It is an error that may be about the session.
        """
        listener = self._listener
        if listener is None or not body or body.isspace():
            return
        message = jsonrpc.parse(jsonrpc.on_one_line(body))
        if id is not None:
            message = addressed(message, id, alone=alone)
            if answers(message, id):
                self._posts.pop(id, None)
                if isinstance(message, Failure) and self._session_id is not None and doubts_session(message):
                    raise Doubtful(message)
        self._heard = asyncio.get_running_loop().time()
        listener.received(message, id)

    async def _stream(
        self, answer: aiohttp.ClientResponse, id: int | None, buffer: EventBuffer
    ) -> EventBuffer:
        """Reads events until the stream ends, or until it has brought the answer to `id`."""
        try:
            async for chunk in answer.content.iter_any():
                for event in buffer.feed(chunk):
                    self._take(event.data, id)
                if id is not None and id not in self._posts:
                    break
        except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError, ConnectionError):
            if not buffer.last_id:
                raise
        return buffer

    async def _resume(self, id: int, buffer: EventBuffer) -> None:
        """Goes on with the answer's stream where it broke (same clause, "Resumability and Redelivery")."""
        resumption = Resumption()
        begun = known(Carrier.HTTP, Point.NO_RESUMPTION).begun
        while id in self._posts:
            if not buffer.last_id:
                raise failures.lost("the server ended the answer's stream before the answer", started=begun)
            await asyncio.sleep(resumption.pause(buffer.retry_ms))
            try:
                await self._get(buffer, id, resumption)
            except StatusRefused as refusal:
                if not resumption.refused(refusal.status):
                    await self._judge(id, resumption_verdict(refusal))
                    return
            except (CallFailure, aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError) as error:
                log.info('could not read on in a stream of "%s", which is resumed: %s', self._name, error)
                if not resumption.failed():
                    cause = f"the answer broke off, and the rest cannot be had: {words(error)}"
                    raise failures.lost(cause, started=begun) from None

    async def _get(self, buffer: EventBuffer, id: int | None, resumption: Resumption | None = None) -> None:
        """Reads one GET stream to its end.

        Raises:
            StatusRefused: The server does not give it.
        """
        client = self._client
        if client is None:
            return
        buffer.restart()
        headers = self._head(body=False, last_event_id=buffer.last_id)
        async with await self._place.send(client, "GET", headers) as answer:
            if answer.status != 200 or answer.content_type != "text/event-stream":
                raise await refused(answer)
            if resumption is not None:
                resumption.taken()
            await self._stream(answer, id, buffer)

    async def _watch(self) -> None:
        """Notices when the server is gone. If this cannot go on, the server is connected anew."""
        try:
            await self._listen()
        except Exception as error:  # noqa: BLE001 - the root of the task that would notice
            log.warning('could not read the event stream of "%s": %r', self._name, error)
            self._lose(failures.lost(f"the server cannot be watched: {error}", started=False))

    async def _listen(self) -> None:
        """Keeps the server's own stream open; without one, pings."""
        buffer = EventBuffer(self._limit)
        tries = 0
        while self._listener is not None and not self._over:
            seen = buffer.last_id
            try:
                await self._get(buffer, None)
                tries = 0
            except StatusRefused as refusal:
                if refusal.status != 405 and await self._forgotten() is not None:
                    self._lose(unknown_session())
                    return
                if http_client.has_no_stream(refusal.status):
                    # What else is wrong, calls will tell.
                    await self._ping()
                    return
                tries += 1
            except (aiohttp.ClientConnectorError, ConnectionRefusedError) as error:
                self._lose(failure_of(error))
                return
            except (aiohttp.ClientError, OSError, TimeoutError, TooLarge) as error:
                log.info('could not read on in the event stream of "%s": %s', self._name, error)
                tries = 0 if buffer.last_id != seen else tries + 1
            pause = http_client.retry_seconds(buffer.retry_ms, tries)
            await asyncio.sleep(max(pause, http_client.SHORTEST_POLL_SECONDS))

    async def _ping(self) -> None:
        """Asks a silent server whether it is there, so that its end is noticed before a call fails."""
        loop = asyncio.get_running_loop()
        while self._listener is not None and not self._over:
            await asyncio.sleep(PING_SECONDS)
            if self._posts or loop.time() - self._heard < PING_SECONDS:
                continue
            try:
                async with asyncio.timeout(PING_SECONDS):
                    if await self._refuses_a_ping() is not None:
                        self._lose(unknown_session())
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                broken = failure_of(error)
                if not broken.started:
                    self._lose(broken)

    async def _forgotten(self) -> Point | None:
        """Where a ping was refused, if the server has forgotten the session; None where it knows that, or
        cannot be asked. Callers share one ping."""
        if self._session_id is None:
            return None
        doubt = self._doubt
        if doubt is None or (doubt.done() and (doubt.cancelled() or doubt.result() is None)):
            doubt = self._doubt = self._tasks.spawn(self._doubted())
        return await asyncio.shield(doubt)

    async def _doubted(self) -> Point | None:
        # That it cannot be asked says nothing of the session.
        with contextlib.suppress(aiohttp.ClientError, CallFailure, OSError, TimeoutError, ValueError):
            async with asyncio.timeout(DOUBT_SECONDS):
                return await self._refuses_a_ping()
        return None

    async def _refuses_a_ping(self) -> Point | None:
        """Sends a ping of the link's own; where it stands, if it was refused."""
        client, named = self._client, self._session_id is not None
        if client is None:
            return None
        self._pings += 1
        ping = jsonrpc.request(f"callmux-alive-{self._pings}", "ping", None).rstrip(b"\n")
        try:
            async with await self._place.send(client, "POST", self._post_head, ping) as answer:
                if answer.status >= 300:
                    raise await refused(answer)
                self._heard = asyncio.get_running_loop().time()
                if answer.content_type != "text/event-stream":
                    named = named and doubts_session(jsonrpc.parse(await whole(answer, self._limit)))
                    return Point.ERROR if named else None
                buffer = EventBuffer(self._limit)
                async for chunk in answer.content.iter_any():
                    for event in buffer.feed(chunk):
                        if isinstance(message := jsonrpc.parse(event.data), Response | Failure):
                            return Point.ERROR if named and doubts_session(message) else None
        except StatusRefused as no:
            point = http_answer.ping_refusal(no.status, no.body, retry_after=no.retry_after)
            return point if named else None
        return None
