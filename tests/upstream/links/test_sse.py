"""HTTP+SSE by itself: the endpoint, the order of messages, and what each ending means."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web

from callmux.protocol.jsonrpc import Response
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.links.credentials import FixedHeaders
from callmux.upstream.links.link import Listener
from callmux.upstream.links.sse import SseLink
from tests.interaction.carriers import listening
from tests.support import real_loop, until


class Desk:
    """A link, what it told, and the server's stream."""

    def __init__(self) -> None:
        self.received: list[Any] = []
        self.failed: dict[int, CallFailure] = {}
        self.lost: list[CallFailure] = []
        self.bodies: list[Any] = []
        self.stream: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.post: Callable[[Any], Any] = lambda message: web.Response(status=202)
        self.get: Callable[[web.Request], web.StreamResponse | None] = lambda request: None
        self.start = b"event: endpoint\ndata: /messages?id=1\n\n"
        self.link: SseLink

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.method == "POST":
            message = json.loads(await request.read())
            self.bodies.append((str(request.rel_url), message))
            answer = self.post(message)
            response = await answer if asyncio.iscoroutine(answer) else answer
            assert isinstance(response, web.StreamResponse)
            return response
        if (refused := self.get(request)) is not None:
            return refused
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(self.start)
        while (data := await self.stream.get()) is not None:
            await response.write(data)
        return response

    def send(self, method: str, id: int | None = None) -> None:
        message = {"jsonrpc": "2.0", "method": method} | ({} if id is None else {"id": id})
        self.link.send(json.dumps(message).encode() + b"\n", id)

    async def open(self) -> None:
        await self.link.open(
            Listener(
                lambda message, id: self.received.append((message, id)),
                lambda id, failure: self.failed.update({id: failure}),
                self.lost.append,
            )
        )


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[Desk]:
    desk = Desk()
    async with listening(desk.handle) as origin:
        desk.link = SseLink("s", f"{origin}/sse", FixedHeaders({"X-Own": "1"}))
        try:
            yield desk
        finally:
            desk.stream.put_nowait(None)
            await desk.link.close()


@real_loop()
async def test_a_conversation() -> None:
    async with served() as desk:
        await desk.open()
        desk.send("a", 1)
        await until(lambda: desk.bodies)
        assert desk.bodies == [("/messages?id=1", {"jsonrpc": "2.0", "method": "a", "id": 1})]
        desk.stream.put_nowait(b': ping\n\nevent: odd\ndata: x\n\ndata: {"id":1,\ndata: "result":{}}\n\n')
        await until(lambda: desk.received)
        ((message, about),) = desk.received
        assert isinstance(message, Response)
        assert about is None


@real_loop()
async def test_messages_keep_their_order() -> None:
    go = asyncio.Event()

    async def slow(message: Any) -> web.Response:
        if message["method"] == "m0":
            await go.wait()
        return web.Response(status=202)

    async with served() as desk:
        desk.post = slow
        await desk.open()
        for n in range(5):
            desk.send(f"m{n}", n)
        await until(lambda: desk.bodies)
        go.set()
        await until(lambda: len(desk.bodies) == 5)
        assert [message["method"] for _, message in desk.bodies] == [f"m{n}" for n in range(5)]


@real_loop()
@pytest.mark.parametrize("status", [400, 500])
async def test_a_refused_post_fails_its_request_only(status: int) -> None:
    async with served() as desk:
        desk.post = lambda message: web.Response(status=202 if message["method"] == "ping" else status)
        await desk.open()
        desk.send("notifications/x")
        desk.send("a", 1)
        await until(lambda: 1 in desk.failed)
        assert desk.failed[1].started
        assert desk.lost == []


@real_loop()
async def test_a_404_means_that_the_session_is_over() -> None:
    async with served() as desk:
        desk.post = lambda message: web.Response(status=404)
        await desk.open()
        desk.send("a", 1)
        await until(lambda: desk.lost)
        assert (desk.failed[1].category, desk.failed[1].started) == (Category.SESSION, False)
        assert desk.lost[0].category is Category.SESSION


@real_loop()
@pytest.mark.parametrize("status", [400, 401, 410, 422, 500, 503])
async def test_a_session_that_no_ping_reaches_is_over(status: int) -> None:
    """Whether the request was taken is another matter."""

    async with served() as desk:
        desk.post = lambda message: web.Response(status=status, text="no such session")
        await desk.open()
        desk.send("a", 1)
        await until(lambda: desk.lost)
        assert desk.failed[1].over
        assert desk.failed[1].started is (status != 400)
        assert desk.failed[1].repeatable(False) is (status == 400)


@real_loop()
async def test_the_stream_may_be_elsewhere_in_its_origin_and_nowhere_else() -> None:
    stolen: list[web.Request] = []

    async def thief(request: web.Request) -> web.StreamResponse:
        stolen.append(request)
        return web.Response(status=500)

    async with listening(thief) as elsewhere, served() as desk:
        desk.get = lambda request: web.Response(status=307, headers={"Location": f"{elsewhere}/sse"})
        with pytest.raises(CallFailure, match="redirects"):
            await desk.open()
        assert stolen == []
    async with served() as desk:
        desk.start = b"event: endpoint\ndata: messages?id=a%2Fb\n\n"
        desk.get = lambda request: (
            web.Response(status=308, headers={"Location": "/deep/sse"}) if request.path == "/sse" else None
        )
        await desk.open()
        desk.send("a", 1)
        await until(lambda: desk.bodies)
        assert desk.bodies[0][0] == "/deep/messages?id=a%2Fb"


@real_loop()
@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:1/m", "//elsewhere.example/m", "http://[", "/a b", "ftp://127.0.0.1/m"]
)
async def test_an_endpoint_that_cannot_be_used_is_refused(endpoint: str) -> None:
    async with served() as desk:
        desk.start = f"event: endpoint\ndata: {endpoint}\n\n".encode()
        with pytest.raises(CallFailure, match="endpoint event names"):
            await desk.open()


@real_loop()
async def test_a_message_without_end_ends_the_link() -> None:
    async with served() as desk:
        desk.link = SseLink("s", desk.link._place.url, FixedHeaders({}), limit=1000)
        await desk.open()
        desk.stream.put_nowait(b"data: " + b"x" * 2000)
        await until(lambda: desk.lost)
        assert "larger than 1000 bytes" in desk.lost[0].cause


@real_loop()
async def test_the_end_of_the_stream_is_told_once() -> None:
    async with served() as desk:
        await desk.open()
        desk.stream.put_nowait(None)
        await until(lambda: desk.lost)
        desk.send("a", 1)
        await until(lambda: desk.bodies)
        assert len(desk.lost) == 1


@real_loop()
@pytest.mark.parametrize(
    ("answer", "category"),
    [
        (web.Response(status=401), Category.AUTHORIZATION),
        (web.Response(status=405), Category.PROTOCOL),
        (web.Response(text="<html>", content_type="text/html"), None),
    ],
)
async def test_a_server_without_such_a_stream_cannot_be_opened(
    answer: web.Response, category: Category | None
) -> None:
    async with served() as desk:
        desk.get = lambda request: answer
        with pytest.raises(CallFailure) as caught:
            await desk.open()
        assert category in (None, caught.value.category)
        assert desk.lost == []


@real_loop()
async def test_a_stream_that_ends_before_its_endpoint_cannot_be_opened() -> None:
    async with served() as desk:
        desk.start = b": nothing\n\n"
        desk.stream.put_nowait(None)
        with pytest.raises(CallFailure, match="ended its event stream"):
            await desk.open()


@real_loop()
async def test_giving_up_while_it_opens_leaves_nothing() -> None:
    async with served() as desk:
        desk.start = b": nothing\n\n"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await desk.open()
        await desk.link.close()
        await desk.link.close()
