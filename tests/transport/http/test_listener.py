"""What the endpoints share: sessions begin while there is room, go on elsewhere, and end when idle."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec import Raw

from callmux.config.model import Config
from callmux.config.observing import OpenTelemetry
from callmux.config.servers import HttpServer
from callmux.guard.grant import Grant, Standing
from callmux.guard.principal import Principal
from callmux.protocol.jsonrpc import RpcError
from callmux.session.saved_sessions import SavedSession
from callmux.transport.http.exchange import Refusal
from tests.support import settle
from tests.transport.http.asgi import POSTED, Call, House, post


async def test_the_longest_idle_session_makes_room_and_a_busy_one_does_not() -> None:
    house = House(Config(listener_max_sessions=1))
    first = await house.listener.begin("a", "sse", Call().exchange())
    second = await house.listener.begin("b", "sse", Call().exchange())
    assert (first.closed, house.ledger.ended_ids) == (True, ["a"])
    second.active += 1
    for kind, code in (("sse", None), ("streamable-http", -32002)):
        with pytest.raises(Refusal) as refused:
            await house.listener.begin("c", kind, Call().exchange())
        assert (refused.value.status, refused.value.rpc_code) == (503, code)
        assert refused.value.headers == {"Retry-After": "1"}


async def test_a_session_of_the_process_before_goes_on_until_it_is_ended() -> None:
    before, after = House(), House()
    greeting = Raw(b'{"protocolVersion":"2025-06-18","capabilities":{"b":{},"a":{}}}')
    id = (await before.listener.admit(Call().exchange(), greeting)).id
    seat = await after.listener.recall(id, Call().exchange())
    assert seat is not None
    assert seat.session.is_ready
    assert (seat.session.version, seat.session.capabilities) == ("2025-06-18", b'{"a":{},"b":{}}')
    assert after.listener.table.get(id) is seat
    assert after.ledger.begun_ids == [id]
    await after.listener.table.remove(id)
    assert await after.listener.recall(id, Call().exchange()) is None
    assert await after.listener.recall("made-up", Call().exchange()) is None


async def test_a_greeting_of_the_wrong_shape_is_refused() -> None:
    house = House()
    with pytest.raises(Refusal) as refused:
        await house.listener.admit(Call().exchange(), Raw(b'{"protocolVersion":1}'))
    assert (refused.value.status, refused.value.rpc_code) == (400, -32602)
    assert len(house.listener.table) == 0


async def test_headers_tell_of_a_session_and_a_credential_lasts_one_request() -> None:
    server = HttpServer(url="http://x", forward_headers=("x-key",))
    house = House(Config(servers={"a": server}))
    seat = await house.listener.begin("a", "sse", Call().exchange())
    given = {"x-callmux-cwd": " /w ", "x-callmux-client": "cli", "x-key": "k", "x-other": "o"}
    said = house.listener.note(seat, Call(headers=given).exchange())
    facts = seat.session.facts
    assert (facts.cwd, facts.cwd_source, facts.client_kind) == ("/w", "header", "cli")
    assert (said.cwd, said.headers) == ("/w", {"x-key": "k"})
    odd = {"x-callmux-cwd": "not/absolute", "x-callmux-client": "emperor"}
    said = house.listener.note(seat, Call(headers=odd).exchange())
    assert (facts.cwd, facts.client_kind) == ("/w", "cli")
    assert (said.cwd, said.headers) == (None, {})


async def test_an_idle_session_is_swept_and_an_active_one_stays() -> None:
    house = House(Config(listener_session_inactivity_ttl_seconds=100))
    await house.listener.begin("idle", "sse", Call().exchange())
    (await house.listener.begin("busy", "sse", Call().exchange())).active += 1
    sweeping = asyncio.get_running_loop().create_task(house.listener.keep_sweeping())
    await asyncio.wait({sweeping}, timeout=99)
    assert len(house.listener.table) == 2
    await asyncio.wait({sweeping}, timeout=52)
    assert house.ledger.ended_ids == ["idle"]
    sweeping.cancel()
    await asyncio.wait({sweeping})


async def test_sweeping_goes_on_where_one_time_fails(caplog: pytest.LogCaptureFixture) -> None:
    house = House(Config(listener_session_inactivity_ttl_seconds=100))
    await house.listener.begin("idle", "sse", Call().exchange())
    sweep, failing = house.listener.table.sweep, [True]

    async def fails_once(ttl_seconds: float) -> None:
        if failing:
            failing.clear()
            raise RuntimeError("a session does not end")
        await sweep(ttl_seconds)

    house.listener.table.sweep = fails_once  # type: ignore[method-assign]
    sweeping = asyncio.get_running_loop().create_task(house.listener.keep_sweeping())
    await asyncio.wait({sweeping}, timeout=201)
    assert house.ledger.ended_ids == ["idle"]
    assert "a session does not end" in caplog.text
    sweeping.cancel()
    await asyncio.wait({sweeping})


async def test_who_begins_has_the_idle_swept_but_not_for_each_of_many() -> None:
    """A thousandth session costs what the first does."""
    house = House(Config(listener_session_inactivity_ttl_seconds=100))
    looked: list[float] = []
    sweep = house.listener.table.sweep

    async def look(ttl_seconds: float) -> None:
        looked.append(house.listener.now())
        await sweep(ttl_seconds)

    house.listener.table.sweep = look  # type: ignore[method-assign]
    for n in range(50):
        await house.listener.begin(f"many{n}", "sse", Call().exchange())
    assert len(looked) == 1
    await asyncio.sleep(102)
    await house.listener.begin("late", "sse", Call().exchange())
    assert len(looked) == 2
    assert len(house.listener.table) == 1


async def test_draining_lets_requests_finish_and_then_none_begins() -> None:
    house = House()
    id = await house.greets()
    call = house.begins(post({"id": 1, "method": "slow"}, id))
    await settle()
    draining = asyncio.get_running_loop().create_task(house.listener.drain(10))
    await asyncio.wait({draining}, timeout=1)
    meanwhile = await house.posts({"id": 2, "method": "x"}, id)
    assert (draining.done(), meanwhile.json["result"]) == (False, {"did": "x"})
    house.desk.go.set()
    await draining
    assert (await call).json["result"] == {"did": "slow"}
    late = await house.posts({"id": 3, "method": "x"}, id)
    assert (late.status, late.headers["Retry-After"], late.json["id"]) == (503, "1", 3)
    assert (await house.posts({"method": "notifications/y"}, id)).status == 202
    assert house.ledger.ended_ids == []


async def test_draining_does_not_wait_for_ever() -> None:
    loop = asyncio.get_running_loop()
    house = House()
    stuck = house.begins(post({"id": 3, "method": "slow"}, await house.greets()))
    await settle()
    began = loop.time()
    await house.listener.drain(10)
    assert loop.time() - began == pytest.approx(10, abs=0.1)
    assert (await stuck).complete


async def test_an_answer_reaches_a_client_of_the_older_transport_before_its_stream_is_ended() -> None:
    """Weak spot L8 of callmux (npm)."""
    house = House()
    stream = Call("GET", "/sse", {"host": "localhost"})
    listening = house.begins(stream)
    await stream.until_sent(b"sessionId=")
    query = stream.body.split(b"/messages?")[1].split(b"\n")[0]

    def message(id: int) -> Call:
        body = b'{"jsonrpc":"2.0","id":%d,"method":"slow"}' % id
        return Call("POST", "/messages", POSTED, body, query)

    await house.answers(message(1))
    await settle()
    draining = asyncio.get_running_loop().create_task(house.listener.drain(10))
    await settle()
    house.listener.refusing = True
    assert (await house.answers(message(2))).status == 503
    house.desk.go.set()
    await draining
    assert b'"id":1' in (await listening).body
    assert stream.complete


async def test_a_session_of_the_process_before_is_brought_where_it_was() -> None:
    before, after = House(), House()
    id = await before.greets()
    after.listener.saved_sessions[id] = SavedSession(
        log_level="debug", client_name="c", subscriptions=["a", "bad"]
    )
    asked: list[tuple[str, bytes]] = []

    async def handle(session: Any, method: str, params: Raw, port: Any) -> bytes:
        asked.append((method, bytes(params)))
        if b"bad" in bytes(params):
            raise RpcError(-32602, "no such resource")
        return b"{}"

    after.desk.handle = handle  # type: ignore[method-assign,assignment]
    seat = await after.listener.recall(id, Call().exchange())
    assert seat is not None
    assert (await after.listener.recall(id, Call().exchange()), seat.session.facts.client_name) == (
        seat,
        "c",
    )
    await settle()
    assert [method for method, _ in asked] == ["logging/setLevel", *["resources/subscribe"] * 2]


async def test_what_concerns_the_process_before_is_passed_on_to_it() -> None:
    before, after = House(), House()
    after.listener.elsewhere = before.listener.overheard
    id = await before.greets()
    call = post({"id": 1, "method": "slow"}, id)
    task = before.begins(call)
    await call.until_sent(b"data: \n\n")
    cancelled = {"method": "notifications/cancelled", "params": {"requestId": 1}}
    assert (await after.posts(cancelled, id)).status == 202
    await task
    assert (call.complete, b"slow" in call.body) == (True, False)
    before.listener.overheard("never-heard-of", b"{}")


async def test_the_token_that_let_a_request_in_goes_no_further() -> None:
    server = HttpServer(url="http://h/mcp", forward_headers=("authorization", "x-key", "x-token"))
    house = House(Config(servers={"remote": server}))
    seat = await house.listener.begin("s", "streamable-http", Call().exchange())
    head = {"authorization": "Bearer t0ken", "x-key": "1", "x-token": "t0ken"}
    exchange = Call("POST", "/mcp", {**POSTED, **head}).exchange()
    # Without auth it is a credential for servers.
    assert house.listener.note(seat, exchange).headers == head
    ops = Principal(kind="bearer", id="ops")
    exchange.principal, exchange.grant = ops, Grant(principal=ops, standing=Standing())
    said = house.listener.note(seat, exchange)
    assert (said.headers, said.audiences) == ({"x-key": "1"}, ())


@pytest.mark.parametrize("traces", [True, False])
async def test_the_trace_of_an_http_request_goes_with_what_it_brings_only_where_somebody_traces(
    traces: bool,
) -> None:
    house = House(config=Config(open_telemetry=OpenTelemetry(enabled=traces)))
    seen: list[Any] = []
    handle = house.desk.handle

    async def watched(session: Any, method: str, params: Any, port: Any) -> bytes:
        seen.append(port.said.trace)
        return await handle(session, method, params, port)

    house.desk.handle = watched  # type: ignore[method-assign]
    id = await house.greets()
    await house.posts({"id": 1, "method": "x"}, id, traceparent="00-a-b-01", tracestate="c=d", baggage="e=f")
    assert seen == [{"traceparent": "00-a-b-01", "tracestate": "c=d"} if traces else {}]
