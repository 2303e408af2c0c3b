"""A link shows whatever its credentials give, and nothing of a link knows where that comes from."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
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
        self.lost: list[CallFailure] = []

    async def greets(self) -> None:
        """Begins a session, as request 1."""
        self.link.send(b'{"id":1,"method":"initialize"}', 1)
        await until(lambda: self.received == [1])

    async def open(self) -> None:
        await self.link.open(
            Listener(
                lambda message, id: (
                    self.received.append(int(message.id)) if isinstance(message, Response) else None
                ),
                lambda id, failure: self.failed.update({id: failure}),
                self.lost.append,
                self.lost.append,
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


class Unsigned:
    """Credentials of a server that nobody has signed in to."""

    def __init__(self) -> None:
        self.gone = False

    def lose(self) -> None:
        """Has none from now on."""
        self.gone = True

    def headers(self) -> Mapping[str, str]:
        if self.gone:
            raise CallFailure(Category.AUTHORIZATION, "run login", started=False, sign_in=True)
        return {}

    async def refused(self, challenge: Challenge) -> bool:
        raise CallFailure(Category.AUTHORIZATION, "run login", started=False, lasting=True, sign_in=True)


class Moody:
    """A server without a sign-in that refuses some requests all the same.

    Attributes:
        refuses: Methods of HTTP and of JSON-RPC; each is taken away once it was refused, if `once`.
        asked: All there were.
        then: Called when it carries out a call.
    """

    def __init__(self, *refuses: str, status: int = 401, challenge: str = "Bearer") -> None:
        self.refuses = set(refuses)
        self.once = False
        self.status = status
        self.challenge = {"WWW-Authenticate": challenge} if challenge else {}
        self.asked: Counter[str] = Counter()
        self.then: Callable[[], None] = lambda: None
        self.breaks = False
        self.stream: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        message = json.loads(body) if body else {}
        what = message.get("method", request.method)
        self.asked[what] += 1
        if what == "a":
            self.then()
        if what in self.refuses:
            if self.once:
                self.refuses.remove(what)
            return web.Response(status=self.status, headers=self.challenge)
        stream = {"Content-Type": "text/event-stream"}
        if request.method == "GET" and request.path == "/sse":
            response = web.StreamResponse(headers=stream)
            await response.prepare(request)
            await response.write(b"event: endpoint\ndata: /messages\n\n")
            while (data := await self.stream.get()) is not None:
                await response.write(data)
            return response
        if request.method in ("GET", "DELETE"):
            return web.Response(status=405)
        if self.breaks and what == "a":
            return web.Response(body=b"id: e1\nretry: 1\ndata: \n\n", headers=stream)
        return web.json_response(
            {"jsonrpc": "2.0", "id": message.get("id"), "result": {}}, headers={"Mcp-Session-Id": "x"}
        )


CHALLENGES = [(401, "Bearer"), (401, ""), (403, 'Bearer error="insufficient_scope", scope="a"')]


@real_loop()
@pytest.mark.parametrize(("status", "challenge"), CHALLENGES)
async def test_a_resume_that_wants_a_sign_in_leaves_open_what_became_of_the_call(
    status: int, challenge: str
) -> None:
    server = Moody("GET", status=status, challenge=challenge)
    async with listening(server.handle) as origin:
        desk = Desk("http", origin, Unsigned())
        await desk.open()
        await desk.greets()
        server.breaks = True
        await desk.asks(2)
        failure = desk.failed[2]
        assert (failure.started, failure.sign_in, failure.over) == (True, False, False)
        assert (failure.repeatable(True), failure.repeatable(False)) == (True, False)
        assert desk.lost == []
        server.breaks = False
        await desk.asks(3)
        assert 3 in desk.received
        await desk.link.close()


@real_loop()
async def test_a_resume_for_which_there_are_no_credentials_leaves_open_what_became_of_the_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("callmux.protocol.http_client.RESUMPTIONS", 2)
    server, credentials = Moody(), Unsigned()
    server.breaks = True
    async with listening(server.handle) as origin:
        desk = Desk("http", origin, credentials)
        await desk.open()
        await desk.greets()
        server.then = credentials.lose
        await desk.asks(2)
        assert (desk.failed[2].started, desk.failed[2].sign_in) == (True, False)
        assert "run login" in desk.failed[2].cause
        await desk.link.close()


@real_loop()
@pytest.mark.parametrize("challenge", ["Bearer", ""])
async def test_a_session_that_is_forgotten_with_a_401_is_begun_anew(challenge: str) -> None:
    server = Moody(challenge=challenge)
    async with listening(server.handle) as origin:
        desk = Desk("http", origin, Unsigned())
        await desk.open()
        await desk.greets()
        server.refuses = {"a", "ping"}
        await desk.asks(2)
        failure = desk.failed[2]
        assert (failure.over, failure.started) == (True, not challenge)
        assert (failure.repeatable(True), failure.repeatable(False)) == (True, False)
        # Should the server want a sign-in of the new session, too, it is said what to do.
        assert (failure.sign_in, failure.cause) == (True, "run login")
        assert [one.over for one in desk.lost] == [True]
        await desk.link.close()


@real_loop()
async def test_one_call_that_wants_a_sign_in_ends_no_session() -> None:
    server = Moody()
    async with listening(server.handle) as origin:
        desk = Desk("http", origin, Unsigned())
        await desk.open()
        await desk.greets()
        server.refuses, server.once = {"a"}, True
        await desk.asks(2, 3)
        (failure,) = desk.failed.values()
        assert (failure.sign_in, failure.started, failure.over, failure.lasting) == (True, False, False, True)
        assert (len(desk.received), desk.lost) == (2, [])
        assert server.asked["ping"] == 1
        await desk.link.close()


@real_loop()
@pytest.mark.parametrize(("status", "challenge"), CHALLENGES)
async def test_a_stream_of_its_own_and_an_end_that_want_a_sign_in_end_nothing(
    status: int, challenge: str
) -> None:
    server = Moody("GET", "DELETE", status=status, challenge=challenge)
    async with listening(server.handle) as origin:
        desk = Desk("http", origin, Unsigned())
        await desk.open()
        await desk.greets()
        desk.link.agreed("2025-11-25")
        await until(lambda: server.asked["GET"] and server.asked["ping"])
        await desk.asks(2)
        assert (desk.received, desk.lost) == ([1, 2], [])
        await desk.link.close()
        assert (server.asked["GET"], server.asked["DELETE"]) == (1, 1)


@real_loop()
async def test_a_ping_for_which_there_are_no_credentials_says_nothing_of_the_session() -> None:
    server, credentials = Moody("a", status=400, challenge=""), Unsigned()
    async with listening(server.handle) as origin:
        desk = Desk("http", origin, credentials)
        await desk.open()
        await desk.greets()
        server.then = credentials.lose
        await desk.asks(2)
        assert (desk.failed[2].started, desk.failed[2].over) == (True, False)
        await desk.link.close()


@real_loop()
@pytest.mark.parametrize("challenge", ["Bearer", ""])
async def test_the_older_transport_says_so_where_its_stream_wants_a_sign_in(challenge: str) -> None:
    server = Moody("GET", challenge=challenge)
    async with listening(server.handle) as origin:
        desk = Desk("sse", origin, Unsigned())
        with pytest.raises(CallFailure, match="run login") as caught:
            await desk.open()
        assert caught.value.sign_in
        await desk.link.close()


@real_loop()
@pytest.mark.parametrize("ping", [True, False])
async def test_the_older_transport_begins_anew_where_pings_want_a_sign_in_as_well(ping: bool) -> None:
    server = Moody("a", *(["ping"] if ping else []))
    async with listening(server.handle) as origin:
        desk = Desk("sse", origin, Unsigned())
        await desk.open()
        await desk.asks(1)
        failure = desk.failed[1]
        assert (failure.sign_in, failure.started, failure.over) == (True, False, ping)
        assert [one.over for one in desk.lost] == ([True] if ping else [])
        server.stream.put_nowait(None)
        await desk.link.close()


def test_fixed_headers_are_the_same_for_every_request_and_no_secret_of_the_log() -> None:
    fixed = FixedHeaders({"Authorization": "Bearer secret", "X": "y"})
    assert fixed.headers() == {"Authorization": "Bearer secret", "X": "y"}
    assert fixed.refused(Challenge(401, "", {})) is False
    assert repr(fixed) == "FixedHeaders(['Authorization', 'X'])"
