"""A server behind the older HTTP+SSE transport (MCP 2024-11-05): one stream in, POSTs out.

Called by `callmux.upstream.connection` through `opening` and `fallback`. The stream's first event names the
address for POSTs, which must be of the same origin; when the stream ends, the session has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from urllib.parse import urljoin, urlsplit

import aiohttp

from callmux.protocol import jsonrpc
from callmux.protocol.sse import EventBuffer
from callmux.tasks import TaskSet
from callmux.upstream import failures
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.links.link import Listener
from callmux.upstream.links.web import Refused, failure_of, open_client, proxy_for, refusal


class SseLink:
    """One session with one server.

    Args:
        name: The server's name.
        url: The address of its stream.
        headers: Sent with every request.
    """

    transport = "sse"

    def __init__(self, name: str, url: str, headers: Mapping[str, str]) -> None:
        self._name = name
        self._url = url
        self._headers = dict(headers)
        self._proxy = proxy_for(url)
        self._client: aiohttp.ClientSession | None = None
        self._listener: Listener | None = None
        self._tasks = TaskSet(f'link to "{name}"')
        self._endpoint: asyncio.Future[str] | None = None
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

    async def _read(self, client: aiohttp.ClientSession, endpoint: asyncio.Future[str]) -> None:
        headers = {**self._headers, "Accept": "text/event-stream"}
        failure = failures.lost("the server ended its event stream", started=True)
        try:
            async with client.get(self._url, headers=headers, proxy=self._proxy) as answer:
                if answer.status != 200 or answer.content_type != "text/event-stream":
                    challenge = answer.headers.get("WWW-Authenticate", "")
                    raise refusal(Refused(answer.status, await answer.content.read(4096), challenge))
                buffer = EventBuffer()
                async for chunk in answer.content.iter_any():
                    for event in buffer.feed(chunk):
                        if event.name == "endpoint" and not endpoint.done():
                            endpoint.set_result(self._address(event.data))
                        elif event.name == "message" and self._listener is not None:
                            self._listener.received(jsonrpc.parse(jsonrpc.on_one_line(event.data)), None)
        except CallFailure as error:
            failure = error
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            failure = failure_of(error)
        if not endpoint.done():
            endpoint.set_exception(failure)
        elif self._listener is not None:
            listener, self._listener = self._listener, None
            listener.lost(failure)

    def _address(self, data: bytes) -> str:
        address = urljoin(self._url, data.decode("utf-8", "replace").strip())
        ours, theirs = urlsplit(self._url), urlsplit(address)
        if (ours.scheme, ours.netloc) != (theirs.scheme, theirs.netloc):
            raise ValueError(f"the server's endpoint event names another origin: {theirs.netloc}")
        return address

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
        headers = {**self._headers, "Content-Type": "application/json"}
        try:
            async with client.post(
                self._endpoint.result(), data=body, headers=headers, proxy=self._proxy, allow_redirects=False
            ) as answer:
                if answer.status < 300:
                    return
                challenge = answer.headers.get("WWW-Authenticate", "")
                failure = refusal(Refused(answer.status, await answer.content.read(4096), challenge))
                if answer.status == 404:
                    cause = "the server no longer knows the session (HTTP 404)"
                    failure = CallFailure(Category.SESSION, cause, started=False)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            failure = failure_of(error)
        listener = self._listener
        if listener is not None:
            if id is not None:
                listener.failed(id, failure)
            unreachable = failure.category is Category.TRANSPORT and not failure.started
            if failure.category is Category.SESSION or unreachable:
                self._listener = None
                listener.lost(failure)

    def agreed(self, protocol_version: str) -> None:
        """The older transport does not name the revision again."""

    def abandon(self, id: int) -> None:
        """The stream is shared: nothing to give up."""

    async def close(self) -> None:
        client, self._client, self._listener = self._client, None, None
        if client is None:
            return
        await self._tasks.cancel(1.0)
        if self._endpoint is not None and self._endpoint.done():
            with contextlib.suppress(CallFailure, asyncio.CancelledError):
                self._endpoint.exception()
        await client.close()
