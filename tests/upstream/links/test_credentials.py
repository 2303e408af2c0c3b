"""A link shows whatever its credentials give, and nothing of a link knows where that comes from."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web

from callmux.protocol.jsonrpc import Response
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.links.credentials import Challenge, Credentials, FixedHeaders
from callmux.upstream.links.http import HttpLink
from callmux.upstream.links.link import Listener
from callmux.upstream.links.sse import SseLink
from callmux.upstream.links.web import MOST_REFUSALS
from tests.interaction.carriers import listening
from tests.support import real_loop, until

CHALLENGE = 'Bearer resource_metadata="https://s/.well-known/oauth-protected-resource"'


class Tokens:
    """Credentials that get a new token, which takes a while, whenever the server refuses the newest one."""

    def __init__(self, *, most: int = 100) -> None:
        self.number = 0
        self.most = most
        self.heard: list[Challenge] = []
        self.gone = False
        self._lock = asyncio.Lock()

    async def headers(self) -> Mapping[str, str]:
        await asyncio.sleep(0)
        if self.gone:
            raise CallFailure(Category.AUTHORIZATION, "sign in again", started=False)
        return {"Authorization": f"Bearer {self.number}"}

    async def refused(self, challenge: Challenge) -> bool:
        self.heard.append(challenge)
        async with self._lock:
            # Of many requests that are refused at once, one gets the new token.
            if challenge.sent == await self.headers():
                if self.number == self.most:
                    return False
                await asyncio.sleep(0.01)
                self.number += 1
        return True


class Guarded:
    """A server of either transport that wants one token."""

    def __init__(self) -> None:
        self.wanted = 1
        self.status = 401
        self.refused: Counter[str] = Counter()
        self.done: list[tuple[str, Any]] = []
        self.streams: list[web.StreamResponse] = []
        self.over = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if request.headers.get("Authorization") != f"Bearer {self.wanted}":
            asked = json.loads(body).get("method") if body else request.method
            self.refused[asked] += 1
            return web.Response(status=self.status, headers={"WWW-Authenticate": CHALLENGE})
        message = json.loads(body) if body else {}
        self.done.append((request.method, message.get("method")))
        if request.method == "GET":
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            self.streams.append(response)
            if request.path == "/sse":
                await response.write(b"event: endpoint\ndata: /messages\n\n")
            await self.over.wait()
            return response
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": message.get("id"), "result": {}}
        if request.path == "/messages":
            await self.streams[0].write(b"data: " + json.dumps(answer).encode() + b"\n\n")
            return web.Response(status=202)
        return web.json_response(answer, headers={"Mcp-Session-Id": "x"})


class Desk:
    """A link to it, and what it told."""

    def __init__(self, kind: str, origin: str, credentials: Credentials) -> None:
        self.link = (
            SseLink("s", f"{origin}/sse", credentials)
            if kind == "sse"
            else HttpLink("s", f"{origin}/mcp", credentials)
        )
        self.received: list[int] = []
        self.failed: dict[int, CallFailure] = {}

    async def open(self) -> None:
        await self.link.open(
            Listener(
                lambda message, id: (
                    self.received.append(int(message.id)) if isinstance(message, Response) else None
                ),
                lambda id, failure: self.failed.update({id: failure}),
                lambda failure: None,
            )
        )

    async def asks(self, *ids: int) -> None:
        for id in ids:
            self.link.send(json.dumps({"id": id, "method": "a"}).encode(), id)
        await until(lambda: all(id in self.received or id in self.failed for id in ids))


KINDS = ["http", "sse"]


@real_loop()
@pytest.mark.parametrize("kind", KINDS)
async def test_a_refused_request_is_sent_again_with_what_was_got_meanwhile(kind: str) -> None:
    server, tokens = Guarded(), Tokens()
    async with listening(server.handle) as origin:
        desk = Desk(kind, origin, tokens)
        await desk.open()
        await desk.asks(1)
        assert (desk.received, desk.failed, tokens.number) == ([1], {}, 1)
        assert [(one.status, one.said) for one in tokens.heard] == [(401, CHALLENGE)]
        # Long after the link was opened, the token runs out; many requests find that out.
        server.wanted = 2
        await desk.asks(*range(2, 12))
        assert sorted(desk.received) == list(range(1, 12))
        assert tokens.number == 2
        assert len([one for one in server.done if one[0] == "POST"]) == 11, "each was done once"
        server.over.set()
        await desk.link.close()


@real_loop()
async def test_every_request_of_a_link_has_them() -> None:
    """Also the stream of the server's own, and the end of the session."""

    server, tokens = Guarded(), Tokens()
    async with listening(server.handle) as origin:
        desk = Desk("http", origin, tokens)
        await desk.open()
        await desk.asks(1)
        server.wanted = 2
        desk.link.agreed("2025-11-25")
        await until(lambda: server.streams)
        server.wanted = 3
        await desk.link.close()
        server.over.set()
        assert [method for method, _ in server.done] == ["POST", "GET", "DELETE"]
        assert server.refused == {"a": 1, "GET": 1, "DELETE": 1}


@real_loop()
@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_that_is_never_content_is_not_asked_for_ever(kind: str, status: int) -> None:
    server, tokens = Guarded(), Tokens()
    async with listening(server.handle) as origin:
        desk = Desk(kind, origin, tokens)
        server.wanted = 0
        await desk.open()
        server.wanted, server.status = -1, status
        await desk.asks(1)
        assert desk.failed[1].category is Category.AUTHORIZATION
        assert not desk.failed[1].started
        assert server.refused["a"] == MOST_REFUSALS + 1
        server.over.set()
        await desk.link.close()


@real_loop()
@pytest.mark.parametrize("kind", KINDS)
async def test_without_others_the_first_refusal_stands(kind: str) -> None:
    server = Guarded()
    async with listening(server.handle) as origin:
        for credentials in (Tokens(most=1), FixedHeaders({"Authorization": "Bearer 1"})):
            if isinstance(credentials, Tokens):
                credentials.number = 1
            server.wanted = 1
            desk = Desk(kind, origin, credentials)
            await desk.open()
            server.wanted = 2
            server.refused.clear()
            await desk.asks(1)
            assert desk.failed[1].category is Category.AUTHORIZATION
            assert CHALLENGE in desk.failed[1].cause
            assert server.refused["a"] == 1
            server.over.set()
            await desk.link.close()
            server.over.clear()
            server.streams.clear()


@real_loop()
@pytest.mark.parametrize("kind", KINDS)
async def test_where_none_can_be_had_the_request_is_not_sent(kind: str) -> None:
    server, tokens = Guarded(), Tokens()
    async with listening(server.handle) as origin:
        desk = Desk(kind, origin, tokens)
        await desk.open()
        await desk.asks(1)
        posts = len(server.done)
        tokens.gone = True
        await desk.asks(2)
        assert desk.failed[2].cause == "sign in again"
        assert not desk.failed[2].started
        assert len(server.done) == posts
        server.over.set()
        await desk.link.close()


def test_fixed_headers_are_the_same_for_every_request_and_no_secret_of_the_log() -> None:
    fixed = FixedHeaders({"Authorization": "Bearer secret", "X": "y"})
    assert fixed.headers() == {"Authorization": "Bearer secret", "X": "y"}
    assert fixed.refused(Challenge(401, "", {})) is False
    assert repr(fixed) == "FixedHeaders(['Authorization', 'X'])"
