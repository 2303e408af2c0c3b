"""The application: each request is answered, whatever goes wrong with it."""

from __future__ import annotations

import logging

import pytest

from callmux.transport.http.exchange import Exchange
from tests.support import play
from tests.transport.http.asgi import Call, House


async def _hello(exchange: Exchange) -> None:
    await exchange.answer_json(200, {"hello": 1})


async def _broken(exchange: Exchange) -> None:
    raise RuntimeError("oh")


async def _breaks_off(exchange: Exchange) -> None:
    await exchange.start(200, {})
    raise RuntimeError("half-way")


ROUTES = {"/hello": _hello, "/broken": _broken, "/breaks-off": _breaks_off}


def test_a_route_answers_get_and_nothing_else() -> None:
    async def scene() -> None:
        house = House(routes=ROUTES)
        got = await house.answers(Call("GET", "/hello"))
        assert (got.status, got.json) == (200, {"hello": 1})
        for call in (Call("POST", "/hello"), Call("GET", "/elsewhere"), Call("DELETE", "/sse")):
            assert (await house.answers(call)).status == 404

    play(scene())


def test_every_answer_carries_the_callers_request_id_where_it_is_sane() -> None:
    async def scene() -> None:
        house = House()
        sane = await house.answers(Call(headers={"host": "localhost", "x-request-id": "abc-1"}))
        assert sane.headers["x-request-id"] == sane.json["requestId"] == "abc-1"
        odd = await house.answers(Call(headers={"host": "localhost", "x-request-id": "a b"}))
        assert len(odd.headers["x-request-id"]) == 36

    play(scene())


def test_a_foreign_host_is_refused_before_any_route() -> None:
    async def scene() -> None:
        house = House(routes=ROUTES)
        got = await house.answers(Call("GET", "/hello", {"host": "evil.example"}))
        assert got.status == 403

    play(scene())


def test_a_defect_is_logged_and_answered_with_500(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        house = House(routes=ROUTES)
        got = await house.answers(Call("GET", "/broken"))
        assert (got.status, got.json["error"]["code"]) == (500, -32603)
        assert "oh" not in got.json["error"]["message"]
        half = await house.answers(Call("GET", "/breaks-off"))
        assert (half.status, half.body) == (200, b"")

    with caplog.at_level(logging.ERROR):
        play(scene())
    assert [r.getMessage().partition(":")[0] for r in caplog.records] == [
        "GET /broken failed in callmux itself",
        "GET /breaks-off failed in callmux itself",
    ]


def test_a_client_that_leaves_while_it_posts_gets_no_answer() -> None:
    async def scene() -> None:
        call = Call("POST", "/mcp", body=())
        call.leave()
        await House().answers(call)
        assert call.status == 0

    play(scene())


def test_what_is_not_http_is_ignored() -> None:
    async def scene() -> None:
        call = Call()
        call.scope["type"] = "lifespan"
        await House().answers(call)
        assert call.status == 0

    play(scene())


def test_a_process_that_leaves_ends_each_connection_with_its_answer() -> None:
    async def scene() -> None:
        house = House(routes=ROUTES)
        assert "connection" not in (await house.answers(Call("GET", "/hello"))).headers
        house.listener.leaving = True
        for path in ("/hello", "/nowhere"):
            assert (await house.answers(Call("GET", path))).headers["connection"] == "close"

    play(scene())
