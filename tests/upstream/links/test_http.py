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
from callmux.upstream.links.credentials import FixedHeaders
from callmux.upstream.links.http import HttpLink
from callmux.upstream.links.link import Listener
from tests.interaction.carriers import listening
from tests.support import SECONDS, real_loop, until

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
        desk = Desk(HttpLink("s", f"{origin}/mcp", FixedHeaders({"X-Own": "1"})))
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


@real_loop()
async def test_an_answer_is_handed_over() -> None:
    async with linked(lambda request, message: result(message)) as desk:
        desk.send("a", 1)
        assert isinstance(await desk.answered(1), Response)
        assert repr(desk.link) == "HttpLink('s', 0 waiting)"


@real_loop()
async def test_a_notification_that_is_refused_fails_nothing() -> None:
    def handle(request: web.Request, message: dict[str, Any]) -> web.Response:
        return result(message) if "id" in message else web.Response(status=400)

    async with linked(handle) as desk:
        desk.send("notifications/x")
        desk.send("a", 1)
        assert isinstance(await desk.answered(1), Response)
        assert (desk.failed, desk.lost) == ({}, [])


@real_loop()
@pytest.mark.parametrize("status", [301, 302, 303])
async def test_a_redirect_that_may_change_the_method_is_not_followed(status: int) -> None:
    seen: list[str] = []

    def handle(request: web.Request, message: dict[str, Any]) -> web.Response:
        seen.append(request.path)
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    async with linked(handle) as desk:
        desk.send("a", 1)
        failure = await desk.answered(1)
        assert failure.category is Category.PROTOCOL
        assert "new address" in failure.cause
        assert seen == ["/mcp"]


@real_loop()
@pytest.mark.parametrize("status", [307, 308])
async def test_a_redirect_within_the_origin_is_followed_with_everything(status: int) -> None:
    seen: list[tuple[str, str | None, bytes]] = []

    async def handle(request: web.Request, message: dict[str, Any]) -> web.Response:
        seen.append((str(request.rel_url), request.headers.get("X-Own"), await request.read()))
        if request.path == "/mcp":
            return web.Response(status=status, headers={"Location": "/mcp/?a=%2F"})
        return result(message)

    async with linked(handle) as desk:
        desk.send("a", 1)
        assert isinstance(await desk.answered(1), Response)
        (_, own, body), (target, own_again, body_again) = seen
        assert (own, own_again, target) == ("1", "1", "/mcp/?a=%2F")
        assert body == body_again


@real_loop()
async def test_a_server_that_redirects_for_ever_is_given_up() -> None:
    seen: list[str] = []

    def handle(request: web.Request, message: dict[str, Any]) -> web.Response:
        seen.append(request.path)
        return web.Response(status=307, headers={"Location": f"/{len(seen)}"})

    async with linked(handle) as desk:
        desk.send("a", 1)
        assert (await desk.answered(1)).category is Category.PROTOCOL
        assert seen == ["/mcp", "/1", "/2", "/3"]


@real_loop()
async def test_no_redirect_brings_our_headers_to_another_origin() -> None:
    stolen: list[web.Request] = []

    async def thief(request: web.Request) -> web.StreamResponse:
        stolen.append(request)
        return web.Response(status=500)

    async with listening(thief) as elsewhere:

        def handle(request: web.Request, message: dict[str, Any]) -> web.Response:
            return web.Response(status=307, headers={"Location": f"{elsewhere}/mcp"})

        async with linked(handle) as desk:
            desk.send("a", 1)
            assert (await desk.answered(1)).category is Category.PROTOCOL
            assert stolen == []


@real_loop()
async def test_giving_a_request_up_ends_its_exchange() -> None:
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


@real_loop()
async def test_an_expired_session_ends_new_requests_and_not_those_under_way() -> None:
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


@real_loop()
async def test_without_a_session_a_404_is_a_refusal() -> None:
    async with linked(lambda request, message: web.Response(status=404)) as desk:
        desk.send("initialize", 1)
        assert (await desk.answered(1)).category is Category.PROTOCOL
        assert (desk.expired, desk.lost) == ([], [])


@real_loop()
@pytest.mark.parametrize("gone", [False, True])
async def test_a_silent_server_without_a_stream_is_asked_whether_it_is_there(
    gone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "PING_SECONDS", 0.02)

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


@real_loop()
async def test_a_server_that_cannot_be_reached_ends_the_link() -> None:
    link = HttpLink("s", "http://127.0.0.1:9/mcp", FixedHeaders({}))
    desk = Desk(link)
    await link.open(Listener(lambda *_: None, lambda id, f: desk.failed.update({id: f}), desk.lost.append))
    desk.send("a", 1)
    failure = await desk.answered(1)
    assert (failure.category, failure.started) == (Category.TRANSPORT, False)
    assert desk.lost == [failure]
    await link.close()
    await link.close()
    desk.send("a", 2)
    assert 2 not in desk.failed


@real_loop()
async def test_closing_is_bounded_though_the_server_holds_its_breath(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "CLOSE_SECONDS", 0.05)

    async def handle(request: web.Request, message: dict[str, Any]) -> web.Response:
        if request.method == "DELETE":
            await asyncio.Event().wait()
        return result(message, headers={"Mcp-Session-Id": "1"})

    async with linked(handle) as desk:
        desk.send("initialize", 1)
        await desk.answered(1)
        async with asyncio.timeout(SECONDS):
            await desk.link.close()


@real_loop()
async def test_sockets_are_given_back_though_whoever_closes_the_link_is_cancelled() -> None:
    asked = asyncio.Event()

    async def handle(request: web.Request, message: dict[str, Any]) -> web.Response:
        if request.method == "DELETE":
            asked.set()
            await asyncio.Event().wait()
        return result(message, headers={"Mcp-Session-Id": "1"})

    async with linked(handle) as desk:
        desk.send("initialize", 1)
        await desk.answered(1)
        client = desk.link._client
        closing = asyncio.ensure_future(desk.link.close())
        await asked.wait()
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert client is not None
        assert client.closed


def broken_stream(event: bytes = b"id: e1\nretry: 10\ndata: \n\n") -> web.Response:
    """An answer that ends before it answers."""
    return web.Response(body=event, headers={"Content-Type": "text/event-stream"})


def has(session: str | None) -> dict[str, str]:
    return {} if session is None else {"Mcp-Session-Id": session}


@real_loop()
@pytest.mark.parametrize("session", [None, "1"])
@pytest.mark.parametrize("status", [200, 204, 302, 307, 400, 401, 403, 404, 405, 410, 422, 429, 500, 503])
async def test_a_refused_resumption_leaves_open_what_became_of_the_request(
    status: int, session: str | None
) -> None:
    asked: list[str] = []

    def handle(request: web.Request, message: dict[str, Any]) -> web.Response:
        if request.method == "GET":
            asked.append(request.headers["Last-Event-ID"])
            return web.Response(status=status)
        return broken_stream() if message["method"] == "a" else result(message, headers=has(session))

    async with linked(handle) as desk:
        desk.send("initialize", 1)
        await desk.answered(1)
        desk.send("a", 2)
        failure = await desk.answered(2)
        assert (failure.started, failure.repeatable(False), failure.repeatable(True)) == (
            True,
            False,
            True,
        )
        assert set(asked) == {"e1"}
        assert len(asked) == (3 if status in (429, 500, 503) else 1)
        assert (desk.expired, desk.lost) == ([], [])


@real_loop()
@pytest.mark.parametrize("status", [400, 401, 404, 405, 410, 422, 500, 503])
async def test_a_refused_resumption_shows_that_the_session_is_forgotten(status: int) -> None:
    def handle(request: web.Request, message: dict[str, Any]) -> web.Response:
        if request.method == "GET" or message["method"] == "ping":
            return web.Response(status=400 if status == 405 else status)
        return broken_stream() if message["method"] == "a" else result(message, headers=has("1"))

    async with linked(handle) as desk:
        desk.send("initialize", 1)
        await desk.answered(1)
        desk.send("a", 2)
        failure = await desk.answered(2)
        assert (failure.started, failure.over, failure.repeatable(False)) == (True, True, False)
        assert len(desk.expired) == 1


@real_loop()
async def test_a_server_that_lets_us_poll_is_asked_until_it_answers() -> None:
    """It takes each reconnect and closes it again, without a new event id."""

    polls = 0

    def handle(request: web.Request, message: dict[str, Any]) -> web.Response:
        nonlocal polls
        if request.method != "GET":
            return broken_stream()
        polls += 1
        answer = b'data: {"jsonrpc":"2.0","id":1,"result":{}}\n\n'
        return broken_stream(answer if polls == 12 else b": nothing yet\n\n")

    async with linked(handle) as desk:
        desk.send("a", 1)
        assert isinstance(await desk.answered(1), Response)
        assert polls == 12


@real_loop()
@pytest.mark.parametrize("alive", [True, False])
@pytest.mark.parametrize("status", [404, 400, 401, 410, 500])
async def test_a_server_without_a_stream_is_asked_whether_it_knows_the_session(
    status: int, alive: bool
) -> None:
    """404 is what common frameworks answer where there is no GET."""

    pings: list[Any] = []

    def handle(request: web.Request, message: dict[str, Any]) -> web.Response:
        if request.method == "GET":
            return web.Response(status=status)
        if message["method"] == "ping":
            pings.append(message)
            return result(message) if alive else web.Response(status=status)
        return result(message, headers=has("1"))

    async with linked(handle) as desk:
        desk.send("initialize", 1)
        await desk.answered(1)
        desk.link.agreed("2025-11-25")
        await until(lambda: pings)
        if not alive:
            await until(lambda: desk.expired)
            return
        desk.send("a", 2)
        assert isinstance(await desk.answered(2), Response)
        assert (desk.expired, desk.lost) == ([], [])


FORGOTTEN = {
    "jsonrpc": "2.0",
    "error": {"code": -32000, "message": "Bad Request: No valid session ID provided"},
}


@real_loop()
@pytest.mark.parametrize("status", [400, 401, 404, 410, 422, 500, 503, 200])
async def test_a_forgotten_session_is_noticed_however_the_server_says_it(status: int) -> None:
    """Only what proves that nobody took the request lets it be sent again whatever it does."""

    def handle(request: web.Request, message: dict[str, Any]) -> web.Response:
        if message["method"] == "initialize":
            return result(message, headers=has("1"))
        return web.json_response(FORGOTTEN | {"id": message.get("id")}, status=status)

    async with linked(handle) as desk:
        desk.send("initialize", 1)
        await desk.answered(1)
        desk.send("a", 2)
        failure = await desk.answered(2)
        assert failure.over
        assert failure.repeatable(True)
        assert failure.repeatable(False) is (status in (400, 404))
        assert failure.started is not failure.repeatable(False)
        assert len(desk.expired) == 1


@real_loop()
@pytest.mark.parametrize("status", [400, 401, 410, 422, 500, 503, 200])
async def test_words_about_a_session_end_nothing_while_the_server_answers_pings(status: int) -> None:
    """A browser has sessions, too. What was refused may all the same have been carried out."""

    def handle(request: web.Request, message: dict[str, Any]) -> web.Response:
        if message["method"] != "a":
            return result(message, headers=has("1"))
        return web.json_response(FORGOTTEN | {"id": message["id"]}, status=status)

    async with linked(handle) as desk:
        desk.send("initialize", 1)
        await desk.answered(1)
        desk.send("a", 2)
        answer = await desk.answered(2)
        assert (desk.expired, desk.lost) == ([], [])
        if isinstance(answer, CallFailure):
            assert (answer.started, answer.repeatable(False)) == (True, False)


@real_loop()
async def test_a_busy_server_that_says_when_to_come_back_has_forgotten_nothing() -> None:
    def handle(request: web.Request, message: dict[str, Any]) -> web.Response:
        if message["method"] == "initialize":
            return result(message, headers=has("1"))
        return web.Response(status=503, headers={"Retry-After": "3"})

    async with linked(handle) as desk:
        desk.send("initialize", 1)
        await desk.answered(1)
        desk.send("a", 2)
        failure = await desk.answered(2)
        assert (failure.over, desk.expired) == (False, [])


@real_loop()
@pytest.mark.parametrize("status", [200, 400, 404, 500])
@pytest.mark.parametrize("id", [None, "server-error", 99])
@pytest.mark.parametrize("session", [None, "1"])
async def test_an_error_that_names_no_request_reaches_whoever_waits(
    id: Any, status: int, session: str | None
) -> None:
    def handle(request: web.Request, message: dict[str, Any]) -> web.Response:
        if message["method"] != "a":
            return result(message, headers=has(session))
        error = {"code": -32602, "message": "quota is used up"}
        return web.json_response({"jsonrpc": "2.0", "id": id, "error": error}, status=status)

    async with linked(handle) as desk:
        desk.send("initialize", 1)
        await desk.answered(1)
        desk.send("a", 2)
        answer = await desk.answered(2)
        if isinstance(answer, CallFailure):
            assert "quota" in answer.cause or (session is not None and status == 404)
        else:
            assert b"quota" in bytes(answer.error)


@real_loop()
@pytest.mark.parametrize("content", ["application/json; charset=utf-8", "APPLICATION/JSON", "text/plain"])
async def test_a_body_is_read_whatever_its_type_says_besides(content: str) -> None:
    def handle(request: web.Request, message: dict[str, Any]) -> web.Response:
        body = json.dumps({"jsonrpc": "2.0", "id": str(message["id"]), "result": {}}, indent=1).encode()
        answer = web.Response(body=body, headers={"Content-Type": content})
        answer.enable_chunked_encoding()
        answer.enable_compression()
        return answer

    async with linked(handle) as desk:
        desk.send("a", 1)
        assert isinstance(await desk.answered(1), Response)


@real_loop()
async def test_a_session_id_is_taken_from_the_first_answer_only() -> None:
    seen: list[str | None] = []

    def handle(request: web.Request, message: dict[str, Any]) -> web.Response:
        seen.append(request.headers.get("Mcp-Session-Id"))
        return result(message, headers=has(f"s{len(seen)}"))

    async with linked(handle) as desk:
        desk.send("initialize", 1)
        await desk.answered(1)
        for n in range(2, 5):
            desk.send("a", n)
            await desk.answered(n)
        assert seen == [None, "s1", "s1", "s1"]


@real_loop()
async def test_a_session_id_that_cannot_be_sent_back_is_refused_at_once() -> None:
    def handle(request: web.Request, message: dict[str, Any]) -> web.Response:
        return result(message, headers=has("a b"))

    async with linked(handle) as desk:
        desk.send("initialize", 1)
        failure = await desk.answered(1)
        assert "session id" in failure.cause
        assert (failure.category, failure.started) == (Category.PROTOCOL, False)


@real_loop()
@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_beyond_the_limit_fails_its_request_and_nothing_else(stream: bool) -> None:
    def handle(request: web.Request, message: dict[str, Any]) -> web.Response:
        if message["method"] != "a":
            return result(message)
        body = b"data: " + b"0" * 100_000 if stream else b"0" * 100_000
        kind = "text/event-stream" if stream else "application/json"
        answer = web.Response(body=body, headers={"Content-Type": kind})
        answer.enable_compression(web.ContentCoding.gzip)
        return answer

    async with linked(handle) as desk:
        desk.link._limit = 50_000
        desk.send("a", 1)
        failure = await desk.answered(1)
        assert "larger than 50000 bytes" in failure.cause
        assert (failure.started, failure.repeatable(True)) == (True, False)
        desk.send("b", 2)
        assert isinstance(await desk.answered(2), Response)
        assert desk.lost == []


@real_loop()
async def test_a_task_of_the_link_that_fails_has_the_server_connected_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with linked(lambda request, message: result(message)) as desk:
        desk.send("initialize", 1)
        await desk.answered(1)

        async def fail() -> None:
            raise RuntimeError("unforeseen")

        monkeypatch.setattr(desk.link, "_listen", fail)
        desk.link.agreed("2025-11-25")
        await until(lambda: desk.lost)
        assert "unforeseen" in desk.lost[0].cause


@real_loop()
async def test_a_request_that_fails_in_an_unforeseen_way_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    async with linked(lambda request, message: result(message)) as desk:

        async def fail(body: bytes, id: int | None) -> None:
            raise RuntimeError("unforeseen")

        monkeypatch.setattr(desk.link, "_exchange", fail)
        desk.send("a", 1)
        failure = await desk.answered(1)
        assert (failure.started, "unforeseen" in failure.cause) == (True, True)


ERROR = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32020, "message": "Header mismatch"}}
HEAD = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "x"}


def labelled(desk: Desk, id: int) -> None:
    desk.link.label(id, HEAD)
    desk.send("x", id)


@real_loop()
async def test_a_request_with_a_head_of_its_own_belongs_to_no_session() -> None:
    """Nor does what it is answered with begin one."""
    seen: list[web.Request] = []

    def handler(request: web.Request, message: dict[str, Any]) -> web.Response:
        seen.append(request)
        answer = {"jsonrpc": "2.0", "id": message["id"], "result": {}}
        return web.json_response(answer, headers={"Mcp-Session-Id": "theirs"})

    async with linked(handler) as desk:
        for id in (1, 2):
            labelled(desk, id)
            assert isinstance(await desk.answered(id), Response)
        heads = [{name: request.headers.get(name) for name in (*HEAD, "X-Own", "Accept")} for request in seen]
        assert heads == [{**HEAD, "X-Own": "1", "Accept": "application/json, text/event-stream"}] * 2
        assert all("Mcp-Session-Id" not in request.headers for request in seen)
    assert [request.method for request in seen] == ["POST", "POST"]


@real_loop()
@pytest.mark.parametrize("status", [400, 404])
async def test_an_error_in_a_refusal_is_the_answer_where_there_is_no_session(status: int) -> None:
    async with linked(lambda request, message: web.json_response(ERROR, status=status)) as desk:
        labelled(desk, 1)
        answer = await desk.answered(1)
        assert json.loads(bytes(answer.error)) == ERROR["error"]
        assert not desk.expired
        assert not desk.lost


@real_loop()
async def test_an_answer_without_a_session_that_breaks_off_is_not_gone_on_with() -> None:
    """Streams of this era cannot be resumed: nobody knows what became of the request."""
    asked: list[str] = []

    async def handler(request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        asked.append(request.method)
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        await stream.write(b'id: 1\ndata: {"jsonrpc":"2.0","method":"notifications/progress"}\n\n')
        return stream

    async with linked(handler) as desk:
        labelled(desk, 1)
        failure = await desk.answered(1)
        assert isinstance(failure, CallFailure)
        assert failure.started
        assert not failure.repeatable(safe=False)
        assert failure.repeatable(safe=True)
        assert asked == ["POST"]


@real_loop()
async def test_giving_a_request_up_ends_its_stream() -> None:
    ended = asyncio.Event()

    async def handler(request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        await stream.write(b": here\n\n")
        try:
            while True:
                await stream.write(b":\n\n")
                await asyncio.sleep(0.01)
        finally:
            ended.set()

    async with linked(handler) as desk:
        labelled(desk, 1)
        await asyncio.sleep(0.1)
        desk.link.abandon(1)
        async with asyncio.timeout(SECONDS):
            await ended.wait()
