"""A server is spoken to in the way it understands, and is not started for that."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from callmux.protocol.versions import Era
from callmux.upstream.connection import Connection
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.links.credentials import FixedHeaders
from callmux.upstream.links.fallback import FallbackLink
from callmux.upstream.links.http import HttpLink
from callmux.upstream.links.sse import SseLink
from callmux.upstream.opening.handshake import EndedByProbe
from callmux.upstream.opening.known_era import KnownEra
from tests.interaction.carriers import listening
from tests.support import real_loop, settle, until
from tests.upstream.fake_link import INITIALIZE, SILENCE, FakeLink
from tests.upstream.modern_link import DISCOVERED, ModernLink, RpcRefusal
from tests.upstream.test_connection import Ears


async def open_with(link: FakeLink, known: KnownEra, era: Era = Era.MODERN) -> Connection:
    connection = Connection("s", link, Ears().hooks(), era)
    await connection.open(b'{"name":"callmux"}', b'{"roots":{}}', 60, known)
    return connection


async def test_a_server_without_a_handshake_hears_of_none() -> None:
    link, known = ModernLink(), KnownEra()
    connection = await open_with(link, known)
    assert link.methods() == ["server/discover"]
    assert (connection.era, known.has(Era.MODERN)) == (Era.MODERN, True)
    meta = link.sent[0]["params"]["_meta"]
    assert meta == {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "callmux"},
        "io.modelcontextprotocol/clientCapabilities": {"roots": {}},
    }
    assert connection.init is not None
    assert connection.init.protocol_version == "2026-07-28"


@pytest.mark.parametrize(
    "answer",
    [
        KeyError("unknown"),
        ValueError("anything"),
        RpcRefusal({"code": -32602, "message": "Invalid request parameters"}),
        RpcRefusal({"code": -32600, "message": "not initialized"}),
        RpcRefusal({"code": -32022, "message": "no", "data": {"supported": ["2025-11-25"]}}),
        RpcRefusal({"code": -32022, "message": "no"}),
        {},
        {"supportedVersions": ["2025-11-25"]},
        {"tools": []},
    ],
)
async def test_any_other_answer_means_a_handshake(answer: Any) -> None:
    link, known = ModernLink(server__discover=answer, initialize=INITIALIZE), KnownEra()
    connection = await open_with(link, known)
    assert link.methods() == ["server/discover", "initialize", "notifications/initialized"]
    assert (connection.era, known.lacks(Era.MODERN)) == (Era.LEGACY, True)
    await open_with(again := ModernLink(server__discover=answer, initialize=INITIALIZE), known)
    assert again.methods() == ["initialize", "notifications/initialized"]


async def test_a_server_that_refuses_the_handshake_and_says_no_more_has_refused() -> None:
    link = FakeLink(server__discover=SILENCE, initialize=ValueError("not with that"))
    begun = asyncio.get_running_loop().time()
    with pytest.raises(CallFailure, match="not with that"):
        await open_with(link, KnownEra(), Era.LEGACY)
    assert asyncio.get_running_loop().time() - begun == pytest.approx(3.0)


async def test_silence_means_a_handshake_with_the_same_process() -> None:
    link, known = FakeLink(server__discover=SILENCE), KnownEra()
    begun = asyncio.get_running_loop().time()
    connection = await open_with(link, known)
    assert asyncio.get_running_loop().time() - begun == pytest.approx(3.0)
    assert link.methods() == ["server/discover", "initialize", "notifications/initialized"]
    assert connection.era is Era.LEGACY
    assert connection.in_flight == 0
    assert not known.lacks(Era.MODERN)


async def test_a_slow_server_that_refuses_the_greeting_has_answered_before() -> None:
    """It reads both once it has started: what it answers to the second tells how it took the first."""
    link, known = ModernLink(server__discover=SILENCE), KnownEra()
    opening = asyncio.create_task(open_with(link, known))
    await asyncio.sleep(2.9)
    link.script["initialize"] = SILENCE
    await asyncio.sleep(1)
    link.answers("server/discover", DISCOVERED)
    await settle()
    link.says({"id": link.ids["initialize"], "error": {"code": -32022, "message": "no"}})
    assert (await opening).era is Era.MODERN


async def test_a_slow_server_that_takes_the_greeting_is_spoken_to_with_a_handshake() -> None:
    link, known = FakeLink(server__discover=SILENCE, initialize=SILENCE), KnownEra()
    opening = asyncio.create_task(open_with(link, known))
    await asyncio.sleep(4)
    link.answers("server/discover", DISCOVERED)
    await settle()
    link.answers("initialize", INITIALIZE)
    assert (await opening).era is Era.LEGACY
    assert link.methods()[-1] == "notifications/initialized"


async def test_a_slow_server_that_answers_no_greeting_is_spoken_to_without() -> None:
    link, known = ModernLink(server__discover=SILENCE, initialize=SILENCE), KnownEra()
    opening = asyncio.create_task(open_with(link, known))
    await asyncio.sleep(4)
    link.answers("server/discover", DISCOVERED)
    assert (await opening).era is Era.MODERN


async def test_a_slow_server_that_refuses_both_is_not_connected() -> None:
    link = ModernLink(server__discover=SILENCE)
    with pytest.raises(CallFailure) as caught:
        await open_with(link, KnownEra())
    assert caught.value.rpc is not None


async def test_a_client_with_a_handshake_has_one_where_the_server_does() -> None:
    """A server that speaks both eras may ask its client only where there is one."""
    link, known = ModernLink(initialize=INITIALIZE), KnownEra()
    connection = await open_with(link, known, Era.LEGACY)
    assert link.methods() == ["initialize", "notifications/initialized"]
    assert connection.era is Era.LEGACY
    assert not known.lacks(Era.MODERN)


async def test_who_refuses_a_handshake_is_asked_who_it_is() -> None:
    link, known = ModernLink(), KnownEra()
    connection = await open_with(link, known, Era.LEGACY)
    assert link.methods() == ["initialize", "server/discover"]
    assert (connection.era, known.lacks(Era.LEGACY)) == (Era.MODERN, True)
    await open_with(again := ModernLink(), known, Era.LEGACY)
    assert again.methods() == ["server/discover"]


async def test_who_refuses_both_has_refused_the_handshake() -> None:
    link = FakeLink(initialize=ValueError("no token"))
    with pytest.raises(CallFailure) as caught:
        await open_with(link, KnownEra(), Era.LEGACY)
    assert caught.value.cause == "no token"


async def test_a_process_that_ends_at_the_question_is_greeted_next_time() -> None:
    link, known = FakeLink(), KnownEra()

    def die(_: Any) -> Any:
        asyncio.get_running_loop().call_soon(link.dies)
        return SILENCE

    link.script["server/discover"] = die
    with pytest.raises(EndedByProbe):
        await open_with(link, known)
    await open_with(again := FakeLink(), known)
    assert again.methods() == ["initialize", "notifications/initialized"]


async def test_a_slow_process_that_ends_at_the_question_is_greeted_next_time() -> None:
    link, known = FakeLink(server__discover=SILENCE, initialize=SILENCE), KnownEra()
    opening = asyncio.create_task(open_with(link, known))
    await asyncio.sleep(4)
    link.dies()
    with pytest.raises(EndedByProbe):
        await opening
    await open_with(again := FakeLink(), known)
    assert again.methods() == ["initialize", "notifications/initialized"]


@pytest.mark.parametrize("category", [Category.SESSION, Category.AUTHORIZATION])
async def test_a_session_that_ends_at_the_question_is_greeted_next_time(category: Category) -> None:
    link, known = FakeLink(server__discover=SILENCE), KnownEra()
    opening = asyncio.create_task(open_with(link, known))
    await settle()
    failure = CallFailure(category, "unknown session", started=False, over=True)
    link.fails(link.ids["server/discover"], failure)
    link.dies()
    with pytest.raises(EndedByProbe):
        await opening
    await open_with(again := FakeLink(), known)
    assert again.methods() == ["initialize", "notifications/initialized"]


class Rude:
    """A server behind Streamable HTTP, or one of the older transport, that breaks at what it does not know.

    Attributes:
        asked: The methods of its messages.
    """

    def __init__(self, manner: str, older: bool) -> None:
        self.manner = manner
        self.older = older
        self.asked: list[str] = []
        self.answers: asyncio.Queue[Any] = asyncio.Queue()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.method == "GET" and self.older:
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            await response.write(b"event: endpoint\ndata: /messages\n\n")
            while (answer := await self.answers.get()) is not None:
                await response.write(b"data: " + json.dumps(answer).encode() + b"\n\n")
            return response
        if request.method != "POST":
            return web.Response(status=405)
        message = json.loads(await request.read())
        self.asked.append(message["method"])
        if self.older and request.path != "/messages":
            return self.refuses(request) if message["method"] != "initialize" else self.misses(message)
        if message["method"] not in ("initialize", "notifications/initialized"):
            return self.refuses(request)
        answer = {"jsonrpc": "2.0", "id": message.get("id"), "result": INITIALIZE}
        if self.older and "id" in message:
            self.answers.put_nowait(answer)
        if self.older or "id" not in message:
            return web.Response(status=202)
        return web.json_response(answer, headers={"Mcp-Session-Id": "1"})

    def misses(self, message: Any) -> web.Response:
        error = {"code": -32000, "message": "no session"}
        return web.json_response({"jsonrpc": "2.0", "id": None, "error": error}, status=400)

    def refuses(self, request: web.Request) -> web.Response:
        if self.manner == "closes":
            assert request.transport is not None
            request.transport.close()
        if self.manner == "names no session":
            return self.misses({})
        if self.manner == "empty":
            return web.Response()
        if self.manner == "page":
            return web.Response(text="<html>", content_type="text/html")
        return web.Response(status=int(self.manner) if self.manner.isdigit() else 500, text="KeyError: name")


MANNERS = ["400", "401", "403", "404", "405", "406", "415", "422", "500", "501", "502", "503", "302"]


@real_loop()
@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("manner", [*MANNERS, "closes", "names no session", "empty", "page"])
async def test_a_server_that_breaks_at_the_question_is_greeted_at_once(manner: str, older: bool) -> None:
    server = Rude(manner, older)
    async with listening(server.handle) as origin:
        url = f"{origin}/mcp"
        link = FallbackLink(
            "s", HttpLink("s", url, FixedHeaders({})), lambda: SseLink("s", url, FixedHeaders({}))
        )
        connection = Connection("s", link, Ears().hooks(), Era.MODERN)
        await connection.open(b'{"name":"callmux"}', b"{}", 30, KnownEra())
        assert (connection.live, connection.era) == (True, Era.LEGACY)
        assert link.transport == ("sse" if older else "streamable-http")
        await until(lambda: "notifications/initialized" in server.asked)
        greetings = ["initialize"] * (2 if older else 1)
        assert server.asked[: len(greetings) + 1] == ["server/discover", *greetings]
        server.answers.put_nowait(None)
        await connection.close()


async def test_a_server_that_refuses_our_revision_and_names_it_is_asked_once_more() -> None:
    refusal = {"code": -32022, "message": "no", "data": {"supported": ["2026-07-28"]}}
    answers = [RpcRefusal(refusal), DISCOVERED]
    link = ModernLink(server__discover=lambda _: answers.pop(0))
    assert (await open_with(link, KnownEra())).era is Era.MODERN
    assert link.methods() == ["server/discover", "server/discover"]
    with pytest.raises(CallFailure, match="callmux does not"):
        await open_with(ModernLink(server__discover=RpcRefusal(refusal)), KnownEra())


async def test_a_server_that_speaks_nothing_of_ours_is_named_so() -> None:
    refusal = RpcRefusal({"code": -32022, "message": "no", "data": {"supported": ["2099-01-01"]}})
    with pytest.raises(CallFailure, match="it speaks only MCP 2099-01-01, and callmux does not"):
        await open_with(ModernLink(server__discover=refusal), KnownEra())


WANTS = CallFailure(Category.AUTHORIZATION, "401", started=False)


async def unwelcome(link: FakeLink, known: KnownEra, after: float = 0.0) -> asyncio.Task[Connection]:
    """An opening whose question is refused for want of credentials."""
    opening = asyncio.create_task(open_with(link, known))
    await settle()
    await asyncio.sleep(after)
    link.fails(link.ids["server/discover"], WANTS)
    await settle()
    return opening


@pytest.mark.parametrize("after", [0.0, 4.0])
async def test_a_server_that_wants_credentials_for_all_but_the_greeting_is_greeted(after: float) -> None:
    link, known = FakeLink(server__discover=SILENCE, initialize=SILENCE), KnownEra()
    opening = await unwelcome(link, known, after)
    link.answers("initialize", INITIALIZE)
    assert (await opening).era is Era.LEGACY
    assert link.methods() == ["server/discover", "initialize", "notifications/initialized"]
    assert not known.lacks(Era.MODERN), "that was not what it refused"


async def test_a_server_that_wants_credentials_for_everything_is_asked_no_more() -> None:
    link = FakeLink(server__discover=SILENCE, initialize=SILENCE)
    opening = await unwelcome(link, KnownEra())
    link.fails(link.ids["initialize"], again := CallFailure(Category.AUTHORIZATION, "401", started=False))
    with pytest.raises(CallFailure) as caught:
        await opening
    assert caught.value is again
    assert link.methods() == ["server/discover", "initialize"]


async def test_where_there_is_no_handshake_the_want_of_credentials_is_told() -> None:
    link = FakeLink(server__discover=SILENCE, initialize=RpcRefusal({"code": -32601, "message": "no"}))
    with pytest.raises(CallFailure) as caught:
        await (await unwelcome(link, KnownEra()))
    assert caught.value is WANTS


async def test_who_is_spoken_to_only_in_one_way_is_asked_nothing() -> None:
    link = ModernLink(initialize=INITIALIZE)
    connection = Connection("s", link, Ears().hooks(), Era.MODERN)
    await connection.open(b"{}", b"{}", 5)
    assert link.methods() == ["initialize", "notifications/initialized"]


@pytest.mark.parametrize("after", [1.0, 4.0])
async def test_an_opening_that_is_given_up_leaves_nobody_waiting(after: float) -> None:
    link = FakeLink(server__discover=SILENCE, initialize=SILENCE)
    connection = Connection("s", link, Ears().hooks(), Era.MODERN)
    opening = asyncio.create_task(connection.open(b"{}", b"{}", 60, KnownEra()))
    await asyncio.sleep(after)
    opening.cancel()
    await settle()
    assert connection.in_flight == 0
    assert "notifications/cancelled" not in link.methods()
