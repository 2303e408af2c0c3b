"""Plain requests answered directly: whatever a client does, it gets what it gets from uvicorn's way."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import weakref
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callmux.config.model import Config
from callmux.guard.gate import Caller, Gate
from callmux.observe.facts import HttpEnded
from callmux.protocol.sse import request_stream
from callmux.transport.http.direct import KEPT_LINE_BYTES, MOST_HEADS, SPARED, DirectProtocol
from callmux.transport.http.heads import LARGEST, LARGEST_HEAD, passing
from callmux.transport.http.narrow import NarrowProtocol
from callmux.transport.http.streams import PATIENCE_SECONDS
from tests.support import play, settle
from tests.transport.http.asgi import House
from tests.transport.http.wire import Answer, Connection, Server, post

HELLO = {"id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25", "capabilities": {}}}
STREAM = "text/event-stream"
KEEPS = b"Connection: keep-alive\r\n"


async def _greeted(server: Server) -> str:
    """The id of a session whose handshake is done."""
    connection = server.connect()
    connection.send(post(HELLO, None))
    await connection.settle()
    (answer,) = connection.answers
    session = answer.headers["mcp-session-id"]
    connection.send(post({"method": "notifications/initialized"}, session))
    await connection.settle()
    connection.leave()
    return session


async def known(
    kind: type[NarrowProtocol] = DirectProtocol, more: bytes = b""
) -> tuple[Server, str, Connection]:
    """A connection whose head is known: it has been answered once."""
    server = Server(kind, House())
    session = await _greeted(server)
    connection = server.connect()
    connection.send(post({"id": 1, "method": "x"}, session, more))
    await connection.settle()
    return server, session, connection


async def test_a_plain_request_is_answered_without_an_exchange() -> None:
    server, session, connection = await known()
    cycle = connection.protocol.cycle
    facts: list[HttpEnded] = []
    server.house.bus.subscribe(HttpEnded, facts.append)
    for id, method in [(2, "x"), (3, "bad"), ("four", "tools/call")]:
        connection.send(post({"id": id, "method": method, "params": {"name": "t"}}, session))
        await connection.settle()
    assert connection.protocol.cycle is cycle
    first, *rest = connection.answers
    assert [answer.json["id"] for answer in rest] == [2, 3, "four"]
    assert [set(answer.headers) for answer in rest] == [set(first.headers)] * 3
    assert rest[1].json["error"]["code"] == -32602
    shown = [(fact.method, fact.route, fact.status, fact.peer) for fact in facts]
    assert shown == [("POST", "/mcp", 200, "127.0.0.1")] * 3
    assert [fact.request_id for fact in facts] == [answer.headers["x-request-id"] for answer in rest]
    assert len({fact.request_id for fact in facts}) == 3
    (seat,) = server.house.listener.table
    assert (seat.active, server.house.app.in_flight) == (0, 0)


@pytest.mark.parametrize(("body", "directly"), [(b"%b\n", True), (b"\n%b", False), (b"%b\r\n", False)])
async def test_its_body_may_end_as_a_line_does(body: bytes, directly: bool) -> None:
    _, session, connection = await known()
    cycle = connection.protocol.cycle
    connection.send(post(body % b'{"jsonrpc":"2.0","id":2,"method":"x"}', session))
    await connection.settle()
    assert connection.answers[-1].json["id"] == 2
    assert (connection.protocol.cycle is cycle) == directly


@pytest.mark.parametrize("cut", [1, -36])
async def test_a_client_may_say_that_it_keeps_its_connection(cut: int) -> None:
    """The clients of the SDKs for Python and TypeScript say so with each request."""
    _, session, connection = await known(more=KEEPS)
    cycle = connection.protocol.cycle
    whole = post({"id": 2, "method": "x"}, session, KEEPS)
    connection.send(whole[:cut], whole[cut:])
    connection.send(whole.replace(b'"id": 2', b'"id": 3'))
    await connection.settle()
    assert [answer.json["id"] for answer in connection.answers] == [1, 2, 3]
    assert connection.protocol.cycle is cycle


@pytest.mark.parametrize("begins", [b"1.0", b"1.1"])
async def test_a_request_of_http_1_0_ends_its_connection(begins: bytes) -> None:
    """Whatever it says: so does uvicorn."""

    async def seen(kind: type[NarrowProtocol]) -> tuple[object, bool]:
        server = Server(kind, House())
        session = await _greeted(server)
        connection = server.connect()
        for id, version in enumerate([begins, b"1.0", b"1.0"]):
            if not connection.wire.closed:
                message = post({"id": id, "method": "x"}, session, KEEPS)
                connection.send(message.replace(b"HTTP/1.1", b"HTTP/%b" % version))
                await connection.settle()
        return [shown(answer, session) for answer in connection.answers], connection.wire.closed

    answers, closed = await seen(DirectProtocol)
    assert closed
    assert (answers, closed) == await seen(NarrowProtocol)


@pytest.mark.parametrize("cut", [1, 30, -1, -20])
async def test_it_may_come_in_pieces(cut: int) -> None:
    _, session, connection = await known()
    cycle = connection.protocol.cycle
    whole = post({"id": 2, "method": "x"}, session)
    connection.send(whole[:cut], whole[cut:])
    await connection.settle()
    assert [answer.json["id"] for answer in connection.answers] == [1, 2]
    assert connection.protocol.cycle is cycle


async def test_something_before_the_answer_makes_it_a_stream() -> None:
    _, session, connection = await known()
    connection.send(post({"id": 2, "method": "chatty"}, session))
    await connection.settle()
    last = connection.answers[-1]
    assert (last.headers["content-type"], last.whole) == (STREAM, True)
    assert last.body.index(b'"hm"') < last.body.index(b'"did"')


async def test_an_answer_that_takes_long_comes_by_a_stream() -> None:
    server, session, connection = await known()
    connection.send(post({"id": 2, "method": "slow"}, session))
    await connection.settle()
    assert len(connection.answers) == 1
    assert server.house.app.in_flight == 1
    await asyncio.sleep(PATIENCE_SECONDS + 0.1)
    assert connection.answers[-1].headers["content-type"] == STREAM
    server.house.desk.go.set()
    await connection.settle()
    assert b'"did"' in connection.answers[-1].body
    assert connection.answers[-1].whole
    (seat,) = server.house.listener.table
    assert (seat.active, server.house.app.in_flight) == (0, 0)


async def test_each_answer_has_its_own_patience() -> None:
    server, session, first = await known()
    second = server.connect()
    second.send(post({"id": 11, "method": "x"}, session))
    await second.settle()
    first.send(post({"id": 2, "method": "slow"}, session))
    await asyncio.sleep(PATIENCE_SECONDS - 0.5)
    second.send(post({"id": 12, "method": "slow"}, session))
    await asyncio.sleep(1.0)
    assert [len(first.answers), len(second.answers)] == [2, 1]
    await asyncio.sleep(PATIENCE_SECONDS)
    assert [len(first.answers), len(second.answers)] == [2, 2]


@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_answer_whose_client_has_left_can_be_fetched(when: str) -> None:
    """Our bridge asks for the answer to a request by the request's id."""
    server, session, connection = await known()
    house = server.house
    connection.send(post({"id": 2, "method": "slow"}, session))
    await connection.settle()
    if when == "before":
        connection.leave()
    house.desk.go.set()
    await connection.settle()
    connection.leave()
    other = server.connect()
    event = f"{request_stream(2)}_0".encode()
    other.send(
        b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nMcp-Session-Id: %b\r\n"
        b"Last-Event-ID: %b\r\n\r\n" % (session.encode(), event)
    )
    await other.settle()
    assert b'"did"' in other.answers[-1].body
    (seat,) = house.listener.table
    assert (seat.active, house.app.in_flight) == (0, 0)


@pytest.mark.parametrize("most", [KEPT_LINE_BYTES, 5])
async def test_an_answer_on_a_connection_that_seems_alive_can_be_fetched_too(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A larger one is kept where all that is kept has a bound."""
    monkeypatch.setattr("callmux.transport.http.direct.KEPT_LINE_BYTES", most)
    server, session, connection = await known()
    connection.send(post({"id": 2, "method": "x"}, session))
    await connection.settle()
    (seat,) = server.house.listener.table
    assert bool(seat._sent) is (most == KEPT_LINE_BYTES)
    assert seat.find(f"{request_stream(2)}_0") is not None
    connection.send(post({"id": 3, "method": "x"}, session))
    await connection.settle()
    # It has asked again, so the answer has arrived.
    assert seat.find(f"{request_stream(2)}_0") is None


async def test_an_older_answer_of_the_same_id_is_never_fetched_in_place_of_a_newer_one() -> None:
    server, session, connection = await known()
    connection.send(post({"id": 2, "method": "x"}, session))
    await connection.settle()
    connection.leave()
    (seat,) = server.house.listener.table
    event = f"{request_stream(2)}_0"
    assert seat.find(event) is not None
    other = server.connect()
    for id in (3, 2):
        other.send(post({"id": id, "method": "tools/call", "params": {"name": "t"}}, session))
        await other.settle()
    found = seat.find(event)
    assert isinstance(found, tuple)
    assert b"tools/call" in (found[0].only() or b"")
    other.send(post({"id": 4, "method": "x"}, session))
    await other.settle()
    assert seat.find(event) is None


async def test_answers_go_out_in_the_order_of_the_requests() -> None:
    server, session, connection = await known()
    two = post({"id": 2, "method": "slow"}, session) + post({"id": 3, "method": "x"}, session)
    connection.send(two, post({"id": 4, "method": "x"}, session))
    await connection.settle()
    server.house.desk.go.set()
    await connection.settle()
    bodies = [answer.body for answer in connection.answers]
    assert [next(id for id in range(1, 5) if b'"id":%d' % id in body) for body in bodies] == [1, 2, 3, 4]


async def test_what_comes_while_an_answer_is_owed_waits_and_is_answered() -> None:
    server, session, connection = await known()
    connection.send(post({"id": 2, "method": "slow"}, session))
    half = post({"id": 3, "method": "x"}, session)
    connection.send(half[:40], half[40:])
    await connection.settle()
    assert connection.wire.paused
    server.house.desk.go.set()
    await connection.settle()
    assert not connection.wire.paused
    assert [answer.json["id"] for answer in connection.answers] == [1, 2, 3]


async def test_a_client_that_has_closed_its_sending_side_gets_its_answer() -> None:
    server, session, connection = await known()
    connection.send(post({"id": 2, "method": "slow"}, session))
    await connection.settle()
    connection.end()
    server.house.desk.go.set()
    await connection.settle()
    assert connection.answers[-1].headers["connection"] == "close"
    assert connection.answers[-1].json["id"] == 2
    assert connection.wire.closed


async def test_a_listener_that_ends_lets_an_answer_out_and_the_connection_go() -> None:
    server, session, connection = await known()
    connection.send(post({"id": 2, "method": "slow"}, session))
    await connection.settle()
    connection.protocol.shutdown()
    assert not connection.wire.closed
    server.house.desk.go.set()
    await connection.settle()
    assert connection.answers[-1].headers["connection"] == "close"
    assert connection.wire.closed


@pytest.mark.parametrize("state", ["leaving", "refusing", "elsewhere"])
async def test_a_listener_that_hands_over_goes_the_long_way(state: str) -> None:
    server, session, connection = await known()
    cycle = connection.protocol.cycle
    setattr(server.house.listener, state, (lambda id, body: None) if state == "elsewhere" else True)
    connection.send(post({"id": 2, "method": "x"}, session))
    await connection.settle()
    assert connection.protocol.cycle is not cycle
    assert connection.answers[-1].status == (503 if state == "refusing" else 200)


async def test_another_configuration_is_looked_at_anew() -> None:
    server, session, connection = await known()
    house = server.house
    house.listener.configure(
        Config(), type(house.listener.limits)(Config(request_body_max_bytes=10), lambda b: ())
    )
    connection.send(post({"id": 2, "method": "x"}, session))
    await connection.settle()
    assert connection.answers[-1].status == 413


async def test_a_session_that_is_over_is_not_found() -> None:
    server, session, connection = await known()
    await server.house.listener.table.remove(session)
    connection.send(post({"id": 2, "method": "x"}, session))
    await connection.settle()
    assert connection.answers[-1].status == 404


async def test_a_session_that_ends_ends_what_is_owed() -> None:
    server, session, connection = await known()
    connection.send(post({"id": 2, "method": "slow"}, session))
    await connection.settle()
    await server.house.listener.table.remove(session)
    await connection.settle()
    assert connection.answers[-1].whole
    assert server.house.app.in_flight == 0


async def test_a_request_whose_id_is_in_flight_is_refused() -> None:
    server, session, connection = await known()
    other = server.connect()
    connection.send(post({"id": 2, "method": "slow"}, session))
    other.send(post({"id": 1, "method": "x"}, session))
    await other.settle()
    other.send(post({"id": 2, "method": "x"}, session))
    await other.settle()
    assert other.answers[-1].status == 400
    server.house.desk.go.set()
    await connection.settle()
    assert connection.answers[-1].json["id"] == 2


async def test_a_kept_connection_ends_after_its_time_and_not_while_it_is_used() -> None:
    _, session, connection = await known()
    for id in range(2, 6):
        await asyncio.sleep(50)
        connection.send(post({"id": id, "method": "x"}, session))
        await connection.settle()
    assert len(connection.answers) == 5
    assert not connection.wire.closed
    await asyncio.sleep(74)
    assert not connection.wire.closed
    await asyncio.sleep(2)
    assert connection.wire.closed


async def test_a_request_without_a_session_is_not_answered_in_that_of_the_one_before() -> None:
    """A proxy sends what many clients ask on one connection: the greeting of one must not let another in."""
    server = Server(DirectProtocol, House())
    connection = server.connect()
    for message in (HELLO, {"id": 5, "method": "x"}, {"id": 6, "method": "x"}):
        connection.send(post(message, None))
        await connection.settle()
    assert [answer.status for answer in connection.answers] == [200, 400, 400]
    assert [b"did" in answer.body for answer in connection.answers] == [False] * 3
    assert "mcp-session-id" not in connection.answers[-1].headers


async def test_what_a_load_balancer_says_of_each_request_keeps_no_head_from_being_known() -> None:
    said = b"X-Request-Id: r%d\r\nX-Amzn-Trace-Id: Root=%d\r\ntraceparent: 00-%d\r\nCF-Ray: %d\r\n"
    server, session, connection = await known(more=said % (1, 1, 1, 1))
    facts: list[HttpEnded] = []
    server.house.bus.subscribe(HttpEnded, facts.append)
    cycle = connection.protocol.cycle
    for id in (2, 3, 3, 4):
        connection.send(post({"id": id, "method": "x"}, session, said % (id, id, id, id)))
        await connection.settle()
    # Two ids, of which the first counts; one that is none; none at all.
    for id, more in [
        (5, b"X-Request-Id: a\r\nX-Request-Id: b\r\n"),
        (6, b"X-Request-Id: \xe4 \r\n"),
        (7, b""),
    ]:
        connection.send(post({"id": id, "method": "x"}, session, more))
        await connection.settle()
    assert connection.protocol.cycle is cycle
    assert [answer.json["id"] for answer in connection.answers] == [1, 2, 3, 3, 4, 5, 6, 7]
    ids = [answer.headers["x-request-id"] for answer in connection.answers]
    assert ids[:6] == ["r1", "r2", "r3", "r3", "r4", "a"]
    assert len(ids[6]) == len(ids[7]) == 36
    assert [fact.request_id for fact in facts] == ids[1:]


async def test_headers_that_servers_are_given_make_a_head_another_one() -> None:
    server, session, connection = await known(more=b"Cf-Ray: 1\r\n")
    listener = server.house.listener
    listener._forwarded = frozenset({"cf-ray", "x-request-id"})
    listener.passing = passing(listener._forwarded)
    for more in (b"Cf-Ray: 2\r\n", b"Cf-Ray: 3\r\n", b"X-Request-Id: r\r\n", b"X-Request-Id: r\r\n"):
        cycle = connection.protocol.cycle
        connection.send(post({"id": 2, "method": "x"}, session, more))
        await connection.settle()
        assert connection.protocol.cycle is not cycle


async def test_heads_of_several_clients_are_known_of_one_connection() -> None:
    """A proxy sends what many clients ask on a few connections."""
    server, first, connection = await known()
    sessions = [first, *[await _greeted(server) for _ in range(MOST_HEADS - 1)]]
    for id, session in enumerate(sessions[1:]):
        connection.send(post({"id": id, "method": "x"}, session))
        await connection.settle()
    cycle = connection.protocol.cycle
    before = len(connection.answers)
    for id, session in enumerate(sessions * 2):
        connection.send(post({"id": 100 + id, "method": "x"}, session))
        await connection.settle()
    answers = connection.answers[before:]
    assert [answer.json["id"] for answer in answers] == [100 + n for n in range(2 * MOST_HEADS)]
    assert [answer.headers["mcp-session-id"] for answer in answers] == sessions * 2
    assert connection.protocol.cycle is cycle


async def test_heads_are_not_known_without_a_bound_nor_once_their_session_is_over() -> None:
    server, first, connection = await known()
    sessions = [await _greeted(server) for _ in range(MOST_HEADS + 3)]
    # One comes again, so that knowing them is worth it.
    for session in [*sessions[:8], first, *sessions[8:]]:
        connection.send(post({"id": 1, "method": "x"}, session))
        await connection.settle()
    protocol = connection.protocol
    kept = [head.seat.id for head in protocol._heads]
    assert kept == sessions[: -MOST_HEADS - 1 : -1]
    assert {id(head) for _, head in protocol._known_heads} == {id(head) for head in protocol._heads}
    for session in sessions[1:]:
        await server.house.listener.table.remove(session)
    connection.send(post({"id": 7, "method": "x"}, first))
    await connection.settle()
    assert connection.answers[-1].json["id"] == 7
    assert [head.seat.id for head in protocol._heads] == [first]
    assert len(protocol._known_heads) == 1


async def test_where_no_head_comes_again_few_are_compared() -> None:
    """A client, or a proxy before it, may send something that is another one each time."""
    _, session, connection = await known()
    counts = []
    for id in range(2 * SPARED):
        connection.send(post({"id": id, "method": "x"}, session, b"X-Own: %d\r\n" % id))
        await connection.settle()
        counts.append(len(connection.protocol._heads))
    assert max(counts) == MOST_HEADS
    assert sum(counts) < len(counts) * MOST_HEADS / 4
    for id in range(SPARED):
        cycle = connection.protocol.cycle
        connection.send(post({"id": id, "method": "x"}, session, b"X-Own: %d\r\n" % (id % 2)))
        await connection.settle()
    assert connection.protocol.cycle is cycle, "two that take turns are known"


async def test_a_connection_that_was_reset_in_the_middle_is_forgotten() -> None:
    server, session, connection = await known()
    connection.send(post({"id": 5, "method": "slow"}, session, b"Origin: http://localhost\r\n"))
    await connection.settle()
    connection.leave(ConnectionResetError())
    server.house.desk.go.set()
    await settle()
    gone = weakref.ref(connection.protocol)
    del connection
    gc.collect()
    # No timer holds it.
    assert gone() is None


async def test_a_client_that_does_not_read_is_not_answered_without_a_bound() -> None:
    server, session, connection = await known()
    connection.protocol.pause_writing()
    sent = len(connection.wire.out)
    for id in range(2, 12):
        connection.send(post({"id": id, "method": "x"}, session))
        await connection.settle()
    assert connection.wire.paused
    assert len(connection.wire.out) == sent
    connection.protocol.resume_writing()
    await connection.settle()
    assert [answer.json["id"] for answer in connection.answers] == list(range(1, 12))
    (seat,) = server.house.listener.table
    assert (seat.active, server.house.app.in_flight) == (0, 0)


async def test_a_head_that_is_known_keeps_no_body() -> None:
    _, session, connection = await known()
    connection.send(post({"id": 2, "method": "x", "params": {"name": "y" * LARGEST}}, session))
    await connection.settle()
    assert connection.protocol._heads[0].exchange.body is None


async def test_a_head_that_is_known_keeps_nothing_of_the_request_that_it_was_learned_from() -> None:
    """Above all not what load balancers say of each: of many connections, that would be much."""
    server, session, connection = await known(more=b"traceparent: %b\r\n" % (b"0" * 50_000))
    cycle = weakref.ref(connection.protocol.cycle)
    assert len(connection.protocol._heads) == 1
    connection.send(b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await connection.settle()
    gc.collect()
    assert cycle() is None
    connection.send(post({"id": 2, "method": "slow"}, session))
    await asyncio.sleep(PATIENCE_SECONDS + 0.1)
    server.house.desk.go.set()
    await connection.settle()
    assert b'"did"' in connection.answers[-1].body


@pytest.mark.parametrize(("size", "directly"), [(LARGEST_HEAD - 1000, True), (LARGEST_HEAD, False)])
async def test_a_large_head_is_not_known(size: int, directly: bool) -> None:
    more = b"X-Large: %b\r\n" % (b"x" * size)
    _, session, connection = await known(more=more)
    cycle = connection.protocol.cycle
    connection.send(post({"id": 2, "method": "x"}, session, more))
    await connection.settle()
    assert connection.answers[-1].json["id"] == 2
    assert (connection.protocol.cycle is cycle) == directly
    assert len(connection.protocol._known_heads) == directly


async def test_a_body_that_its_client_left_in_the_middle_of_is_told_of() -> None:
    server, session, connection = await known()
    facts: list[HttpEnded] = []
    server.house.bus.subscribe(HttpEnded, facts.append)
    connection.send(post({"id": 2, "method": "x"}, session)[:-3])
    await connection.settle()
    connection.leave()
    await settle()
    assert [(fact.method, fact.route, fact.status) for fact in facts] == [("POST", "/mcp", 499)]
    assert server.house.app.in_flight == 0


async def test_a_body_in_single_bytes_is_looked_at_once() -> None:
    """Looking at all that has come at every byte would take a minute for the largest body."""
    _, session, connection = await known()
    cycle = connection.protocol.cycle
    body = json.dumps({"id": 2, "method": "x", "params": {"name": "y" * (LARGEST - 100)}}).encode()
    whole = post(body, session)
    connection.send(whole[: -len(body)])
    assert isinstance(connection.protocol._part, bytearray)
    connection.send(*(body[n : n + 1] for n in range(len(body))))
    await connection.settle()
    assert connection.answers[-1].json["id"] == 2
    assert connection.protocol.cycle is cycle


class Broken:
    """A check that fails."""

    is_left = False
    fails = False

    def enter(self, caller: Caller) -> None:
        if self.fails:
            raise ValueError("a check of ours")

    def leave(self, caller: Caller, status: int) -> None:
        """Nothing to do."""


async def test_a_check_that_fails_is_answered_and_ends_nothing_else() -> None:
    server = Server(DirectProtocol, House())
    check = Broken()
    server.house.listener.gate = Gate([check])
    session = await _greeted(server)
    connection = server.connect()
    connection.send(post({"id": 1, "method": "x"}, session))
    await connection.settle()
    check.fails = True
    connection.send(post({"id": 2, "method": "x"}, session))
    await connection.settle()
    check.fails = False
    connection.send(post({"id": 3, "method": "x"}, session))
    await connection.settle()
    assert [answer.status for answer in connection.answers] == [200, 500, 200]


async def test_a_body_that_never_ends_times_out() -> None:
    _, session, connection = await known()
    connection.send(post({"id": 2, "method": "x"}, session)[:-3])
    await asyncio.sleep(30)
    assert connection.answers[-1].status == 408


async def test_a_body_that_is_too_large_for_this_way_goes_the_other() -> None:
    _, session, connection = await known()
    cycle = connection.protocol.cycle
    large = {"id": 2, "method": "x", "params": {"name": "y" * LARGEST}}
    connection.send(post(large, session))
    await connection.settle()
    assert connection.answers[-1].json["id"] == 2
    assert connection.protocol.cycle is not cycle


@pytest.mark.parametrize(
    "length",
    [b"+%d", b" %d", b"%d ", b"0%d", b"-%d", b"0x%d", b"%d, %d", b"", b"9%d", b"%d\r\nContent-Length: %d"],
)
async def test_a_length_in_another_form_is_read_as_uvicorn_reads_it(length: bytes) -> None:
    """Whoever reads one length and answers by another can be made to take a body for a request."""
    body = b'{"id":2,"method":"x"}'
    digits = length.replace(b"%d", b"%d" % len(body))
    assert await _seen(DirectProtocol, body, digits) == await _seen(NarrowProtocol, body, digits)


async def _seen(kind: type[NarrowProtocol], body: bytes, digits: bytes) -> object:
    _, session, connection = await known(kind)
    connection.send(post(body, session, length=digits))
    await connection.settle()
    return [shown(answer, session) for answer in connection.answers], connection.wire.closed


def _by_chance(name: str, value: str) -> bool:
    """Whether chance decides a header: our own id of a request; or whether the end of a client's side was
    seen before its answer went out."""
    return name == "connection" or (name == "x-request-id" and len(value) == 36)


def shown(answer: Answer, *sessions: str) -> object:
    """An answer without what chance decides."""
    names = {session: f"SESSION {n}" for n, session in enumerate(sessions)}
    headers = {k: names.get(v, v) for k, v in answer.headers.items() if not _by_chance(k, v)}
    body = re.sub(rb'"requestId":"[^"]*"', b"", answer.body)
    return answer.status, sorted(headers.items()), body, answer.whole


METHODS = ["x", "slow", "chatty", "bad", "tools/call", "ping"]
OWN = [b"X-Request-Id: r%d\r\n", b"x-amzn-trace-id: %d\r\n", b"Cf-Ray: %d\r\n", b"TraceParent: %d\r\n"]
MORE = [
    b"",
    b"X-Callmux-Cwd: /a\r\n",
    b"Origin: http://localhost\r\n",
    b"X-Request-Id: mine\r\n",
    b"Expect: 100-continue\r\n",
]
ALWAYS = [b"", KEEPS, b"X-Request-Id: one\r\n"]
"""What a client sends with all that it asks."""
Step = tuple[str, Any, Any, Any]

steps = st.one_of(
    st.tuples(
        st.just("ask"),
        st.sampled_from(METHODS),
        st.sampled_from([2, 3, "a"]),
        st.sampled_from([0, 0, 0, 0, *range(1, 5)]),
    ),
    st.tuples(
        st.just("own"), st.sampled_from(METHODS), st.sampled_from([2, 3]), st.integers(0, len(OWN) - 1)
    ),
    st.tuples(st.just("other"), st.sampled_from(METHODS), st.sampled_from([2, 3]), st.just(0)),
    st.tuples(st.just("cut"), st.sampled_from(METHODS), st.sampled_from([2, 3]), st.integers(1, 250)),
    st.tuples(st.just("two"), st.sampled_from(METHODS), st.sampled_from(METHODS), st.just(0)),
    st.tuples(st.just("tell"), st.just("notifications/cancelled"), st.sampled_from([2, 3]), st.just(0)),
    st.tuples(st.just("go"), st.just(0), st.just(0), st.just(0)),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 1.9, 2.1, 6.0]), st.just(0), st.just(0)),
    st.tuples(st.just("leave"), st.just(0), st.just(0), st.just(0)),
    st.tuples(st.just("end"), st.just(0), st.just(0), st.just(0)),
    st.tuples(st.just("fetch"), st.sampled_from([2, 3]), st.just(0), st.just(0)),
)


async def _played(kind: type[NarrowProtocol], script: list[Step], always: bytes) -> object:
    """What a client sees that does all this, and sends these headers with all that it asks."""
    server, session, connection = await known(kind, always)
    another = await _greeted(server)
    told: list[tuple[str, str, int]] = []
    server.house.bus.subscribe(HttpEnded, lambda fact: told.append((fact.method, fact.route, fact.status)))
    connections = [connection]
    for turn, (what, one, other, third) in enumerate(script):
        last = connections[-1]
        if last.wire.closed or last.has_ended:
            last = server.connect()
            connections.append(last)
        match what:
            case "ask":
                asked = {"id": other, "method": one, "params": {"name": "t"}}
                last.send(post(asked, session, always + MORE[third]))
            case "other":
                last.send(post({"id": other, "method": one, "params": {"name": "t"}}, another, always))
            case "own":
                last.send(post({"id": other, "method": one}, session, always + OWN[third] % turn))
            case "cut":
                whole = post({"id": other, "method": one}, session, always)
                last.send(whole[:third], whole[third:])
            case "two":
                first, second = {"id": 2, "method": one}, {"id": 3, "method": other}
                last.send(post(first, session, always) + post(second, session, always))
            case "tell":
                last.send(post({"method": one, "params": {"requestId": other}}, session))
            case "go":
                server.house.desk.go.set()
            case "wait":
                await asyncio.sleep(one)
            case "leave":
                last.leave()
            case "end":
                last.end()
            case "fetch":
                fetching = server.connect()
                connections.insert(0, fetching)
                event = f"{request_stream(one)}_0"
                fetching.send(
                    f"GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
                    f"Mcp-Session-Id: {session}\r\nLast-Event-ID: {event}\r\n\r\n".encode()
                )
        for each in connections:
            await each.settle()
    server.house.desk.go.set()
    await asyncio.sleep(10)
    for each in connections:
        await each.settle()
    seen = [[shown(answer, session, another) for answer in each.answers] for each in connections]
    seats = [(seat.active, len(seat.answering)) for seat in server.house.listener.table]
    done = server.house.app.in_flight, seats
    for each in connections:
        each.leave()
    await settle()
    return seen, done, sorted(told)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, min_size=1, max_size=8), st.sampled_from(ALWAYS))
def test_a_client_cannot_tell_the_two_ways_apart(script: list[Step], always: bytes) -> None:
    directly = play(_played(DirectProtocol, script, always))
    assert directly == play(_played(NarrowProtocol, script, always)), (json.dumps(script), always)
