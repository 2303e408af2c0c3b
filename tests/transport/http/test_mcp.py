"""The `/mcp` endpoint: an answer comes as JSON or as a stream that can be resumed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from callmux.config.model import Config
from callmux.transport.http.streams import Stream
from tests.support import settle
from tests.transport.http.asgi import LISTENING, POSTED, Call, House, post


async def test_a_session_from_greeting_to_deletion() -> None:
    house = House()
    id = await house.greets()
    got = await house.posts({"id": 1, "method": "x"}, id)
    assert (got.status, got.headers["content-type"]) == (200, "application/json")
    assert got.json == {"jsonrpc": "2.0", "id": 1, "result": {"did": "x"}}
    assert (await house.posts({"id": 2, "method": "bad"}, id)).json["error"]["code"] == -32602
    told = await house.posts({"method": "notifications/y"}, id)
    assert (told.status, told.body, house.desk.told_of) == (202, b"", ["notifications/y"])
    gone = Call("DELETE", "/mcp", {"host": "localhost", "mcp-session-id": id})
    assert (await house.answers(gone)).status == 200
    assert house.ledger.ended_ids == [id]
    assert (await house.posts({"id": 3, "method": "x"}, id)).status == 404


async def test_a_body_of_many_lines_cannot_end_a_servers_line_in_between() -> None:
    """Parameters go on to servers as they came, and there a message is a line."""

    house = House()
    id = await house.greets()
    body = b'{"jsonrpc": "2.0", "id": 1,\r\n "method": "x", "params": {\n  "a": "b\\n"\n}}'
    assert (await house.posts(body, id)).status == 200
    assert house.desk.params == [b'{"a":"b\\n"}']


@pytest.mark.parametrize(
    ("message", "headers", "status", "code"),
    [
        (b"{", {}, 400, -32700),
        (b"[]", {}, 400, -32600),
        (b"null", {}, 400, -32600),
        (b"5", {}, 400, -32600),
        (b'"x"', {}, 400, -32600),
        (b"{}", {}, 400, -32600),
        (b"[1]", {}, 400, -32600),
        (b"[[]]", {}, 400, -32600),
        ({"id": None, "method": "ping"}, {}, 400, -32600),
        ({"id": 1.5, "method": "ping"}, {}, 400, -32600),
        ({"id": {}, "method": "ping"}, {}, 400, -32600),
        ([{"id": 1, "method": "ping"}], {}, 400, -32600),
        (b"[" * 500_000, {}, 400, -32600),
        ({"id": 1, "method": "x"}, {"content-encoding": "gzip"}, 415, -32000),
        ({"id": 1, "method": "x"}, {"content-encoding": "GZIP, br"}, 415, -32000),
        ({"id": 1, "method": "x"}, {"content-type": "text/plain"}, 415, -32000),
        ({"id": 1, "method": "x"}, {"accept": "text/html"}, 406, -32000),
        ({"id": 1, "method": "x"}, {"mcp-protocol-version": "1999-01-01"}, 400, -32000),
        ({"id": 1, "method": "x"}, {"mcp-session-id": "made-up"}, 404, -32001),
        ({"id": 1, "method": "initialize"}, {}, 400, -32600),
    ],
)
async def test_what_is_refused(message: Any, headers: dict[str, str], status: int, code: int) -> None:
    house = House()
    id = await house.greets()
    got = await house.posts(message, **{"mcp-session-id": id, **headers})
    assert (got.status, got.json["error"]["code"]) == (status, code)


async def test_other_methods_and_requests_without_a_session_are_refused() -> None:
    house = House()
    assert (await house.posts({"id": 1, "method": "x"})).json["error"]["code"] == -32000
    sse = await house.listener.begin("old", "sse", Call().exchange())
    assert (await house.posts({"id": 1, "method": "x"}, sse.id)).status == 400
    head = {"host": "localhost", "mcp-session-id": await house.greets()}
    put = await house.answers(Call("PUT", "/mcp", head))
    assert (put.status, put.headers["Allow"]) == (405, "GET, POST, DELETE")
    deaf = await house.answers(Call("GET", "/mcp", {**head, "accept": "application/json"}))
    assert deaf.status == 406


async def test_a_request_with_news_becomes_a_stream_and_a_client_of_json_gets_the_answer_alone() -> None:
    house = House()
    id = await house.greets()
    got = await house.posts({"id": 1, "method": "chatty"}, id)
    assert got.headers["content-type"] == "text/event-stream"
    assert got.body.index(b"notifications/message") < got.body.index(b'{"did": "chatty"}')
    assert (got.body.startswith(b"id: "), got.complete) == (True, True)
    plain = await house.posts({"id": 2, "method": "chatty"}, id, accept="application/json")
    assert plain.json["result"] == {"did": "chatty"}
    older = await house.greets("2025-03-26")
    both = await house.posts([{"id": 1, "method": "x"}, {"id": 2, "method": "y"}], older)
    assert both.body.startswith(b": open\n\n")
    assert both.body.count(b"event: message") == 2


async def test_a_broken_stream_is_resumed_without_loss() -> None:
    house = House()
    id = await house.greets()
    call = post({"id": 1, "method": "slow"}, id)
    task = house.begins(call)
    await call.until_sent(b"data: \n\n")
    seen = call.body.split(b"\n")[0].removeprefix(b"id: ").decode()
    call.leave()
    await task
    house.desk.go.set()
    await settle()
    again = {**LISTENING, "mcp-session-id": id, "last-event-id": seen}
    got = await house.answers(Call("GET", "/mcp", again))
    assert b'"id":1,"result":{"did": "slow"}' in got.body
    assert (b'"did"' in call.body, got.complete) == (False, True)


async def test_a_listening_client_hears_what_the_session_says_once() -> None:
    house = House()
    id = await house.greets()
    seat = house.listener.table.get(id)
    assert seat is not None
    call = Call("GET", "/mcp", {**LISTENING, "mcp-session-id": id})
    task = house.begins(call)
    await call.until_sent(b": open")
    assert seat.active == 1
    seat.session.notify("notifications/x", None)
    await call.until_sent(b"notifications/x")
    await settle()
    next_one = Call("GET", "/mcp", {**LISTENING, "mcp-session-id": id})
    second = house.begins(next_one)
    await task
    await next_one.until_sent(b": open")
    seat.session.notify("notifications/y", None)
    await next_one.until_sent(b"notifications/y")
    assert b"notifications/x" not in next_one.body
    next_one.leave()
    await second
    assert seat.active == 0


async def test_a_second_request_of_an_id_in_flight_is_refused_and_the_first_is_answered() -> None:
    house = House()
    id = await house.greets("2025-03-26")
    first = house.begins(post({"id": 1, "method": "slow"}, id))
    await settle()
    again = await house.posts({"id": 1, "method": "x"}, id)
    assert (again.status, again.json["id"], again.json["error"]["code"]) == (400, 1, -32600)
    twins = await house.posts([{"id": 2, "method": "x"}, {"id": 2, "method": "y"}], id)
    assert (twins.status, twins.json["id"]) == (400, 2)
    house.desk.go.set()
    assert (await first).json["result"] == {"did": "slow"}
    assert (await house.posts({"id": 1, "method": "x"}, id)).json["result"] == {"did": "x"}


async def test_the_stream_of_a_cancelled_request_ends() -> None:
    """Weak spot L11 of callmux (npm)."""
    house = House()
    id = await house.greets()
    call = post({"id": 1, "method": "slow"}, id)
    task = house.begins(call)
    await call.until_sent(b"data: \n\n")
    await house.posts({"method": "notifications/cancelled", "params": {"requestId": 1}}, id)
    await task
    assert (call.complete, b"slow" in call.body) == (True, False)


async def test_an_event_id_that_nobody_knows_is_refused() -> None:
    house = House()
    id = await house.greets()
    for last in ("r9_0", "nonsense"):
        got = await house.answers(
            Call("GET", "/mcp", {**LISTENING, "mcp-session-id": id, "last-event-id": last})
        )
        assert (got.status, "Last-Event-ID" in got.json["error"]["message"]) == (400, True)


async def test_an_answer_whose_connection_broke_before_its_head_is_fetched_by_the_name_of_its_stream() -> (
    None
):
    house = House()
    hello = await house.posts({"id": 0, "method": "initialize", "params": {}})
    id = hello.headers["mcp-session-id"]
    seat = house.listener.table.get(id)
    assert seat is not None
    assert seat.session.offers == {"callmux/requestStreams"}
    broken = post({"id": 7, "method": "slow"}, id)
    first = house.begins(broken)
    await settle()
    head = {**LISTENING, "mcp-session-id": id, "last-event-id": "r7_0"}
    again = Call("GET", "/mcp", head)
    second = house.begins(again)
    await again.until_sent(b": open")
    await asyncio.sleep(5)
    house.desk.go.set()
    await second
    assert b'"id":7,"result":{"did": "slow"}' in again.body
    await first
    assert b"slow" not in broken.body
    late = await house.answers(Call("GET", "/mcp", head))
    assert b'"id":7' in late.body


@pytest.mark.parametrize("method", ["x", "chatty"])
async def test_an_answer_is_kept_until_its_connection_brings_another_request(method: str) -> None:
    """Whoever asks again on the same connection has read what came before."""

    house = House()
    id = await house.greets()
    seat = house.listener.table.get(id)
    assert seat is not None
    one, other = post({"id": 1, "method": method}, id), post({"id": 2, "method": "y"}, id)
    connection: list[Any] = []
    for call in (one, other):
        call.scope["callmux.previous"] = connection
    await house.answers(one)
    await house.posts({"id": 3, "method": "y"}, id)
    assert seat.find("r1_0") is not None
    await house.answers(other)
    assert (seat.find("r1_0"), seat.find("r2_0") is not None) == (None, True)


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "Application/JSON; Charset=UTF-8"},
        {"accept": "Application/Json, TEXT/Event-Stream"},
        {"accept": "*/*"},
        {"content-encoding": "Identity"},
        {"content-encoding": ""},
    ],
)
async def test_names_of_media_types_have_no_case(headers: dict[str, str]) -> None:
    house = House()
    id = await house.greets()
    assert (await house.posts({"id": 1, "method": "x"}, id, **headers)).json["result"] == {"did": "x"}


async def test_a_byte_order_mark_and_a_slash_at_the_end_do_no_harm() -> None:
    house = House()
    id = await house.greets()
    call = post(b'\xef\xbb\xbf{"id":1,\r\n"method":"x","params":{\n}}', id)
    call.scope["path"] = "/mcp/"
    assert (await house.answers(call)).json["result"] == {"did": "x"}
    assert house.desk.params == [b"{}"]


@pytest.mark.parametrize(
    "accept", ["application/json", "text/event-stream", "application/json, text/event-stream"]
)
async def test_every_message_of_a_batch_is_answered(accept: str) -> None:
    """More of them than events are kept, all at once; what is none of them is told, too."""

    house = House()
    id = await house.greets("2025-03-26")
    batch = [*({"id": n, "method": "ping" if n % 2 else "x"} for n in range(900)), 1, {"method": "told"}]
    got = await house.posts(batch, id, accept=accept)
    assert got.status == 200
    if accept == "application/json":
        answers = got.json
    else:
        answers = [json.loads(line[6:]) for line in got.body.splitlines() if line.startswith(b"data: {")]
    assert sorted(m["id"] for m in answers if "result" in m) == list(range(900))
    assert [(m["id"], m["error"]["code"]) for m in answers if "error" in m] == [(None, -32600)]
    assert house.desk.told_of[-1] == "told"


async def test_a_batch_without_requests_is_taken_and_what_is_wrong_in_it_told() -> None:
    house = House()
    id = await house.greets("2025-03-26")
    assert (await house.posts([{"method": "a"}, {"id": 99, "result": {}}], id)).status == 202
    got = await house.posts([{"method": "b"}, [1], 2], id)
    assert (got.status, got.json["error"]["code"]) == (400, -32600)
    assert house.desk.told_of[-2:] == ["a", "b"]


async def test_a_session_has_one_id_and_a_deleted_one_none() -> None:
    house = House(Config(listener_max_sessions=5))
    id = await house.greets()
    spellings = [
        id.upper(),
        id.capitalize(),
        id + "=",
        id + "a",
        id[:-1] + ("a" if id[-1] != "a" else "b"),
    ]
    spellings += [id[:at] + id[at].upper() + id[at + 1 :] for at in range(len(id)) if id[at].isalpha()]
    for alive in (True, False):
        for other in spellings:
            got = await house.posts({"id": 1, "method": "x"}, other)
            assert (got.status, got.json["error"]["code"]) == (404, -32001)
        assert len(house.listener.table) == alive
        if alive:
            gone = await house.answers(Call("DELETE", "/mcp", {**POSTED, "mcp-session-id": id}))
            assert gone.status == 200
    assert (await house.posts({"id": 1, "method": "x"}, id)).status == 404


async def test_sessions_that_are_taken_up_again_count_like_new_ones() -> None:
    """The process before had more of them than we may have."""

    before = House()
    ids = [await before.greets() for _ in range(12)]
    house = House(Config(listener_max_sessions=5))
    for id in ids:
        assert (await house.posts({"id": 1, "method": "x"}, id)).status == 200
        assert len(house.listener.table) <= 5
    assert len(house.ledger.ended_ids) == 7
    for seat in house.listener.table:
        seat.active += 1
    late = await before.greets()
    got = await house.posts({"id": 1, "method": "x"}, late)
    assert (got.status, got.json["error"]["code"], got.headers["Retry-After"]) == (503, -32002, "1")


async def test_two_requests_at_once_take_a_session_up_once() -> None:
    before, house = House(), House(Config(listener_max_sessions=1))
    await house.greets()
    id = await before.greets()
    both = [house.begins(post({"id": n, "method": "x"}, id)) for n in (1, 2)]
    assert [(await call).status for call in both] == [200, 200]
    assert house.ledger.begun_ids.count(id) == 1


@pytest.mark.parametrize("number", [b"1e400", b"-1e400", b"9" * 5000])
async def test_a_client_may_declare_numbers_that_nobody_can_hold(number: bytes) -> None:
    house = House()
    params = b'{"protocolVersion":"2025-11-25","capabilities":{"experimental":{"x":%b}}}' % number
    hello = await house.posts(b'{"id":0,"method":"initialize","params":%b}' % params)
    assert hello.status == 200
    (seat,) = house.listener.table
    again = House()
    assert (await again.posts({"id": 1, "method": "x"}, seat.id)).status == 200


async def test_an_answer_that_cannot_be_handed_over_ends_its_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """No memory for it, say."""
    push = Stream.push

    def fail(stream: Stream, line: bytes, is_answer: bool = False) -> None:
        if b"did" in line:
            raise MemoryError
        push(stream, line, is_answer)

    monkeypatch.setattr(Stream, "push", fail)

    house = House()
    id = await house.greets()
    for accept in ("application/json", "text/event-stream", "application/json, text/event-stream"):
        got = await house.posts({"id": 1, "method": "x"}, id, accept=accept)
        assert b'"code":-32603' in got.body
        assert got.complete


@pytest.mark.parametrize("accept", ["application/json, text/event-stream", "text/event-stream"])
async def test_a_request_that_says_nothing_for_long_gives_a_sign_of_life_on_its_stream(accept: str) -> None:
    house = House()
    id = await house.greets()
    params = {"_meta": {"progressToken": "t"}}
    call = post({"id": 7, "method": "slow", "params": params}, id, accept=accept)
    done = house.begins(call)
    await asyncio.sleep(35)
    assert call.body.count(b"notifications/progress") == 1
    house.desk.go.set()
    await done
    assert b'"id":7,"result"' in call.body
    assert call.body.count(b"notifications/progress") == 1


async def test_a_request_whose_session_ends_first_is_told_so_where_there_is_no_stream() -> None:
    house = House()
    id = await house.greets()
    call = post({"id": 7, "method": "slow"}, id, accept="application/json")
    done = house.begins(call)
    seat = house.listener.table.get(id)
    assert seat is not None
    await settle()
    assert 7 in seat.answering
    seat.end()
    await done
    assert (call.status, call.json["id"]) == (503, 7)
    assert "unknown" in call.json["error"]["message"]
