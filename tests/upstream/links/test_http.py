"""Streamable HTTP by itself: what is sent when, and what each ending means.

Whole conversations over it are in `tests/interaction/test_remote.py`.
"""

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
from callmux.upstream.links import http
from callmux.upstream.links.http import HttpLink
from callmux.upstream.links.link import Listener
from tests.interaction.carriers import listening
from tests.support import run, until

Handler = Callable[[web.Request, dict[str, Any]], Any]


class Desk:
    """A link and what it told."""

    def __init__(self, link: HttpLink) -> None:
        self.link = link
        self.received: list[Any] = []
        self.failed: dict[int, CallFailure] = {}
        self.lost: list[CallFailure] = []
        self.expired: list[CallFailure] = []

    def send(self, method: str, id: int | None = None) -> None:
        message = {"jsonrpc": "2.0", "method": method} | ({} if id is None else {"id": id})
        self.link.send(json.dumps(message).encode() + b"\n", id)

    async def answered(self, id: int) -> Any:
        await until(lambda: id in self.failed or any(getattr(m, "id", None) == id for m in self.received))
        return self.failed.get(id) or next(m for m in self.received if getattr(m, "id", None) == id)


@contextlib.asynccontextmanager
async def linked(handler: Handler) -> AsyncIterator[Desk]:
    async def handle(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        answer = handler(request, json.loads(body) if body else {})
        if asyncio.iscoroutine(answer):
            answer = await answer
        assert isinstance(answer, web.StreamResponse)
        return answer

    async with listening(handle) as origin:
        desk = Desk(HttpLink("s", f"{origin}/mcp", {"X-Own": "1"}))
        await desk.link.open(
            Listener(
                lambda message, id: desk.received.append(message),
                lambda id, failure: desk.failed.update({id: failure}),
                desk.lost.append,
                desk.expired.append,
            )
        )
        try:
            yield desk
        finally:
            await desk.link.close()


def result(message: dict[str, Any], **more: Any) -> web.Response:
    return web.json_response({"jsonrpc": "2.0", "id": message.get("id"), "result": {}}, **more)


def test_an_answer_is_handed_over() -> None:
    async def scene() -> None:
        async with linked(lambda request, message: result(message)) as desk:
            desk.send("a", 1)
            assert isinstance(await desk.answered(1), Response)
            assert repr(desk.link) == "HttpLink('s', 0 waiting)"

    run(scene())


def test_a_notification_that_is_refused_fails_nothing() -> None:
    async def scene() -> None:
        def handle(request: web.Request, message: dict[str, Any]) -> web.Response:
            return result(message) if "id" in message else web.Response(status=400)

        async with linked(handle) as desk:
            desk.send("notifications/x")
            desk.send("a", 1)
            assert isinstance(await desk.answered(1), Response)
            assert (desk.failed, desk.lost) == ({}, [])

    run(scene())


def test_a_redirect_is_not_followed_with_our_headers() -> None:
    async def scene() -> None:
        seen: list[str] = []

        def handle(request: web.Request, message: dict[str, Any]) -> web.Response:
            seen.append(request.path)
            return web.Response(status=307, headers={"Location": "/elsewhere"})

        async with linked(handle) as desk:
            desk.send("a", 1)
            failure = await desk.answered(1)
            assert failure.category is Category.PROTOCOL
            assert "new address" in failure.cause
            assert seen == ["/mcp"]

    run(scene())


def test_giving_a_request_up_ends_its_exchange() -> None:
    async def scene() -> None:
        ended = asyncio.Event()
        begun = asyncio.Event()

        async def handle(request: web.Request, message: dict[str, Any]) -> web.Response:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()
            raise AssertionError

        async with linked(handle) as desk:
            desk.send("a", 1)
            await begun.wait()
            desk.link.abandon(1)
            desk.link.abandon(99)
            await ended.wait()
            assert (desk.failed, desk.received) == ({}, [])

    run(scene())


def test_an_expired_session_ends_new_requests_and_not_those_under_way() -> None:
    async def scene() -> None:
        go = asyncio.Event()

        async def handle(request: web.Request, message: dict[str, Any]) -> web.Response:
            if message.get("method") == "slow":
                await go.wait()
                return result(message)
            if message.get("method") == "gone":
                return web.Response(status=404)
            return result(message, headers={"Mcp-Session-Id": "1"})

        async with linked(handle) as desk:
            desk.send("initialize", 1)
            await desk.answered(1)
            desk.send("slow", 2)
            desk.send("gone", 3)
            failure = await desk.answered(3)
            assert (failure.category, failure.started) == (Category.SESSION, False)
            assert (len(desk.expired), desk.lost) == (1, [])
            desk.send("gone", 4)
            await desk.answered(4)
            assert len(desk.expired) == 1
            go.set()
            assert isinstance(await desk.answered(2), Response)

    run(scene())


def test_without_a_session_a_404_is_a_refusal() -> None:
    async def scene() -> None:
        async with linked(lambda request, message: web.Response(status=404)) as desk:
            desk.send("initialize", 1)
            assert (await desk.answered(1)).category is Category.PROTOCOL
            assert (desk.expired, desk.lost) == ([], [])

    run(scene())


@pytest.mark.parametrize("gone", [False, True])
def test_a_silent_server_without_a_stream_is_asked_whether_it_is_there(
    gone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "PING_SECONDS", 0.02)

    async def scene() -> None:
        pings: list[Any] = []

        def handle(request: web.Request, message: dict[str, Any]) -> web.Response:
            if request.method != "POST":
                return web.Response(status=405)
            if message["method"] != "ping":
                return result(message, headers={"Mcp-Session-Id": "1"})
            pings.append(message["id"])
            return web.Response(status=404) if gone else result(message)

        async with linked(handle) as desk:
            desk.send("initialize", 1)
            await desk.answered(1)
            desk.link.agreed("2025-11-25")
            if gone:
                await until(lambda: desk.expired)
                assert len(pings) == 1
            else:
                await until(lambda: len(pings) > 2)
                assert (desk.expired, desk.lost) == ([], [])
                assert len(set(pings)) == len(pings)
            assert len(desk.received) == 1

    run(scene())


def test_a_server_that_cannot_be_reached_ends_the_link() -> None:
    async def scene() -> None:
        link = HttpLink("s", "http://127.0.0.1:9/mcp", {})
        desk = Desk(link)
        await link.open(
            Listener(lambda *_: None, lambda id, f: desk.failed.update({id: f}), desk.lost.append)
        )
        desk.send("a", 1)
        failure = await desk.answered(1)
        assert (failure.category, failure.started) == (Category.TRANSPORT, False)
        assert desk.lost == [failure]
        await link.close()
        await link.close()
        desk.send("a", 2)
        assert 2 not in desk.failed

    run(scene())


def test_closing_is_bounded_though_the_server_holds_its_breath(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "CLOSE_SECONDS", 0.05)

    async def scene() -> None:
        async def handle(request: web.Request, message: dict[str, Any]) -> web.Response:
            if request.method == "DELETE":
                await asyncio.Event().wait()
            return result(message, headers={"Mcp-Session-Id": "1"})

        async with linked(handle) as desk:
            desk.send("initialize", 1)
            await desk.answered(1)
            async with asyncio.timeout(5):
                await desk.link.close()

    run(scene())


@pytest.mark.parametrize(
    ("retry", "tries", "seconds"),
    [(None, 0, 1.0), (None, 2, 4.0), (None, 90, 30.0), (10, 1, 0.02), (0, 5, 0.0), (86_400_000, 0, 30.0)],
)
def test_how_long_to_wait_before_a_stream_is_asked_for_again(
    retry: int | None, tries: int, seconds: float
) -> None:
    buffer = http.EventBuffer()
    buffer.retry_ms = retry
    assert http._retry_seconds(buffer, tries) == seconds
