"""The application: each request is answered, whatever goes wrong with it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from callmux.config.model import Config
from callmux.config.observing import AuditLog
from callmux.config.security import BearerAuth, BearerToken
from callmux.guard.gate import GONE, Caller, Gate, TurnedAway
from callmux.guard.guard import Guard
from callmux.guard.principal import Principal
from callmux.observe.facts import HttpEnded, LimitReached
from callmux.transport.http.exchange import LOST, Exchange
from tests.support import loop_clock, play, settle
from tests.transport.http.asgi import Call, House, post


async def _hello(exchange: Exchange) -> None:
    await exchange.answer_json(200, {"hello": 1})


async def _broken(exchange: Exchange) -> None:
    raise RuntimeError("oh")


async def _breaks_off(exchange: Exchange) -> None:
    await exchange.start(200, {})
    raise RuntimeError("half-way")


ROUTES = {"/hello": _hello, "/broken": _broken, "/breaks-off": _breaks_off}


async def test_a_route_answers_get_and_nothing_else() -> None:
    house = House(routes=ROUTES)
    got = await house.answers(Call("GET", "/hello"))
    assert (got.status, got.json) == (200, {"hello": 1})
    for call in (Call("POST", "/hello"), Call("GET", "/elsewhere"), Call("DELETE", "/sse")):
        assert (await house.answers(call)).status == 404


async def test_every_answer_carries_the_callers_request_id_where_it_is_sane() -> None:
    house = House()
    sane = await house.answers(Call(headers={"host": "localhost", "x-request-id": "abc-1"}))
    assert sane.headers["x-request-id"] == sane.json["requestId"] == "abc-1"
    odd = await house.answers(Call(headers={"host": "localhost", "x-request-id": "a b"}))
    assert len(odd.headers["x-request-id"]) == 36


async def test_a_foreign_host_is_refused_before_any_route() -> None:
    house = House(routes=ROUTES)
    got = await house.answers(Call("GET", "/hello", {"host": "evil.example"}))
    assert got.status == 403


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


async def test_a_client_that_leaves_while_it_posts_gets_no_answer() -> None:
    call = Call("POST", "/mcp", body=())
    call.leave()
    await House().answers(call)
    assert call.status == 0


async def test_what_is_not_http_is_ignored() -> None:
    call = Call()
    call.scope["type"] = "lifespan"
    await House().answers(call)
    assert call.status == 0


async def test_a_process_that_leaves_ends_each_connection_with_its_answer() -> None:
    house = House(routes=ROUTES)
    assert "connection" not in (await house.answers(Call("GET", "/hello"))).headers
    house.listener.leaving = True
    for path in ("/hello", "/nowhere"):
        assert (await house.answers(Call("GET", path))).headers["connection"] == "close"


@pytest.mark.parametrize("path", ["/mcp", "/mcp/", "/sse", "/messages", "/hello"])
@pytest.mark.parametrize(
    "origin", ["http://localhost:5173", "http://127.0.0.1", None, "https://evil.example"]
)
async def test_a_page_may_ask_where_its_origin_is_accepted(path: str, origin: str | None) -> None:
    """It asks whether it may first, and reads the answer to its request; no other page is told anything."""

    house = House(routes=ROUTES)
    given = {
        "host": "localhost:4860",
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type, mcp-session-id",
        **({"origin": origin} if origin is not None else {}),
    }
    got = await house.answers(Call("OPTIONS", path, given))
    of_browsers = {name for name in got.headers if name.startswith("access-control-")}
    if origin is None:
        assert (got.status, of_browsers, "OPTIONS" in got.headers["Allow"]) == (204, set(), True)
    elif "evil" in origin:
        assert (got.status, of_browsers) == (403, set())
    else:
        assert got.status == 204
        assert got.headers["access-control-allow-origin"] == origin
        assert got.headers["access-control-allow-headers"] == "content-type, mcp-session-id"
        assert "OPTIONS" in got.headers["access-control-allow-methods"]
        assert got.headers["vary"] == "Origin"


async def test_an_accepted_page_can_read_its_session_id() -> None:
    house = House()
    hello = {"id": 0, "method": "initialize", "params": {}}
    got = await house.posts(hello, origin="http://localhost:5173")
    assert got.headers["access-control-allow-origin"] == "http://localhost:5173"
    assert "mcp-session-id" in got.headers["access-control-expose-headers"]
    plain = await house.posts(hello)
    assert "access-control-allow-origin" not in plain.headers
    odd = await house.answers(Call("OPTIONS", "/mcp", {**PAGE, "access-control-request-headers": "a\x01"}))
    assert "access-control-allow-headers" not in odd.headers
    private = await house.answers(
        Call("OPTIONS", "/mcp", {**PAGE, "access-control-request-private-network": "true"})
    )
    assert private.headers["access-control-allow-private-network"] == "true"
    assert (await house.answers(Call("OPTIONS", "/elsewhere", PAGE))).status == 404


PAGE = {"host": "localhost", "origin": "http://localhost"}


async def test_a_slash_at_the_end_of_a_path_makes_no_difference() -> None:
    house = House(routes=ROUTES)
    assert (await house.answers(Call("GET", "/hello/"))).json == {"hello": 1}
    assert (await house.answers(Call("GET", "/hello//"))).status == 404
    assert (await house.answers(Call("GET", "/"))).status == 404


@pytest.mark.parametrize("name", ["mcp-session-id", "origin", "host", "content-type", "x-callmux-cwd"])
async def test_a_header_that_says_two_things_is_refused(name: str) -> None:
    """The one and the other might be read by different parts; the same twice is said once."""

    house = House(routes=ROUTES)
    # A second Host is never right (RFC 9112, section 3.2).
    for second, status in ((b"localhost", 400 if name == "host" else 200), (b"other", 400)):
        call = Call(
            "GET",
            "/hello",
            {"host": "localhost", name: "http://localhost" if name == "origin" else "localhost"},
        )
        call.scope["headers"].append((name.encode(), b"http://" + second if name == "origin" else second))
        assert (await house.answers(call)).status == status


async def test_lists_in_several_headers_are_one_list() -> None:
    call = Call("GET", "/hello", {"host": "localhost", "accept": "application/json"})
    call.scope["headers"].append((b"accept", b"text/event-stream"))
    exchange = call.exchange()
    assert exchange.accepts("application/json")
    assert exchange.accepts("text/event-stream")


class Doorman:
    """Lets in whoever says a word, as its principal; writes down who leaves and how."""

    is_left = True

    def __init__(self) -> None:
        self.left: list[tuple[str, int]] = []

    def enter(self, caller: Caller) -> None:
        if caller.headers.get("x-word") != "please":
            raise TurnedAway(429, "no", {"retry-after": "7"}, {"reason": "unheard of"})
        caller.principal = Principal(kind="bearer", id="ops")

    def leave(self, caller: Caller, status: int) -> None:
        self.left.append((caller.path, status))


async def test_whom_the_gate_turns_away_reaches_no_route_and_no_session() -> None:
    house = House(routes=ROUTES)
    doorman = Doorman()
    house.listener.gate = Gate([doorman])
    for call in (Call("GET", "/hello"), Call("GET", "/nowhere"), post({"id": 1, "method": "initialize"})):
        got = await house.answers(call)
        assert (got.status, got.headers["retry-after"]) == (429, "7")
        assert got.json == {
            "error": "no",
            "reason": "unheard of",
            "requestId": got.headers["x-request-id"],
        }
    assert (house.ledger.begun_ids, doorman.left) == ([], [])


async def test_a_foreign_page_is_refused_before_the_gate_is_asked() -> None:
    house = House(routes=ROUTES)
    house.listener.gate = Gate([doorman := Doorman()])
    got = await house.answers(Call("GET", "/hello", {"host": "evil.example", "x-word": "please"}))
    assert (got.status, doorman.left) == (403, [])


@pytest.mark.parametrize(
    ("path", "status"), [("/hello", 200), ("/nowhere", 404), ("/broken", 500), ("/breaks-off", 200)]
)
async def test_who_came_in_leaves_once_with_the_status_of_the_answer(path: str, status: int) -> None:
    house = House(routes=ROUTES)
    house.listener.gate = Gate([doorman := Doorman()])
    await house.answers(Call("GET", path, {"host": "localhost", "x-word": "please"}))
    assert doorman.left == [(path, status)]


async def test_who_leaves_before_the_answer_is_counted_out_and_by_the_gate_it_came_in_by() -> None:
    house = House()
    house.listener.gate = Gate([doorman := Doorman()])
    call = Call("POST", "/mcp", {"host": "localhost", "x-word": "please"}, body=())
    waiting = house.begins(call)
    await settle()
    house.listener.gate = None
    call.leave()
    await waiting
    assert doorman.left == [("/mcp", GONE)]


async def test_a_request_goes_with_its_principal_and_a_session_keeps_none() -> None:
    house = House()
    house.listener.gate = Gate([Doorman()])
    call = Call("GET", "/mcp", {"host": "localhost", "x-word": "please"})
    exchange = call.exchange()
    assert house.listener.gate.enter(exchange) is None
    seat = await house.listener.begin("s", "streamable-http", Call().exchange())
    assert house.listener.note(seat, exchange).principal == Principal(kind="bearer", id="ops")
    assert house.listener.note(seat, call.exchange()).principal is None


def guarded(house: House, **auth: Any) -> Guard:
    """The guard of a listener that takes the token `ops-token`."""
    guard = Guard(loop_clock())
    tokens = (BearerToken(id="ops", token="ops-token"),)
    house.listener.gate = guard.gate(Config(auth=BearerAuth(mode="bearer", tokens=tokens, **auth)))
    return guard


@pytest.mark.parametrize("path", ["/mcp", "/sse", "/messages", "/hello", "/nowhere", "/"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT", "OPTIONS", "HEAD"])
async def test_every_path_and_method_asks_for_a_token(path: str, method: str) -> None:
    house = House(routes=ROUTES)
    guarded(house)
    got = await house.answers(Call(method, path, {"host": "localhost"}))
    assert got.status == 401
    assert got.json == {"error": "Unauthorized", "requestId": got.headers["x-request-id"]}
    assert got.headers["WWW-Authenticate"].startswith("Bearer ")


async def test_the_metadata_is_served_to_strangers_and_names_what_they_asked_for() -> None:
    house = House()
    guarded(house)
    refused = await house.answers(Call("POST", "/mcp", {"host": "localhost:4860"}))
    where = refused.headers["WWW-Authenticate"].split('resource_metadata="')[1].split('"')[0]
    assert where.startswith("http://localhost:4860/")
    got = await house.answers(
        Call("GET", where.removeprefix("http://localhost:4860"), {"host": "localhost:4860"})
    )
    assert (got.status, got.json["resource"]) == (200, "http://localhost:4860/mcp")
    assert got.headers["cache-control"] == "no-store"
    assert (await house.answers(Call("GET", "/.well-known/oauth-protected-resource/etc"))).status == 404


async def test_without_auth_there_is_no_metadata() -> None:
    assert (await House().answers(Call("GET", "/.well-known/oauth-protected-resource"))).status == 404


async def test_a_page_that_may_ask_can_read_the_refusal_and_the_metadata() -> None:
    house = House()
    guarded(house)
    page = {"host": "localhost:4860", "origin": "http://localhost:6274"}
    asked = {
        **page,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    assert (await house.answers(Call("OPTIONS", "/mcp", asked))).status == 204
    refused = await house.answers(Call("POST", "/mcp", page))
    assert "www-authenticate" in refused.headers["access-control-expose-headers"]
    about = await house.answers(Call("GET", "/.well-known/oauth-protected-resource/mcp", page))
    assert about.headers["access-control-allow-origin"] == "http://localhost:6274"
    evil = {**asked, "origin": "https://evil.example"}
    assert (await house.answers(Call("OPTIONS", "/mcp", evil))).status == 403


def heard_of(house: House) -> list[HttpEnded]:
    """What a listener hears of the requests of this house from now on."""
    heard: list[HttpEnded] = []
    house.bus.subscribe(HttpEnded, heard.append)
    return heard


async def test_who_listens_hears_of_each_request_once_it_is_over() -> None:
    """What is no route has none: metrics must not have as many names as a scanner thinks of."""

    house = House(routes=ROUTES)
    heard = heard_of(house)
    for path in ("/hello", "/hello/", "/elsewhere", "/broken", "/mcp"):
        await house.answers(Call("GET", path, {"host": "localhost", "x-request-id": "r"}, query=b"a=secret"))
    await house.answers(Call("GET", "/hello", {"host": "evil.example"}))
    assert [(f.path, f.route, f.status) for f in heard] == [
        ("/hello", "/hello", 200),
        ("/hello/", "/hello", 200),
        ("/elsewhere", "", 404),
        ("/broken", "/broken", 500),
        ("/mcp", "/mcp", 400),
        ("/hello", "/hello", 403),
    ]
    assert heard[0].request_id == "r"
    assert house.app.in_flight == 0


async def test_a_client_that_leaves_before_its_answer_is_complete_has_499() -> None:
    house = House(routes=ROUTES)
    heard = heard_of(house)
    gone = Call("POST", "/mcp", body=[b"{", b""])
    gone.scope[LOST] = [True]
    gone.leave()
    await house.answers(gone)
    half = Call("GET", "/breaks-off")
    await house.answers(half)
    lost = Call("GET", "/hello")
    lost.scope[LOST] = [True]
    await house.answers(lost)
    assert [(f.path, f.status) for f in heard] == [("/mcp", 499), ("/breaks-off", 499), ("/hello", 499)]


async def test_bodies_are_told_only_where_the_audit_log_shows_them() -> None:
    house = House(config=Config(audit_log=AuditLog(enabled=True, include_request_body=True)))
    heard = heard_of(house)
    await house.answers(post({"jsonrpc": "2.0", "id": 1, "method": "x"}))
    quiet = House(config=Config(audit_log=AuditLog(enabled=True)))
    other = heard_of(quiet)
    await quiet.answers(post({"jsonrpc": "2.0", "id": 1, "method": "x"}))
    assert heard[0].body == b'{"jsonrpc": "2.0", "id": 1, "method": "x"}'
    assert other[0].body is None


@pytest.mark.parametrize(
    "query", [b"access_token=ops-token", b"token=ops-token", b"authorization=Bearer+ops-token"]
)
@pytest.mark.parametrize("path", ["/mcp", "/hello"])
async def test_a_token_in_an_address_is_none(query: bytes, path: str) -> None:
    """It would stand in logs and histories (MCP 2025-11-25, basic/authorization, "Token Requirements")."""

    house = House(routes=ROUTES)
    guarded(house)
    assert (await house.answers(Call("GET", path, {"host": "localhost"}, query=query))).status == 401
    cookie = {"host": "localhost", "cookie": "access_token=ops-token", "x-access-token": "ops-token"}
    assert (await house.answers(Call("GET", path, cookie))).status == 401


async def test_a_limit_that_refuses_a_request_is_told_with_the_key_that_says_how_much() -> None:
    house = House(Config(request_body_max_bytes=40, listener_max_sessions=1))
    told: list[LimitReached] = []
    house.bus.subscribe(LimitReached, told.append)
    large = await house.posts(
        {"id": 1, "method": "ping", "params": {"a": "x" * 100}}, **{"x-request-id": "r1"}
    )
    hello = b'{"id":0,"method":"initialize"}'
    first = await house.answers(post(hello))
    for seat in house.listener.table:
        seat.active += 1
    second = await house.answers(post(hello))
    assert (large.status, first.status, second.status) == (413, 200, 503)
    assert [(fact.limit, fact.retry_seconds) for fact in told] == [
        ("requestBodyMaxBytes", None),
        ("listenerMaxSessions", 1),
    ]
    assert told[0].request_id == "r1"
    assert (await house.answers(Call("GET", "/nowhere"))).status == 404
    assert len(told) == 2
