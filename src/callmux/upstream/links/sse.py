"""A server behind the older HTTP+SSE transport (MCP 2024-11-05): one stream in, POSTs out.

Made by `callmux.upstream.links.opening`, used through `callmux.upstream.links.link`. The stream's first
event names the address for POSTs, which must be of the same origin; when the stream ends, the session has
ended. What an answer means is decided by `callmux.protocol.http_client`.
"""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp

from callmux.protocol import http_client, jsonrpc
from callmux.protocol.failure_points import Carrier, Point, Session, known
from callmux.protocol.http_answer import ping_refusal
from callmux.protocol.http_client import MAX_ANSWER
from callmux.protocol.sse import EventBuffer
from callmux.tasks import TaskSet
from callmux.upstream import failures
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.links.credentials import Credentials
from callmux.upstream.links.link import Listener
from callmux.upstream.links.web import (
    StatusRefused,
    StatusVerdict,
    WebAddress,
    failure_of,
    open_client,
    refused,
    verdict,
)

DOUBT_SECONDS = 5.0
"""How long a server may take to take a ping, when it seems to have forgotten the session."""

_PING = b'{"jsonrpc":"2.0","id":"callmux-alive","method":"ping"}'
_STREAM = {"Accept": "text/event-stream"}
_JSON = {"Content-Type": "application/json"}


class SseLink:
    """One session with one server.

    Args:
        name: The server's name.
        url: The address of its stream.
        credentials: Who asks.
        limit: Bytes of the largest message that is taken.
    """

    transport = "sse"

    def __init__(self, name: str, url: str, credentials: Credentials, limit: int = MAX_ANSWER) -> None:
        self._name = name
        self._place = WebAddress(url, credentials)
        self._credentials = credentials
        self._limit = limit
        self._client: aiohttp.ClientSession | None = None
        self._listener: Listener | None = None
        self._tasks = TaskSet(f'link to "{name}"')
        self._endpoint: asyncio.Future[WebAddress] | None = None
        self._last: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"SseLink({self._name!r})"

    async def open(self, listener: Listener) -> None:
        """Opens the stream and waits for the address of POSTs.

        Raises:
            CallFailure: It cannot be had.
        """
        self._client = open_client()
        self._listener = listener
        self._endpoint = asyncio.get_running_loop().create_future()
        self._tasks.spawn(self._read(self._client, self._endpoint))
        await self._endpoint

    async def _read(self, client: aiohttp.ClientSession, endpoint: asyncio.Future[WebAddress]) -> None:
        ended = known(Carrier.SSE, Point.ENDED).begun
        failure = failures.lost("the server ended its event stream", started=ended)
        try:
            await self._events(client, endpoint)
        except CallFailure as error:
            failure = error
        except StatusRefused as refusal:
            failure = verdict(refusal, Carrier.SSE, named=False).failure
        except Exception as error:  # noqa: BLE001 - the root of the stream: its end is told, whatever ends it
            failure = failure_of(error, Carrier.SSE)
        if not endpoint.done():
            endpoint.set_exception(failure)
        else:
            self._lose(failure)

    async def _events(self, client: aiohttp.ClientSession, endpoint: asyncio.Future[WebAddress]) -> None:
        arrived = [self._place.url]
        async with await self._place.send(client, "GET", _STREAM, arrived=arrived) as answer:
            if answer.status != 200 or answer.content_type != "text/event-stream":
                raise await refused(answer)
            buffer = EventBuffer(self._limit)
            async for chunk in answer.content.iter_any():
                for event in buffer.feed(chunk):
                    if event.name == "endpoint" and not endpoint.done():
                        endpoint.set_result(_address(arrived[0], event.data, self._credentials))
                    elif event.name == "message" and self._listener is not None:
                        self._listener.received(jsonrpc.parse(jsonrpc.on_one_line(event.data)), None)

    def send(self, line: bytes, id: int | None = None, last: bool = False) -> None:
        if self._client is not None:
            self._last = self._tasks.spawn(self._post(self._client, line.rstrip(b"\n"), id, self._last))

    async def _post(
        self, client: aiohttp.ClientSession, body: bytes, id: int | None, before: asyncio.Task[None] | None
    ) -> None:
        # One at a time: the transport promises an order, and the answers come on the stream anyway.
        if before is not None and not before.done():
            await asyncio.wait({before})
        assert self._endpoint is not None
        place = self._endpoint.result()
        try:
            async with await place.send(client, "POST", _JSON, body) as answer:
                if answer.status < 300:
                    return
                raise await refused(answer)
        except StatusRefused as refusal:
            ruling = verdict(refusal, Carrier.SSE, named=True, id=id)
            failure = await self._weighed(client, place, ruling)
        except CallFailure as error:
            failure = error
        except Exception as error:  # noqa: BLE001 - the root of a request: whoever waits for it is told
            failure = failure_of(error, Carrier.SSE)
        listener = self._listener
        if listener is not None:
            if id is not None:
                listener.failed(id, failure)
            if failure.over or (failure.category is Category.TRANSPORT and not failure.started):
                self._lose(failure)

    async def _weighed(
        self, client: aiohttp.ClientSession, place: WebAddress, ruling: StatusVerdict
    ) -> CallFailure:
        """What a refusal means; where that is in doubt, the server is asked whether it still knows us."""
        if ruling.known.session is not Session.DOUBTED:
            return ruling.failure
        # That it cannot be asked says nothing of the session.
        with contextlib.suppress(aiohttp.ClientError, CallFailure, OSError, TimeoutError):
            async with asyncio.timeout(DOUBT_SECONDS):
                try:
                    async with await place.send(client, "POST", _JSON, _PING) as answer:
                        no = await refused(answer)
                except StatusRefused as refusal:
                    no = refusal
                ping = ping_refusal(no.status, no.body, retry_after=no.retry_after)
                if ping is not None:
                    return ruling.forgotten(ping)
        return ruling.failure

    def _lose(self, failure: CallFailure) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.lost(failure)

    def agreed(self, protocol_version: str) -> None:
        """Does nothing: the older transport does not name the revision again."""

    def abandon(self, id: int) -> None:
        """Does nothing: the stream is shared by all requests."""

    async def close(self) -> None:
        client, self._client, self._listener = self._client, None, None
        if client is None:
            return
        try:
            await self._tasks.cancel(1.0)
        finally:
            if self._endpoint is not None and self._endpoint.done():
                with contextlib.suppress(CallFailure, asyncio.CancelledError):
                    self._endpoint.exception()
            await client.close()


def _address(stream: str, data: bytes, credentials: Credentials) -> WebAddress:
    """Where POSTs go: what the `endpoint` event of the stream at `stream` says, encoded as it is written."""
    said = data.decode("utf-8", "replace").strip()
    address = http_client.resolved(stream, said)
    if address is None or not http_client.same_origin(stream, address):
        raise ValueError(f"the server's endpoint event names another origin, or none: {said[:200]!r}")
    return WebAddress(address, credentials)
