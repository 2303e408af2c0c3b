"""Remote servers and their odd ways: lost sessions, broken streams, refused credentials, sudden ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from callmux.upstream.health import State
from tests.support import SECONDS

from .bench import Bench, bench, interaction
from .carriers import HttpDoor, SseDoor, listening
from .raw_server import Call, Json, RawServer, text

SECRET = "Bearer very-secret-7f3a"
SOON: Json = {"reconnectPolicy": {"initialDelayMs": 5, "maxDelayMs": 20, "jitterRatio": 0}}


@contextlib.asynccontextmanager
async def remote(door: HttpDoor | SseDoor, *, greets_late: bool = True, **entry: Any) -> AsyncIterator[Bench]:
    """A host in front of this door, by whichever transport it turns out to have."""
    async with listening(door.handle) as origin:
        path = "/sse" if isinstance(door, SseDoor) else "/mcp"
        entries = {"raw": {"url": origin + path, **entry}}
        async with bench(entries=entries, greets_late=greets_late, **SOON) as b:
            yield b
        door.end()


def http(server: RawServer, **options: Any) -> HttpDoor:
    return HttpDoor(server, **options)


def health(b: Bench) -> Any:
    return b.host.runtime.servers["raw"].health


def posts(door: HttpDoor, method: str) -> list[Any]:
    """The headers of each POST of this method."""
    return [
        headers
        for verb, headers, body in door.seen
        if verb == "POST" and json.loads(body).get("method") == method
    ]


def gets(door: HttpDoor) -> list[Any]:
    return [headers for verb, headers, _ in door.seen if verb == "GET"]


# ---- headers and sessions ------------------------------------------------------------------------------


@interaction("http.headers")
async def test_requests_carry_what_they_must() -> None:
    door = http(RawServer(version="2025-06-18").has(a=text("1")))
    async with remote(door, headers={"Authorization": SECRET, "X-Own": "1"}) as b:
        client = await b.greeted()
        await client.call("a")
        assert all(
            headers["Authorization"] == SECRET and headers["X-Own"] == "1" for _, headers, _ in door.seen
        )
        (first,) = posts(door, "initialize")
        assert "Mcp-Session-Id" not in first
        assert "MCP-Protocol-Version" not in first
        (session,) = door.sessions
        for method in ("notifications/initialized", "tools/list", "tools/call"):
            (headers,) = posts(door, method)
            assert headers["Mcp-Session-Id"] == session
            assert headers["Content-Type"] == "application/json"
        assert posts(door, "tools/call")[0]["MCP-Protocol-Version"] == "2025-06-18"


@interaction("initialize.initialized")
async def test_no_request_overtakes_the_end_of_the_handshake() -> None:
    """Even where the notification takes its time: each POST is a request of its own."""
    go = asyncio.Event()
    order: list[str] = []

    class Slow(HttpDoor):
        async def handle(self, request: web.Request) -> web.StreamResponse:
            if request.method == "POST":
                method = json.loads(await request.read())["method"]
                if method == "notifications/initialized":
                    await go.wait()
                order.append(method)
            return await super().handle(request)

    slow = Slow(RawServer().has(a=text("1")))
    async with remote(slow, transport="streamable-http", greets_late=False) as b:
        client = b.client()
        await client.greet()
        pending = client.send("tools/call", {"name": "a"})
        await asyncio.sleep(0)
        assert order == ["initialize"]
        go.set()
        assert (await pending)["result"] == text("1")
        assert order[:2] == ["initialize", "notifications/initialized"]


@interaction("http.delete")
async def test_a_session_is_ended_politely() -> None:
    door = http(RawServer(), plain=True)
    async with remote(door) as b:
        await b.greeted()
        assert len(door.sessions) == 1
        await b.host.close()
        assert not door.sessions
        assert door.seen[-1][0] == "DELETE"


@pytest.mark.parametrize("plain", [True, False])
@interaction("http.session-lost")
async def test_a_lost_session_is_replaced_and_the_call_made_once_more(plain: bool) -> None:
    """A write, too: the server has said that it did not take it. Weak spot L5 of callmux (npm)."""
    done: list[Any] = []

    def write(call: Call) -> Json:
        done.append(call.params["arguments"])
        return text(f"written {len(done)}")

    server = RawServer().has(write=write)
    door = http(server, plain=plain)
    async with remote(door) as b:
        client = await b.greeted()
        assert await client.call("write", {"n": 1}) == text("written 1")
        (old,) = door.sessions
        door.sessions.clear()
        assert await client.call("write", {"n": 2}) == text("written 2")
        assert done == [{"n": 1}, {"n": 2}]
        assert len(server.peers) == 2
        assert old not in door.sessions
        assert len(posts(door, "initialize")) == 2
        assert "Mcp-Session-Id" not in posts(door, "initialize")[1]


@interaction("http.session-lost")
async def test_calls_at_the_same_time_survive_a_lost_session() -> None:
    server = RawServer().has(a=lambda call: text(str(call.params["arguments"]["n"])))
    door = http(server, plain=True)
    async with remote(door) as b:
        client = await b.greeted()
        door.sessions.clear()
        results = await asyncio.gather(*(client.call("a", {"n": n}) for n in range(20)))
        assert results == [text(str(n)) for n in range(20)]
        assert len(server.peers) == 2


@interaction("http.session-lost", "http.own-stream")
async def test_a_lost_session_is_noticed_by_the_stream_before_a_call() -> None:
    server = RawServer().has(a=text("1"))
    door = http(server)
    async with remote(door) as b:
        client = await b.greeted()
        await _opened(door)
        door.sessions.clear()
        _short_retry(door)
        door.end()
        await server_peer(server, 2)
        await b.host.runtime.servers["raw"].settled()
        assert await client.call("a") == text("1")


# ---- streams -------------------------------------------------------------------------------------------


class Resuming:
    """Answers tools/call on a stream that breaks after its first event, and goes on when it is resumed.

    Attributes:
        asked: The `Last-Event-ID` of each resumption.
        partial: What is written of the next event before the stream breaks.
    """

    def __init__(self, *, end: bool = False, partial: bytes = b"", attempts: int = 1) -> None:
        self.asked: list[str] = []
        self.end = end
        self.partial = partial
        self.attempts = attempts
        self.id: Any = None
        self.door = http(RawServer().has(a=text("1")))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        message = json.loads(body) if body else {}
        if request.method == "GET" and "Last-Event-ID" in request.headers:
            self.asked.append(request.headers["Last-Event-ID"])
            if len(self.asked) < self.attempts:
                return await self._broken(request, b"")
            return await self._rest(request)
        if message.get("method") == "tools/call":
            self.id = message["id"]
            note = {
                "jsonrpc": "2.0",
                "method": "notifications/message",
                "params": {"level": "info", "data": 1},
            }
            first = b"retry: 1\nid: e1\ndata: " + json.dumps(note).encode() + b"\n\n"
            return await self._broken(request, first + self.partial)
        return await self.door.handle(request)

    async def _broken(self, request: web.Request, start: bytes) -> web.StreamResponse:
        headers = {"Content-Type": "text/event-stream"}
        if not self.end:
            headers["Content-Length"] = "100000"
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        await response.write(start)
        if not self.end:
            assert request.transport is not None
            request.transport.close()
        return response

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        answer = {"jsonrpc": "2.0", "id": self.id, "result": text("at last")}
        await response.write(b"id: e2\ndata: " + json.dumps(answer).encode() + b"\n\n")
        return response


@contextlib.asynccontextmanager
async def resuming(server: Resuming) -> AsyncIterator[Bench]:
    async with listening(server.handle) as origin:
        async with bench(entries={"raw": {"url": f"{origin}/mcp"}}, **SOON) as b:
            yield b
        server.door.end()


@pytest.mark.parametrize("partial", [b"", b"id: e2\n", b'id: e2\ndata: {"jsonrpc":', b"data: x\nid: e2\n"])
@interaction("http.resume")
async def test_a_broken_answer_is_resumed_after_the_last_whole_event(partial: bytes) -> None:
    server = Resuming(partial=partial)
    async with resuming(server) as b:
        client = await b.greeted()
        assert await client.call("a") == text("at last")
        assert server.asked == ["e1"]
        assert len(client.heard("notifications/message")) == 1


@interaction("http.polling")
async def test_a_stream_that_the_server_closes_is_fetched_again() -> None:
    server = Resuming(end=True, attempts=3)
    async with resuming(server) as b:
        client = await b.greeted()
        assert await client.call("a") == text("at last")
        assert server.asked == ["e1"] * 3


@interaction("http.polling")
async def test_a_stream_may_begin_with_an_id_and_nothing_else() -> None:
    """The server primes the stream, closes it, and answers when it is asked again."""
    server = Resuming(end=True)

    async def primed(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        message = json.loads(body) if body else {}
        if message.get("method") != "tools/call":
            return await server.handle(request)
        server.id = message["id"]
        return await server._broken(request, b"id: p1\nretry: 1\ndata: \n\n")

    async with listening(primed) as origin, bench(entries={"raw": {"url": f"{origin}/mcp"}}, **SOON) as b:
        client = await b.greeted()
        assert await client.call("a") == text("at last")
        assert server.asked == ["p1"]
        server.door.end()


@pytest.mark.parametrize("end", [True, False])
@interaction("http.broken")
async def test_a_stream_that_breaks_without_an_id_fails_its_own_call_only(end: bool) -> None:
    """It may have been carried out: it is not made again."""
    server = Resuming(end=end)
    calls = 0

    async def broken(request: web.Request) -> web.StreamResponse:
        nonlocal calls
        body = await request.read()
        message = json.loads(body) if body else {}
        if message.get("method") != "tools/call" or message["params"]["arguments"]["ok"]:
            return await server.door.handle(request)
        calls += 1
        return await server._broken(request, b": nothing\n\n")

    async with listening(broken) as origin, bench(entries={"raw": {"url": f"{origin}/mcp"}}, **SOON) as b:
        client = await b.greeted()
        bad, good = await asyncio.gather(client.call("a", {"ok": False}), client.call("a", {"ok": True}))
        details = bad["structuredContent"]["error"]["details"]
        assert details["executionState"] == "unknown"
        assert details["safeToRetry"] is False
        assert good == text("1")
        assert calls == 1
        assert health(b).state is State.CONNECTED
        server.door.end()


@interaction("http.no-get")
async def test_a_server_without_a_stream_of_its_own_works() -> None:
    door = http(RawServer().has(a=text("1")), plain=True)
    door.get = False
    async with remote(door) as b:
        client = await b.greeted()
        assert await client.call("a") == text("1")
        assert health(b).state is State.CONNECTED
        assert len(gets(door)) <= 1


@interaction("http.own-stream", "tools.list-changed")
async def test_the_servers_own_stream_is_opened_again() -> None:
    server = RawServer().has(a=text("1"))
    door = http(server)
    async with remote(door) as b:
        client = await b.greeted()
        await client.request("tools/list")
        await _opened(door)
        _short_retry(door)
        door.end()
        await _opened(door, 2)
        server.has(b=text("2"))
        server.peer.tell("notifications/tools/list_changed")
        await client.told("notifications/tools/list_changed")
        assert await client.call("b") == text("2")
        assert len(server.peers) == 1


def _short_retry(door: HttpDoor) -> None:
    """The next stream that ends is opened again at once."""
    for queue in door._streams.values():
        queue.put_nowait(b'{"jsonrpc":"2.0","method":"notifications/x"}\nretry: 1')


async def _opened(door: HttpDoor, n: int = 1) -> None:
    async with asyncio.timeout(SECONDS):
        while len(gets(door)) < n:
            await asyncio.sleep(0.005)


async def server_peer(server: RawServer, n: int) -> None:
    async with asyncio.timeout(SECONDS):
        while len(server.peers) < n:
            await asyncio.sleep(0.005)


# ---- bodies --------------------------------------------------------------------------------------------


@interaction("http.pretty", "tools.call")
async def test_a_pretty_printed_body_passes_as_one_line() -> None:
    pretty = (
        b'{\r\n  "content" : [ {\n    "type": "text",\n    "text": "a\\nb  c"\n  } ],\n'
        b'  "structuredContent": {\n\t"n": 1.50,\n\t"big": 12345678901234567890.10\n  }\n}'
    )
    door = http(RawServer().has(a=pretty), plain=True)
    async with remote(door) as b:
        client = await b.greeted()
        expected = (
            b'{"content":[{"type":"text","text":"a\\nb  c"}],'
            b'"structuredContent":{"n":1.50,"big":12345678901234567890.10}}'
        )
        assert await client.result("tools/call", {"name": "a"}) == expected


@pytest.mark.parametrize(
    "answer",
    [
        b'{"jsonrpc":"2.0","id":999999,"result":{}}',
        b'{"jsonrpc":"2.0","id":"1","result":{}}',
        b'{"jsonrpc":"2.0","method":"notifications/x"}',
        b"{}",
        b"[]",
        b"",
        b"<html>",
        b'{"jsonrpc":"2.0","id":',
    ],
)
@interaction("http.wrong-session")
async def test_a_body_without_the_answer_fails_the_call(answer: bytes) -> None:
    door = http(RawServer().has(a=text("1")), plain=True)

    def refuse(request: web.Request, body: bytes) -> web.StreamResponse | None:
        if b'"tools/call"' in body and b'"bad"' in body:
            return web.Response(body=answer, content_type="application/json")
        return None

    door.refuse = refuse
    async with remote(door) as b:
        client = await b.greeted()
        bad, good = await asyncio.gather(client.call("a", {"bad": 1}), client.call("a"))
        assert bad["isError"] is True
        assert bad["structuredContent"]["error"]["details"]["category"] == "protocol"
        assert good == text("1")


# ---- refusals ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["streamable-http", "sse", None])
@pytest.mark.parametrize("status", [401, 403])
@interaction("http.credentials")
async def test_missing_credentials_say_what_to_do(
    status: int, transport: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    door = http(RawServer())
    challenge = {"WWW-Authenticate": 'Bearer resource_metadata="https://x.example/.well-known"'}
    door.refuse = lambda request, body: web.Response(status=status, headers=challenge, text="no entry")
    entry: Json = {"headers": {"Authorization": SECRET}} | ({"transport": transport} if transport else {})
    with caplog.at_level(logging.DEBUG):
        async with remote(door, **entry) as b:
            client = await b.greeted()
            said = health(b).error
            assert f"HTTP {status}" in said
            assert '"headers"' in said
            shown = await client.call("callmux_status")
            shown = {**shown, "call": await client.call("a")}
            everything = json.dumps(shown) + said + caplog.text
            assert "very-secret" not in everything
            if status == 401:
                assert "resource_metadata" in said


@interaction("http.credentials")
async def test_credentials_that_end_later_are_said_of_the_call() -> None:
    door = http(RawServer().has(a=text("1")), plain=True)
    door.refuse = lambda request, body: web.Response(status=401) if b'"tools/call"' in body else None
    async with remote(door, headers={"Authorization": SECRET}) as b:
        client = await b.greeted()
        result = await client.call("a")
        details = result["structuredContent"]["error"]["details"]
        assert details["category"] == "authorization"
        assert "headers" in result["content"][0]["text"]
        assert "very-secret" not in json.dumps(result)
        assert len(posts(door, "tools/call")) == 1


@interaction("errors.pass")
async def test_a_json_rpc_error_in_a_4xx_body_is_the_servers_own() -> None:
    door = http(RawServer().has(a=text("1")), plain=True)
    error = {"code": -32050, "message": "not now", "data": {"n": 1}}

    def refuse(request: web.Request, body: bytes) -> web.StreamResponse | None:
        message = json.loads(body) if body else {}
        if message.get("method") != "x/y":
            return None
        return web.json_response({"jsonrpc": "2.0", "id": message["id"], "error": error}, status=400)

    door.refuse = refuse
    async with remote(door) as b:
        client = await b.greeted()
        assert await client.refused("x/y") == error


# ---- which transport -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 404, 405, 406, 415])
@interaction("http.fallback")
async def test_a_server_of_the_older_transport_is_found(status: int) -> None:
    server = RawServer().has(a=text("1"))
    door = SseDoor(server)
    door.refuse = lambda request, body: (
        web.Response(status=status) if request.method == "POST" and request.path == "/sse" else None
    )
    async with remote(door) as b:
        client = await b.greeted()
        assert await client.call("a") == text("1")
        assert b.host.runtime.servers["raw"].transport == "sse"
        assert len(server.peers) == 1


@interaction("http.fallback")
async def test_the_newer_transport_is_taken_where_there_is_one() -> None:
    door = http(RawServer().has(a=text("1")))
    async with remote(door) as b:
        client = await b.greeted()
        assert await client.call("a") == text("1")
        assert b.host.runtime.servers["raw"].transport == "streamable-http"


@interaction("http.fallback")
async def test_where_neither_transport_answers_both_reasons_are_said() -> None:
    """Weak spot L38 of callmux (npm)."""
    door = http(RawServer())
    door.refuse = lambda request, body: web.Response(status=405 if request.method == "POST" else 418)
    async with remote(door) as b:
        await b.greeted()
        assert "405" in health(b).error
        assert "418" in health(b).error


@interaction("sse.endpoint")
async def test_messages_go_where_the_endpoint_event_says() -> None:
    server = RawServer().has(a=text("1"))
    door = SseDoor(server)
    door.endpoint = "messages?id=%s&x=1"
    async with remote(door, transport="sse", headers={"Authorization": SECRET}) as b:
        client = await b.greeted()
        assert await client.call("a") == text("1")
        assert all(headers["Authorization"] == SECRET for _, headers, _ in door.seen)


@pytest.mark.parametrize(
    "endpoint", ["http://evil.example/messages?id=%s", "//evil.example/?%s", "https:/x?%s"]
)
@interaction("sse.endpoint")
async def test_an_endpoint_of_another_origin_is_refused(endpoint: str) -> None:
    """The configured headers would go there."""
    door = SseDoor(RawServer())
    door.endpoint = endpoint
    async with remote(door, transport="sse", headers={"Authorization": SECRET}) as b:
        await b.greeted()
        assert "another origin" in health(b).error


@interaction("sse.lost")
async def test_when_the_stream_ends_a_new_session_begins() -> None:
    server = RawServer().has(a=text("1"))
    door = SseDoor(server)
    async with remote(door, transport="sse") as b:
        client = await b.greeted()
        door.end()
        await server_peer(server, 2)
        assert await client.call("a") == text("1")


# ---- ends ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [HttpDoor, SseDoor])
@interaction("http.death", "sse.lost")
async def test_the_end_of_a_server_is_noticed_before_a_call(
    kind: type[HttpDoor] | type[SseDoor],
) -> None:
    """Weak spot L41 of callmux (npm)."""
    server = RawServer().has(a=text("1"))
    door = kind(server)
    path = "/sse" if kind is SseDoor else "/mcp"
    async with contextlib.AsyncExitStack() as stack:
        serving = await stack.enter_async_context(contextlib.AsyncExitStack())
        origin = await serving.enter_async_context(listening(door.handle))
        b = await stack.enter_async_context(bench(entries={"raw": {"url": origin + path}}, **SOON))
        client = await b.greeted()
        if isinstance(door, HttpDoor):
            await _opened(door)
            _short_retry(door)
        door.end()
        await serving.aclose()
        async with asyncio.timeout(SECONDS):
            while health(b).state is State.CONNECTED:
                await asyncio.sleep(0.005)
        result = await client.call("a")
        assert result["structuredContent"]["error"]["details"]["executionState"] == "not_started"


@interaction("http.death")
async def test_a_call_to_a_server_that_is_gone_fails_as_not_begun() -> None:
    """Without a stream of its own, the call itself is the first to find out.

    Weak spot L41 of callmux (npm).
    """
    door = http(RawServer().has(a=text("1")), plain=True)
    door.get = False
    async with contextlib.AsyncExitStack() as stack:
        serving = await stack.enter_async_context(contextlib.AsyncExitStack())
        origin = await serving.enter_async_context(listening(door.handle))
        b = await stack.enter_async_context(bench(entries={"raw": {"url": f"{origin}/mcp"}}, **SOON))
        client = await b.greeted()
        await serving.aclose()
        result = await client.call("a")
        assert result["structuredContent"]["error"]["details"]["executionState"] == "not_started"


@interaction("stdio.lines", "tools.call")
async def test_a_message_to_a_child_is_one_line(tmp_path: Path) -> None:
    server = RawServer().has(a=text("1"))
    async with bench(server, carrier="stdio", tmp_path=tmp_path) as b:
        client = await b.greeted()
        await client.call("a", {"text": "line\nline\r\u2028", "deep": {"\n": ["\r\n"]}})
        for line in server.peer.lines:
            assert line.endswith(b"\n")
            assert line.count(b"\n") == 1
            assert b"\r" not in line
        assert server.peer.calls["tools/call"][0].params["arguments"]["text"] == "line\nline\r\u2028"


@interaction("stdio.death")
async def test_a_child_that_ends_is_started_again(tmp_path: Path) -> None:
    server = RawServer().has(die=lambda call: call.peer.hang_up(), a=text("1"))
    async with bench(server, carrier="stdio", tmp_path=tmp_path) as b:
        client = await b.greeted()
        result = await client.call("die")
        assert result["structuredContent"]["error"]["details"]["executionState"] == "unknown"
        assert await client.call("a") == text("1")
        assert len(server.peers) == 2
