"""A server behind Streamable HTTP (MCP 2025-11-25, basic/transports, "Streamable HTTP").

Called by `callmux.upstream.connection` through `opening`. Each message is a POST of its own; an answer comes
as JSON or on an event stream, which is resumed by its last event id where it breaks. A GET stream carries
what the server says by itself, and shows at once when the server is gone; a server without one is pinged.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from io import BytesIO

import aiohttp

from callmux.protocol import jsonrpc
from callmux.protocol.jsonrpc import Batch, Failure, Message, Response
from callmux.protocol.sse import EventBuffer
from callmux.tasks import TaskSet
from callmux.upstream import failures
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.links.link import Listener
from callmux.upstream.links.web import Refused, failure_of, open_client, proxy_for, refusal

log = logging.getLogger(__name__)

RESUMPTIONS = 5
"""How often one answer's broken stream is resumed without anything new having come."""
DEFAULT_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 30.0
PING_SECONDS = 20.0
"""How long a server without a GET stream may be silent before it is asked whether it is there."""
CLOSE_SECONDS = 1.0

_ACCEPT = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


class HttpLink:
    """One session with one server.

    Args:
        name: The server's name, for log lines.
        url: Its endpoint.
        headers: Sent with every request.
    """

    transport = "streamable-http"

    def __init__(self, name: str, url: str, headers: Mapping[str, str]) -> None:
        self._name = name
        self._url = url
        self._headers = dict(headers)
        self._proxy = proxy_for(url)
        self._client: aiohttp.ClientSession | None = None
        self._listener: Listener | None = None
        self._tasks = TaskSet(f'link to "{name}"')
        self._posts: dict[int, asyncio.Task[None]] = {}
        self._session_id: str | None = None
        self._version: str | None = None
        self._before: asyncio.Task[None] | None = None
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

    def agreed(self, protocol_version: str) -> None:
        """From here on each request names the revision, and the server's own stream is opened."""
        self._version = protocol_version
        self._tasks.spawn(self._listen())

    def abandon(self, id: int) -> None:
        if (task := self._posts.get(id)) is not None:
            task.cancel()

    async def close(self) -> None:
        client, self._client, self._listener = self._client, None, None
        if client is None:
            return
        await self._tasks.cancel(CLOSE_SECONDS)
        if self._session_id is not None:
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    async with client.delete(self._url, headers=self._own({}), proxy=self._proxy):
                        pass
        await client.close()

    def _own(self, more: Mapping[str, str]) -> dict[str, str]:
        headers = {**self._headers, **more}
        if self._session_id is not None:
            headers["Mcp-Session-Id"] = self._session_id
        if self._version is not None:
            headers["MCP-Protocol-Version"] = self._version
        return headers

    async def _post(self, body: bytes, id: int | None, before: asyncio.Task[None] | None) -> None:
        if before is not None and not before.done():
            await asyncio.wait({before})
        try:
            await self._exchange(body, id)
        except CallFailure as failure:
            self._failed(id, failure)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            self._failed(id, failure_of(error))
        finally:
            if id is not None and self._posts.get(id) is asyncio.current_task():
                del self._posts[id]

    def _failed(self, id: int | None, failure: CallFailure) -> None:
        listener = self._listener
        if listener is None:
            return
        if id is not None:
            listener.failed(id, failure)
        else:
            log.warning('"%s": a notification could not be sent: %s', self._name, failure.cause)
        unreachable = failure.category is Category.TRANSPORT and not failure.started
        if failure.category is Category.SESSION or unreachable:
            self._lose(failure)

    def _lose(self, failure: CallFailure) -> None:
        listener = self._listener
        if listener is None or self._over:
            return
        self._over = True
        if failure.category is Category.SESSION and listener.expired is not None:
            # The other requests are POSTs of their own: the server answers each, and so do we.
            listener.expired(failure)
        else:
            self._listener = None
            listener.lost(failure)

    async def _exchange(self, body: bytes, id: int | None) -> None:
        client = self._client
        if client is None:
            return
        async with client.post(
            self._url, data=body, headers=self._own(_ACCEPT), proxy=self._proxy, allow_redirects=False
        ) as answer:
            if answer.status >= 300:
                raise await self._refused(answer)
            self._session_id = answer.headers.get("Mcp-Session-Id", self._session_id)
            if id is None:
                return
            if answer.content_type == "text/event-stream":
                resume = await self._stream(answer, id, EventBuffer())
            else:
                self._take(await _body(answer), id)
                resume = None
        if id in self._posts and resume is not None:
            await self._resume(id, resume)
        elif id in self._posts:
            raise CallFailure(Category.PROTOCOL, "the server's answer does not hold the result")

    async def _refused(self, answer: aiohttp.ClientResponse) -> CallFailure:
        body = await answer.content.read(4096)
        if answer.status == 404 and self._session_id is not None:
            cause = "the server no longer knows the session (HTTP 404)"
            return CallFailure(Category.SESSION, cause, started=False)
        return refusal(Refused(answer.status, body, answer.headers.get("WWW-Authenticate", "")))

    def _take(self, body: bytes, id: int | None) -> None:
        """Hands over the messages of one body; a request whose answer it is waits no longer."""
        listener = self._listener
        if listener is None or not body or body.isspace():
            return
        message = jsonrpc.parse(jsonrpc.on_one_line(body))
        if _answers(message, id) and id is not None:
            self._posts.pop(id, None)
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
        tries = 0
        while id in self._posts:
            if not buffer.last_id or tries >= RESUMPTIONS:
                raise failures.lost("the server ended the answer's stream before the answer", started=True)
            seen = buffer.last_id
            await asyncio.sleep(_retry_seconds(buffer, tries))
            try:
                await self._get(buffer, id)
            except Refused as refused:
                raise refusal(refused) from None
            except (aiohttp.ClientConnectionError, OSError) as error:
                log.info('"%s": resuming a stream: %s', self._name, error)
            tries = 0 if buffer.last_id != seen else tries + 1

    async def _get(self, buffer: EventBuffer, id: int | None) -> None:
        """One GET stream, to its end.

        Raises:
            Refused: The server does not give it.
        """
        client = self._client
        if client is None:
            return
        buffer.restart()
        headers = self._own({"Accept": "text/event-stream"})
        if buffer.last_id:
            headers["Last-Event-ID"] = buffer.last_id
        async with client.get(self._url, headers=headers, proxy=self._proxy, allow_redirects=False) as answer:
            if answer.status != 200 or answer.content_type != "text/event-stream":
                raise Refused(answer.status, await answer.content.read(4096), "")
            await self._stream(answer, id, buffer)

    async def _listen(self) -> None:
        """Keeps the server's own stream open; without one, pings."""
        buffer = EventBuffer()
        tries = 0
        while self._listener is not None and not self._over:
            seen = buffer.last_id
            try:
                await self._get(buffer, None)
                tries = 0
            except Refused as refused:
                if refused.status == 404 and self._session_id is not None:
                    cause = "the server no longer knows the session (HTTP 404)"
                    self._lose(CallFailure(Category.SESSION, cause, started=False))
                    return
                if refused.status < 500:
                    # No stream (405), or none for us: calls will tell what else is wrong.
                    await self._ping()
                    return
                tries += 1
            except (aiohttp.ClientConnectorError, ConnectionRefusedError) as error:
                self._lose(failure_of(error))
                return
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                log.info('"%s": its event stream broke: %s', self._name, error)
                tries = 0 if buffer.last_id != seen else tries + 1
            await asyncio.sleep(_retry_seconds(buffer, tries))

    async def _ping(self) -> None:
        """Asks a silent server whether it is there, so that its end is noticed before a call fails."""
        loop = asyncio.get_running_loop()
        count = 0
        while self._listener is not None and not self._over:
            await asyncio.sleep(PING_SECONDS)
            if self._posts or loop.time() - self._heard < PING_SECONDS:
                continue
            count += 1
            # An id of the link's own: the peer never gives a string, so the answer reaches nobody.
            ping = jsonrpc.request(f"callmux-alive-{count}", "ping", None).rstrip(b"\n")
            try:
                async with asyncio.timeout(PING_SECONDS):
                    await self._exchange(ping, None)
            except CallFailure as refused:
                if refused.category is Category.SESSION:
                    self._lose(refused)
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                broken = failure_of(error)
                if not broken.started:
                    self._lose(broken)


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    """The whole body; it grows as it comes, because to join the parts of a large one takes long."""
    body = BytesIO()
    async for chunk in answer.content.iter_any():
        body.write(chunk)
    return body.getvalue()


def _retry_seconds(buffer: EventBuffer, tries: int) -> float:
    base = DEFAULT_RETRY_SECONDS if buffer.retry_ms is None else buffer.retry_ms / 1000
    return min(base * 2.0**tries, LONGEST_RETRY_SECONDS)


def _answers(message: Message, id: int | None) -> bool:
    if isinstance(message, Batch):
        return any(_answers(part, id) for part in message.messages)
    return isinstance(message, Response | Failure) and message.id == id
