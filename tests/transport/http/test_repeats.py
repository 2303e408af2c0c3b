"""Requests that a load balancer sends again: begun once, and answered by what the first attempt brings."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from callmux.config.model import Config
from callmux.nodes.outcome import unknown
from callmux.protocol import jsonrpc
from callmux.protocol.jsonrpc import Request
from callmux.transport.http.exchange import Exchange
from callmux.transport.http.repeats import ONCE
from callmux.transport.http.web_session import MOST_ATTEMPTS
from tests.support import settle
from tests.transport.http.asgi import Call, House, post

NAME = "0123456789abcdef0123456789abcdef"
OTHER = NAME[::-1]


class Others:
    """Nodes of which this one serves everything. What does harm twice is what is not called `slow`."""

    def __init__(self) -> None:
        self.claims: list[tuple[str, str]] = []
        self.taken: set[tuple[str, str]] = set()
        self.over: list[str] = []
        self.held: set[str] = set()

    async def begun(self, session: str) -> None:
        self.held.add(session)

    def ended(self, session: str, over: bool) -> None:
        self.held.discard(session)

    async def serve(self, exchange: Exchange, here: Callable[[Exchange], Awaitable[None]]) -> None:
        await here(exchange)

    def facts(self) -> dict[str, Any]:
        return {}

    async def streaming(self, session: str, stream: str, body: bytes) -> None:
        """Nothing is kept."""

    def streamed(self, session: str, stream: str) -> None:
        """Nothing is kept."""

    async def resumed(self, session: str, stream: str) -> tuple[Request, bytes | None] | None:
        return None

    async def is_safe(self, request: Request) -> bool:
        return request.method in ("slow", "safe")

    async def claim(self, whose: str, name: str) -> bool:
        self.claims.append((whose, name))
        is_free = (whose, name) not in self.taken
        self.taken.add((whose, name))
        return is_free

    def answered(self, whose: str, name: str) -> None:
        self.over.append(name)

    def unknown(self, request: Request) -> bytes:
        return unknown(request)


def one_of_several() -> tuple[House, Others]:
    house, others = House(), Others()
    house.listener.nodes = others
    return house, others


def asked(house: House, method: str, session: str, name: str = NAME, id: int = 5, **headers: str) -> Call:
    return post({"id": id, "method": method}, session, **{ONCE: name, **headers})


async def test_a_session_for_which_there_is_no_room_is_no_nodes() -> None:
    house, others = one_of_several()
    house.listener.configure(Config(listener_max_sessions=1), house.listener.limits)
    session = await house.greets()
    busy = house.begins(asked(house, "slow", session))
    await settle()
    hello = {"id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}}
    assert (await house.posts(hello)).status == 503
    assert others.held == {session}
    house.desk.go.set()
    await busy


async def test_an_attempt_goes_on_with_what_the_one_before_has_begun() -> None:
    house, _ = one_of_several()
    session = await house.greets()
    first = house.begins(asked(house, "slow", session))
    await settle()
    again = house.begins(asked(house, "slow", session))
    await settle()
    house.desk.go.set()
    got = await again
    assert (got.status, got.json["result"]) == (200, {"did": "slow"})
    await first
    assert len(house.desk.params) == 1, "it was begun once"


@pytest.mark.parametrize(
    "accept", ["application/json, text/event-stream", "text/event-stream", "application/json"]
)
async def test_a_stream_goes_on_with_the_later_attempt_from_its_beginning(accept: str) -> None:
    house, _ = one_of_several()
    session = await house.greets()
    first = asked(house, "slow", session, accept=accept)
    carried = house.begins(first)
    if "event-stream" in accept:
        await first.until_sent(b"id: r5_0\n")
    else:
        await settle()
    again = asked(house, "slow", session, accept=accept)
    waiting = house.begins(again)
    if accept == "text/event-stream":
        await again.until_sent(b"id: r5_0\n")
    await settle()
    house.desk.go.set()
    assert b'{"did": "slow"}' in (await waiting).body
    await carried
    assert len(house.desk.params) == 1


async def test_what_does_no_harm_twice_is_begun_again_once_its_answer_is_gone() -> None:
    house, others = one_of_several()
    session = await house.greets()
    assert (await house.answers(asked(house, "safe", session))).json["result"] == {"did": "safe"}
    # The answer may have been lost on its way: it is still there.
    assert (await house.answers(asked(house, "safe", session))).json["result"] == {"did": "safe"}
    assert len(house.desk.params) == 1
    seat = house.listener.table.get(session)
    assert seat is not None
    seat.attempts.clear()
    assert (await house.answers(asked(house, "safe", session))).json["result"] == {"did": "safe"}
    assert len(house.desk.params) == 2
    assert others.claims == [], "nobody need be asked about it"


async def test_what_does_harm_twice_is_not_begun_where_another_node_has_begun_it() -> None:
    house, others = one_of_several()
    session = await house.greets()
    others.taken.add((session, NAME))
    call = {"id": 5, "method": "tools/call", "params": {"name": "write"}}
    got = await house.answers(post(call, session, **{ONCE: NAME}))
    error = got.json["result"]["structuredContent"]["error"]
    assert (got.status, error["code"], error["details"]["executionState"]) == (
        200,
        "outcome_unknown",
        "unknown",
    )
    assert house.desk.params == []
    assert others.over == [], "the name stays taken"
    only = await house.answers(post(call, session, **{ONCE: NAME, "accept": "application/json"}))
    assert only.json["result"]["isError"]


async def test_a_write_whose_answer_was_lost_on_its_way_is_answered_and_not_made_again() -> None:
    house, others = one_of_several()
    session = await house.greets()
    for _ in range(2):
        assert (await house.answers(asked(house, "write", session))).json["result"] == {"did": "write"}
    assert len(house.desk.params) == 1
    assert others.claims == [(session, NAME)]
    assert others.over == [NAME]


async def test_a_client_that_takes_an_id_again_is_served_again() -> None:
    house, _ = one_of_several()
    session = await house.greets()
    for name in (NAME, OTHER, f"{NAME}2"):
        assert (await house.answers(asked(house, "write", session, name))).json["result"] == {"did": "write"}
    assert len(house.desk.params) == 3


async def test_two_attempts_at_a_time_begin_once() -> None:
    """As where a node has only just started, and both wait until it knows what is safe."""
    house, others = one_of_several()
    session = await house.greets()
    known = asyncio.Event()

    async def is_safe(request: Request) -> bool:
        await known.wait()
        return True

    others.is_safe = is_safe  # type: ignore[method-assign]
    both = [house.begins(asked(house, "slow", session)) for _ in range(2)]
    await settle()
    known.set()
    await settle()
    house.desk.go.set()
    assert [(await one).status for one in both] == [200, 200]
    assert both[1].result().json["result"] == {"did": "slow"}
    assert len(house.desk.params) == 1


async def test_another_request_of_an_id_in_flight_is_refused_as_ever() -> None:
    house, _ = one_of_several()
    session = await house.greets()
    first = house.begins(asked(house, "slow", session))
    await settle()
    assert (await house.answers(asked(house, "slow", session, OTHER))).status == 400
    house.desk.go.set()
    assert (await first).status == 200


async def test_the_requests_of_a_batch_are_claimed_as_one() -> None:
    house, others = one_of_several()
    session = await house.greets("2025-03-26")
    batch = [{"id": 5, "method": "safe"}, {"id": 6, "method": "tools/call", "params": {"name": "write"}}]
    others.taken.add((session, NAME))
    told = await house.answers(post(batch, session, **{ONCE: NAME, "accept": "application/json"}))
    assert [one["id"] for one in told.json] == [5, 6]
    assert house.desk.params == []
    done = await house.answers(post(batch, session, **{ONCE: OTHER, "accept": "application/json"}))
    assert [one["id"] for one in done.json] == [5, 6]
    assert len(house.desk.params) == 2


@pytest.mark.parametrize("name", ["short", "", "x" * 129, "with a space in between", 'quotes"""""""""""'])
async def test_a_name_that_may_be_of_several_requests_is_refused(name: str) -> None:
    house, _ = one_of_several()
    session = await house.greets()
    got = await house.answers(asked(house, "safe", session, name))
    assert got.status == 400
    assert ONCE in got.json["error"]["message"]


async def test_a_listener_alone_does_not_look_at_names() -> None:
    house = House()
    session = await house.greets()
    for _ in range(2):
        assert (await house.answers(asked(house, "write", session, "x"))).status == 200
    assert len(house.desk.params) == 2


async def test_a_client_without_a_session_is_told_of_what_was_begun_before() -> None:
    house, others = one_of_several()
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "x", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    headers = {
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": "write",
        ONCE: NAME,
    }
    message = {"id": 5, "method": "tools/call", "params": {"name": "write", "_meta": meta}}
    assert (await house.answers(post(message, **headers))).json["result"]["did"] == "tools/call"
    assert others.over == [NAME]
    told = (await house.answers(post(message, **headers))).json
    error = told["result"]["structuredContent"]["error"]
    assert (told["id"], told["result"]["resultType"], error["code"]) == (5, "complete", "outcome_unknown")
    assert (error["details"]["tool"], error["details"]["executionState"]) == ("write", "unknown")
    assert len(house.desk.params) == 1
    ((whose, _), _) = others.claims
    assert whose.startswith("stateless")


async def test_of_many_requests_the_last_ones_are_known_and_those_in_flight() -> None:
    house, _ = one_of_several()
    session = await house.greets()
    first = house.begins(asked(house, "slow", session))
    await settle()
    seat = house.listener.table.get(session)
    assert seat is not None
    for n in range(MOST_ATTEMPTS + 5):
        seat.attempted(100 + n, f"{NAME}{n}")
    assert len(seat.attempts) == MOST_ATTEMPTS
    assert seat.attempts[5] == NAME
    house.desk.go.set()
    await first


def test_what_is_told_is_an_answer() -> None:
    line = unknown(Request(5, "tools/call", None))
    assert json.loads(line)["id"] == 5
    assert isinstance(jsonrpc.parse(line), jsonrpc.Response)


async def test_a_request_that_is_refused_for_its_id_gets_nothing_of_the_one_in_flight() -> None:
    house, others = one_of_several()
    session = await house.greets()
    first = house.begins(asked(house, "slow", session))
    await settle()
    for _ in range(2):
        assert (await house.answers(asked(house, "write", session, OTHER))).status == 400
    again = house.begins(asked(house, "slow", session))
    await settle()
    house.desk.go.set()
    assert (await again).json["result"] == {"did": "slow"}
    await first
    assert others.claims == [], "what is refused is not claimed"
    assert len(house.desk.params) == 1


@pytest.mark.parametrize("accept", ["application/json", "application/json, text/event-stream"])
async def test_a_batch_that_comes_again_after_its_answers_gets_them_all(accept: str) -> None:
    house, _ = one_of_several()
    session = await house.greets("2025-03-26")
    batch = [{"id": 5, "method": "safe"}, {"id": 6, "method": "write"}]
    first, again = [
        await house.answers(post(batch, session, **{ONCE: NAME, "accept": accept})) for _ in range(2)
    ]
    assert first.body == again.body
    assert b'"id":5' in again.body
    assert b'"id":6' in again.body
    assert len(house.desk.params) == 2


async def test_a_request_that_was_cancelled_gets_no_answer_of_an_earlier_one_of_its_id() -> None:
    house, _ = one_of_several()
    session = await house.greets()
    assert (await house.answers(asked(house, "write", session))).json["result"] == {"did": "write"}
    second = house.begins(asked(house, "slow", session, OTHER))
    await settle()
    cancelled = {"method": "notifications/cancelled", "params": {"requestId": 5}}
    assert (await house.answers(post(cancelled, session))).status == 202
    await second
    house.desk.go.set()
    assert (await house.answers(asked(house, "slow", session, OTHER))).json["result"] == {"did": "slow"}


async def test_nothing_begins_in_a_session_that_has_gone_elsewhere_meanwhile() -> None:
    house, others = one_of_several()
    session = await house.greets()
    seat = house.listener.table.get(session)
    assert seat is not None
    asking, go = asyncio.Event(), asyncio.Event()

    async def claim(whose: str, name: str) -> bool:
        asking.set()
        await go.wait()
        return True

    others.claim = claim  # type: ignore[method-assign]
    waiting = house.begins(asked(house, "write", session))
    await settle()
    assert asking.is_set()
    for left in house.listener.release([session]):
        await house.listener.end(left)
    go.set()
    got = await waiting
    assert (got.status, house.desk.params) == (503, [])
    assert "nothing was begun" in got.json["error"]["message"]
