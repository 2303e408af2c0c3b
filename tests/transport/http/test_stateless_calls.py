"""Plain requests without a session: whatever a client does, it gets what it gets from uvicorn's way."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callmux.config.model import Config
from callmux.guard.gate import Caller, Gate, TurnedAway
from callmux.guard.principal import Principal
from callmux.observe.facts import HttpEnded
from callmux.transport.http.direct import MOST_KNOWN, DirectProtocol
from callmux.transport.http.heads import LARGEST_HEAD
from callmux.transport.http.intake import BodyLimits
from callmux.transport.http.narrow import NarrowProtocol
from callmux.transport.http.streams import PATIENCE_SECONDS
from tests.support import play, settle
from tests.transport.http.asgi import House
from tests.transport.http.test_direct import shown
from tests.transport.http.test_repeats import one_of_several
from tests.transport.http.wire import ALONE, Connection, Server, alone, post

STREAM = "text/event-stream"


async def _known(
    kind: type[NarrowProtocol] = DirectProtocol, house: House | None = None
) -> tuple[Server, Connection]:
    """A connection whose head is known: it has been answered once."""
    server = Server(kind, house or House())
    connection = server.connect()
    connection.send(alone("tools/list", 1))
    await connection.settle()
    return server, connection


def _call(id: int | str, tool: str = "t", **more: Any) -> bytes:
    return alone("tools/call", id, name=tool, **more)


async def test_a_client_is_told_that_its_answer_is_lost_with_the_listener() -> None:
    server, connection = await _known()
    cycle = connection.protocol.cycle
    connection.send(alone("slow", 2))
    await connection.settle()
    assert connection.protocol.cycle is cycle, "it is a plain request"
    await server.house.listener.drain(0.1)
    await connection.settle()
    told = connection.answers[-1]
    assert (told.status, told.json["id"], told.json["error"]["code"]) == (503, 2, -32000)


async def test_calls_of_any_tool_are_answered_without_an_exchange() -> None:
    server, connection = await _known()
    cycle = connection.protocol.cycle
    facts: list[HttpEnded] = []
    server.house.bus.subscribe(HttpEnded, facts.append)
    calls: list[tuple[int | str, str]] = [(2, "t"), (3, "u"), ("four", "t"), (5, "t")]
    for id, tool in calls:
        connection.send(_call(id, tool, arguments={"tool": tool}))
        await connection.settle()
    connection.send(alone("tools/list", 6))
    await connection.settle()
    assert connection.protocol.cycle is cycle
    first, *rest = connection.answers
    assert [answer.json["id"] for answer in rest] == [2, 3, "four", 5, 6]
    assert [set(answer.headers) for answer in rest] == [set(first.headers)] * 5
    assert "mcp-session-id" not in first.headers
    params = [json.loads(given) for given in server.house.desk.params[1:5]]
    assert [one["arguments"]["tool"] for one in params] == [one["name"] for one in params]
    assert not any("_meta" in one for one in params)
    assert [(fact.method, fact.route, fact.status) for fact in facts] == [("POST", "/mcp", 200)] * 5
    assert [fact.request_id for fact in facts] == [answer.headers["x-request-id"] for answer in rest]
    (seat,) = server.house.listener.table
    assert (seat.active, server.house.app.in_flight) == (0, 0)


@pytest.mark.parametrize(("code", "status"), [(-32601, 404), (-32602, 400), (-32603, 200)])
async def test_an_error_has_the_status_of_its_code(code: int, status: int) -> None:
    server, connection = await _known()
    cycle = connection.protocol.cycle
    server.house.desk.code = code
    connection.send(alone("bad", 2))
    await connection.settle()
    last = connection.answers[-1]
    assert (last.status, last.json["error"]["code"]) == (status, code)
    assert connection.protocol.cycle is cycle


RIGHT = b"MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: t\r\n"


@pytest.mark.parametrize(
    "says",
    [
        RIGHT.replace(b"Name: t", b"Name: u"),
        RIGHT.replace(b"tools/call", b"tools/list"),
        RIGHT.replace(b"2026-07-28", b"2025-11-25"),
        RIGHT.replace(b"Mcp-Name: t\r\n", b""),
        RIGHT + b"Mcp-Name: t\r\n",
        RIGHT.replace(b"Name: t", b"Name: =?base64?dA?="),
    ],
)
async def test_headers_that_say_something_else_are_refused_though_the_head_is_known(says: bytes) -> None:
    server, connection = await _known()
    connection.send(_call(2))
    await connection.settle()
    connection.send(_call(3, says=says))
    await connection.settle()
    assert [answer.status for answer in connection.answers] == [200, 200, 400]
    assert connection.answers[-1].json["error"]["code"] == -32020
    assert len(server.house.desk.params) == 2


async def test_a_body_that_says_something_else_than_a_known_head_is_refused() -> None:
    server, connection = await _known()
    connection.send(_call(2))
    await connection.settle()
    connection.send(_call(3, "u", says=RIGHT))
    await connection.settle()
    older = {"io.modelcontextprotocol/protocolVersion": "2025-11-25"}
    connection.send(_call(4, meta=older))
    await connection.settle()
    assert [answer.status for answer in connection.answers] == [200, 200, 400, 400]
    assert len(server.house.desk.params) == 2


async def test_the_name_may_be_encoded_in_the_header() -> None:
    _, connection = await _known()
    cycle = connection.protocol.cycle
    connection.send(_call(2, says=RIGHT.replace(b"Name: t", b"Name: =?base64?dA==?=")))
    await connection.settle()
    assert (connection.answers[-1].status, connection.protocol.cycle is cycle) == (200, True)


async def test_arguments_in_headers_are_compared_with_the_body() -> None:
    _, connection = await _known()
    for id, region in [(2, b"us"), (3, b"eu"), (4, b"us"), (5, None)]:
        more = b"" if region is None else b"Mcp-Param-Region: %b\r\n" % region
        connection.send(_call(id, "mirrored", more=more, arguments={"region": "us"}))
        await connection.settle()
    assert [answer.status for answer in connection.answers] == [200, 200, 400, 200, 400]


async def test_what_a_load_balancer_says_of_each_request_keeps_no_head_from_being_known() -> None:
    server, connection = await _known()
    facts: list[HttpEnded] = []
    server.house.bus.subscribe(HttpEnded, facts.append)
    cycle = connection.protocol.cycle
    for id in (2, 3, 4):
        connection.send(_call(id, "t", more=b"X-Request-Id: r%d\r\nCf-Ray: %d\r\n" % (id, id)))
        await connection.settle()
    assert [answer.headers["x-request-id"] for answer in connection.answers[1:]] == ["r2", "r3", "r4"]
    assert [fact.request_id for fact in facts] == ["r2", "r3", "r4"]
    assert connection.protocol.cycle is cycle


async def test_arguments_in_headers_need_no_exchange() -> None:
    _, connection = await _known()
    cycle = connection.protocol.cycle
    for id in (2, 3):
        more = b"Mcp-Param-Region: r%d\r\n" % id
        connection.send(_call(id, "mirrored", more=more, arguments={"region": f"r{id}"}))
        await connection.settle()
    assert [answer.status for answer in connection.answers] == [200] * 3
    assert connection.protocol.cycle is cycle


async def test_heads_of_many_tools_are_not_kept_without_a_bound() -> None:
    server, connection = await _known()
    cycle = connection.protocol.cycle
    for round in range(2):
        for n in range(40):
            connection.send(_call(100 * round + n, f"t{n}"))
            await connection.settle()
    assert len(connection.protocol._known_heads) == MOST_KNOWN
    assert len(connection.protocol._heads[0]._kept) <= 16
    assert len(connection.answers) == 81
    assert connection.protocol.cycle is cycle
    assert len(server.house.listener.table) == 1


async def test_large_names_are_not_kept() -> None:
    _, connection = await _known()
    cycle = connection.protocol.cycle
    for n in range(4):
        connection.send(_call(n, f"{n}" * LARGEST_HEAD))
        await connection.settle()
    assert [answer.status for answer in connection.answers] == [200] * 5
    assert connection.protocol.cycle is cycle
    assert len(connection.protocol._heads[0]._kept) == 1
    assert len(connection.protocol._known_heads) == 1


async def test_nothing_of_a_request_is_taken_for_the_next_one() -> None:
    house = House()
    _, first = await _known(house=house)
    second = Server(DirectProtocol, house).connect()
    said = b"X-Callmux-Client: stdio-bridge\r\nX-Callmux-Cwd: /tmp\r\n"
    for id in (2, 3):
        second.send(_call(id, more=said))
        await second.settle()
    (seat,) = house.listener.table
    facts = seat.session.facts
    assert (facts.client_kind, facts.cwd, facts.cwd_source) == ("stdio-bridge", "/tmp", "header")
    first.send(_call(4))
    await first.settle()
    assert (facts.client_kind, facts.cwd, facts.cwd_source) == (None, None, None)
    assert [one.cwd for one in house.desk.said] == [None, "/tmp", "/tmp", None]
    assert len({one.request_id for one in house.desk.said}) == 4


async def test_what_its_meta_says_beside_goes_on_with_it() -> None:
    server, connection = await _known()
    cycle = connection.protocol.cycle
    for id in (2, 3):
        connection.send(_call(id, meta={"progressToken": id, "x": "y"}))
        await connection.settle()
    assert connection.protocol.cycle is cycle
    metas = [json.loads(given)["_meta"] for given in server.house.desk.params[1:]]
    assert metas == [{"progressToken": 2, "x": "y"}, {"progressToken": 3, "x": "y"}]


@pytest.mark.parametrize("how", ["leave", "end"])
@pytest.mark.parametrize("after", [0.0, PATIENCE_SECONDS + 1])
async def test_a_client_that_leaves_has_cancelled(how: str, after: float) -> None:
    server, connection = await _known()
    facts: list[HttpEnded] = []
    server.house.bus.subscribe(HttpEnded, facts.append)
    connection.send(alone("slow", 2))
    await connection.settle()
    await asyncio.sleep(after)
    (seat,) = server.house.listener.table
    assert len(seat.session.requests) == 1
    getattr(connection, how)()
    await settle()
    assert (len(seat.session.requests), seat.active, server.house.app.in_flight) == (0, 0, 0)
    assert [fact.status for fact in facts] == [499]
    assert connection.wire.closed
    other = server.connect()
    other.send(_call(3))
    await other.settle()
    assert (other.answers[0].status, len(server.house.listener.table)) == (200, 1)


async def test_something_before_the_answer_makes_it_a_stream() -> None:
    server, connection = await _known()
    connection.send(alone("chatty", 2))
    await connection.settle()
    last = connection.answers[-1]
    assert (last.headers["content-type"], last.whole) == (STREAM, True)
    assert last.body.index(b'"hm"') < last.body.index(b'"did"')
    (seat,) = server.house.listener.table
    assert (seat.active, server.house.app.in_flight) == (0, 0)


async def test_an_answer_that_takes_long_comes_by_a_stream() -> None:
    server, connection = await _known()
    connection.send(alone("slow", 2))
    await asyncio.sleep(PATIENCE_SECONDS + 0.1)
    assert connection.answers[-1].headers["content-type"] == STREAM
    server.house.desk.go.set()
    await connection.settle()
    assert b'"did"' in connection.answers[-1].body
    (seat,) = server.house.listener.table
    assert (seat.active, server.house.app.in_flight) == (0, 0)


async def test_an_answer_that_comes_right_after_the_next_request_is_json_with_its_status() -> None:
    server, connection = await _known()
    server.house.desk.code = -32601
    connection.send(alone("slow", 2) + alone("bad", 3))
    await connection.settle()
    server.house.desk.go.set()
    await connection.settle()
    assert [answer.status for answer in connection.answers] == [200, 200, 404]
    assert connection.answers[1].json["id"] == 2


async def test_requests_at_the_same_time_have_sessions_of_their_own() -> None:
    server, first = await _known()
    second = server.connect()
    second.send(alone("tools/list", 1))
    await second.settle()
    first.send(alone("slow", 2))
    await first.settle()
    cycle = second.protocol.cycle
    second.send(alone("slow", 2))
    await second.settle()
    # One must begin first.
    assert second.protocol.cycle is not cycle
    server.house.desk.go.set()
    await first.settle()
    assert [connection.answers[-1].json["id"] for connection in (first, second)] == [2, 2]
    assert len(server.house.listener.table) == 2


class Badge:
    """A check that lets in who is on its list, and gives it a name."""

    is_left = True

    def __init__(self) -> None:
        self.good = {"a": "ann", "b": "bob"}
        self.inside = 0

    def enter(self, caller: Caller) -> None:
        name = self.good.get(caller.headers.get("authorization", ""))
        if name is None:
            raise TurnedAway(401, "who are you?")
        caller.principal = Principal(kind="bearer", id=name)
        self.inside += 1

    def leave(self, caller: Caller, status: int) -> None:
        self.inside -= 1


async def test_each_request_passes_the_gate_and_no_session_is_lent_to_another_principal() -> None:
    house, badge = House(), Badge()
    house.listener.gate = Gate([badge])
    server = Server(DirectProtocol, house)
    connections = {name: server.connect() for name in badge.good}
    for id in range(1, 4):
        for name, connection in connections.items():
            cycle = connection.protocol.cycle
            connection.send(_call(id, more=b"Authorization: %b\r\n" % name.encode()))
            await connection.settle()
            assert (connection.protocol.cycle is cycle) == (id > 1)
    owners = [one.principal.id for one in house.desk.said if one.principal is not None]
    assert owners == ["ann", "bob"] * 3
    assert len(house.listener.table) == 2
    assert badge.inside == 0
    del badge.good["a"]
    connections["a"].send(_call(9, more=b"Authorization: a\r\n"))
    await connections["a"].settle()
    assert connections["a"].answers[-1].status == 401
    assert len(house.desk.said) == 6
    badge.good["a"] = "carl"
    connections["a"].send(_call(10, more=b"Authorization: a\r\n"))
    await connections["a"].settle()
    assert connections["a"].answers[-1].status == 200
    assert len(house.listener.table) == 3


async def test_what_a_head_says_of_a_body_stays_its_own_where_no_session_waits() -> None:
    """A request that waits for a session goes the long way with what was known of its head."""
    house = House()
    house.listener.gate = Gate([Badge()])
    server = Server(DirectProtocol, house)
    own = b"Authorization: a\r\n"
    connection, *others = [server.connect() for _ in range(3)]
    for id, (tool, other) in enumerate([("t", others[0]), ("u", others[1]), ("t", None)]):
        connection.send(_call(id, tool, more=own))
        await connection.settle()
        if other is not None:
            other.send(alone("slow", id, own))
            await other.settle()
    assert [answer.status for answer in connection.answers] == [200, 200, 200]
    house.desk.go.set()


@pytest.mark.parametrize("state", ["leaving", "refusing"])
async def test_a_listener_that_hands_over_goes_the_long_way(state: str) -> None:
    server, connection = await _known()
    setattr(server.house.listener, state, True)
    connection.send(_call(2))
    await connection.settle()
    assert connection.answers[-1].status == (503 if state == "refusing" else 200)


async def test_another_configuration_is_looked_at_anew() -> None:
    server, connection = await _known()
    server.house.listener.configure(Config(), BodyLimits(Config(request_body_max_bytes=10), lambda b: ()))
    connection.send(_call(2))
    await connection.settle()
    assert connection.answers[-1].status == 413


async def test_an_older_client_on_the_same_connection_is_told_apart() -> None:
    server, connection = await _known()
    connection.send(_call(2))
    connection.send(post({"id": 3, "method": "x"}, None))
    await connection.settle()
    assert [answer.status for answer in connection.answers] == [200, 200, 400]
    session = await server.house.greets()
    older = [post({"id": id, "method": "x"}, session) for id in (4, 6)]
    connection.send(older[0], _call(5), older[1])
    await connection.settle()
    answers = connection.answers[3:]
    assert [answer.status for answer in answers] == [200] * 3
    assert [answer.headers.get("mcp-session-id") for answer in answers] == [session, None, session]


METHODS = ["tools/list", "slow", "chatty", "bad", "ping", "initialize"]
TOOLS = ["t", "u", "mirrored"]
MORE = [
    b"",
    b"X-Callmux-Cwd: /a\r\n",
    b"Origin: http://localhost\r\n",
    b"Mcp-Session-Id: of-another-time\r\n",
    b"Mcp-Param-Region: us\r\n",
    b"Expect: 100-continue\r\n",
]
SAYS = [None, None, None, RIGHT, RIGHT.replace(b": t", b": u"), RIGHT + b"Mcp-Name: t\r\n"]
METAS: list[dict[str, Any]] = [
    {},
    {},
    {"progressToken": 7},
    {"io.modelcontextprotocol/protocolVersion": "2025-11-25"},
    {"io.modelcontextprotocol/clientCapabilities": 5},
    {"io.modelcontextprotocol/clientInfo": {"name": "n", "version": "1"}},
    *({"progressToken": number} for number in (1, 2, 10, -1, "1")),
]
Step = tuple[Any, ...]
steps = st.one_of(
    st.tuples(
        st.just("call"),
        st.sampled_from(TOOLS),
        st.sampled_from([2, "a"]),
        st.sampled_from(SAYS),
        st.sampled_from([0, 0, 0, *range(1, len(MORE))]),
        st.sampled_from(METAS),
    ),
    st.tuples(st.just("ask"), st.sampled_from(METHODS), st.sampled_from([2, 3])),
    st.tuples(st.just("cut"), st.sampled_from(TOOLS), st.sampled_from([2, 3]), st.integers(1, 500)),
    st.tuples(st.just("two"), st.sampled_from(METHODS), st.sampled_from(TOOLS)),
    st.tuples(st.just("tell")),
    st.tuples(st.just("go")),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 1.9, 2.1, 6.0])),
    st.tuples(st.just("leave")),
    st.tuples(st.just("end")),
)


async def _played(kind: type[NarrowProtocol], script: list[Step]) -> object:
    """What a client sees that does all this."""
    server, connection = await _known(kind)
    house = server.house
    told: list[tuple[str, str, int]] = []
    house.bus.subscribe(HttpEnded, lambda fact: told.append((fact.method, fact.route, fact.status)))
    connections = [connection]
    sent: Counter[Connection] = Counter([connection])
    for what, *rest in script:
        last = connections[-1]
        if last.wire.closed or last.has_ended:
            last = server.connect()
            connections.append(last)
        sent[last] += {"call": 1, "ask": 1, "cut": 1, "two": 2, "tell": 1}.get(what, 0)
        match what, rest:
            case "call", [tool, id, says, more, meta]:
                last.send(_call(id, tool, says=says, more=MORE[more], meta=meta, arguments={"region": "us"}))
            case "ask", [method, id]:
                last.send(alone(method, id))
            case "cut", [tool, id, place]:
                whole = _call(id, tool)
                last.send(*filter(None, (whole[:place], whole[place:])))
            case "two", [method, tool]:
                last.send(alone(method, 2) + _call(3, tool))
            case "tell", []:
                told_of = {"method": "notifications/cancelled", "params": {"requestId": 2, "_meta": ALONE}}
                last.send(post(told_of, None, b"MCP-Protocol-Version: 2026-07-28\r\n"))
            case "go", []:
                house.desk.go.set()
            case "wait", [seconds]:
                await asyncio.sleep(seconds)
            case "leave", []:
                last.leave()
            case "end", []:
                # With several, chance decides whether the next begins before the end is seen.
                if sent[last] <= sum(answer.whole and answer.status >= 200 for answer in last.answers) + 1:
                    last.end()
        for each in connections:
            await each.settle()
    asked = list(house.desk.params)
    house.desk.go.set()
    await asyncio.sleep(10)
    for each in connections:
        await each.settle()
    seen = [[shown(answer, "none") for answer in each.answers] for each in connections]
    seats = sorted((seat.active, len(seat.answering)) for seat in house.listener.table)
    facts = [(one.cwd, one.elsewhere) for one in house.desk.said]
    done = house.app.in_flight, seats, [json.loads(one or b"null") for one in asked], facts
    for each in connections:
        each.leave()
    await settle()
    return seen, done, sorted(told)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, min_size=1, max_size=8))
def test_a_client_cannot_tell_the_two_ways_apart(script: list[Step]) -> None:
    assert play(_played(DirectProtocol, script)) == play(_played(NarrowProtocol, script)), repr(script)


@pytest.mark.parametrize("several", [False, True])
async def test_what_goes_on_with_a_request_is_looked_for_at_other_nodes_though_its_head_is_known(
    several: bool,
) -> None:
    house, others = one_of_several() if several else (House(), None)
    _server, connection = await _known(house=house)
    cycle = connection.protocol.cycle
    connection.send(_call(2, requestState="elsewhere", inputResponses={}))
    await connection.settle()
    assert (connection.protocol.cycle is cycle) is (others is None)
    connection.send(_call(3))
    await connection.settle()
    assert connection.answers[-1].json["id"] == 3
