"""POSTs of the revisions without a handshake."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from callmux.config.model import Config
from callmux.transport.http.streams import PATIENCE_SECONDS
from tests.transport.http.asgi import Call, House, post

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


def request(method: str = "tools/list", id: Any = 1, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": {"_meta": META, **params}}


def stateless(message: dict[str, Any], **headers: str) -> Call:
    own = {"mcp-protocol-version": "2026-07-28", "mcp-method": message.get("method", "")}
    if "name" in message.get("params", {}):
        own["mcp-name"] = message["params"]["name"]
    return post(message, None, **{**own, **headers})


async def test_a_request_needs_no_session_and_gets_none() -> None:
    house = House()
    call = await house.answers(stateless(request(), **{"mcp-session-id": "of another time"}))
    assert (call.status, call.json["result"]) == (200, {"did": "tools/list"})
    assert "mcp-session-id" not in call.headers


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"mcp-protocol-version": "2025-11-25"}, -32020),
        ({"mcp-protocol-version": "1999-01-01"}, -32020),
        ({"mcp-method": "ping"}, -32020),
        ({"mcp-name": "y"}, -32020),
    ],
)
async def test_headers_that_say_something_else_are_refused(headers: dict[str, str], code: int) -> None:
    house = House()
    call = await house.answers(stateless(request("tools/call", name="x"), **headers))
    assert (call.status, call.json["error"]["code"], call.json["id"]) == (400, code, 1)
    assert house.ledger.begun_ids == []


async def test_what_its_meta_says_is_looked_at_before_anything_begins() -> None:
    house = House()
    bad = {**request(), "params": {"_meta": {}}}
    call = await house.answers(stateless(bad))
    assert (call.status, call.json["error"]["code"]) == (400, -32602)
    old = request("ping")
    call = await house.answers(stateless(old))
    assert (call.status, call.json["error"]["code"]) == (404, -32601)


@pytest.mark.parametrize(("code", "status"), [(-32601, 404), (-32021, 400), (-32603, 200), (-32602, 400)])
async def test_an_error_has_the_status_of_its_code(code: int, status: int) -> None:
    house = House()
    house.desk.code = code
    call = await house.answers(stateless(request("bad", id='"error":{"code":1')))
    assert (call.status, call.json["error"]["code"]) == (status, code)


async def test_what_comes_before_the_answer_goes_out_before_it() -> None:
    house = House()
    call = await house.answers(stateless(request("chatty")))
    lines = [json.loads(line[5:]) for line in call.body.split(b"\n") if line.startswith(b"data:")]
    assert [line.get("method", "answer") for line in lines] == ["notifications/message", "answer"]


async def test_an_answer_that_takes_long_makes_it_a_stream() -> None:
    house = House()
    call = stateless(request("slow"))
    task = house.begins(call)
    await asyncio.sleep(PATIENCE_SECONDS + 1)
    assert (call.status, call.headers["content-type"]) == (200, "text/event-stream")
    assert b"id:" not in call.body, "it cannot be resumed"
    house.desk.go.set()
    await task
    line = next(line for line in call.body.split(b"\n") if line.startswith(b"data:"))
    assert json.loads(line[5:])["result"] == {"did": "slow"}


async def test_what_the_headers_of_a_request_say_is_not_taken_for_the_next_one() -> None:
    house = House()
    said = {"x-callmux-client": "stdio-bridge", "x-callmux-cwd": "/tmp"}
    await house.answers(stateless(request(), **said))
    (seat,) = house.listener.table
    facts = seat.session.facts
    assert (facts.client_kind, facts.cwd, facts.cwd_source) == ("stdio-bridge", "/tmp", "header")
    await house.answers(stateless(request()))
    assert list(house.listener.table) == [seat]
    assert (facts.client_kind, facts.cwd, facts.cwd_source) == (None, None, None)


@pytest.mark.parametrize("after", [0.5, PATIENCE_SECONDS + 1])
async def test_a_client_that_leaves_has_cancelled(after: float) -> None:
    house = House()
    call = stateless(request("slow"))
    leaving = call.scope["callmux.leaving"] = []
    task = house.begins(call)
    await asyncio.sleep(after)
    (seat,) = house.listener.table
    assert len(seat.session.requests) == 1
    for tell in tuple(leaving):
        tell()
    await task
    assert (len(seat.session.requests), leaving) == (0, [])


async def test_notifications_are_taken_and_answers_are_not() -> None:
    house = House()
    call = await house.answers(stateless({"jsonrpc": "2.0", "method": "notifications/x"}))
    assert (call.status, call.body) == (202, b"")
    call = await house.answers(stateless({"jsonrpc": "2.0", "id": 1, "result": {}}))
    assert (call.status, call.json["error"]["code"]) == (400, -32600)


@pytest.mark.parametrize("verb", ["GET", "DELETE"])
async def test_there_is_nothing_but_post(verb: str) -> None:
    house = House()
    headers = {"host": "localhost", "mcp-protocol-version": "2026-07-28", "accept": "text/event-stream"}
    call = await house.answers(Call(verb, "/mcp", headers))
    assert (call.status, call.headers["Allow"]) == (405, "POST")


async def test_a_client_that_takes_json_alone_gets_it() -> None:
    house = House()
    call = stateless(request("slow"), accept="application/json")
    task = house.begins(call)
    await asyncio.sleep(PATIENCE_SECONDS + 5)
    assert call.status == 0
    house.desk.go.set()
    assert (await task).json["result"] == {"did": "slow"}


@pytest.mark.parametrize(
    ("accept", "seconds", "status"),
    [
        ("application/json", PATIENCE_SECONDS + 5, 503),
        ("application/json, text/event-stream", 0.5, 503),
        ("application/json, text/event-stream", PATIENCE_SECONDS + 5, 200),
        ("text/event-stream", 0.5, 200),
    ],
)
async def test_a_client_is_told_that_its_answer_is_lost(accept: str, seconds: float, status: int) -> None:
    house = House()
    task = house.begins(stateless(request("slow"), accept=accept))
    await asyncio.sleep(seconds)
    await house.listener.drain(0.1)
    call = await task
    assert call.status == status
    body = call.body if status == 503 else call.body[call.body.index(b"data:") + 5 :]
    told = json.loads(body)
    assert (told["id"], told["error"]["code"]) == (1, -32000)
    assert "whether it was done is unknown" in told["error"]["message"]
    assert call.complete


async def test_a_handshake_is_one_whatever_headers_say_of_its_method() -> None:
    house = House()
    params = {"protocolVersion": "2025-11-25", "capabilities": {}}
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    headers = {"mcp-method": "initialize", "mcp-protocol-version": "2025-11-25"}
    call = await house.answers(post(hello, None, **headers))
    assert (call.status, "mcp-session-id" in call.headers) == (200, True)


async def test_without_room_for_another_its_client_is_to_come_again() -> None:
    house = House(Config(listener_max_sessions=1))
    call = stateless(request("slow"))
    task = house.begins(call)
    await asyncio.sleep(0.1)
    refused = await house.answers(stateless(request(id=2)))
    assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
    assert refused.json["error"]["code"] == -32603, "-32002 means something else in older revisions"
    house.desk.go.set()
    await task


async def test_older_clients_are_told_to_initialize_as_ever() -> None:
    house = House()
    call = await house.posts({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
    assert (call.status, call.json["error"]["code"]) == (400, -32000)


async def test_arguments_that_a_tool_wants_in_headers_are_looked_for_there() -> None:
    house = House()
    message = request("tools/call", name="mirrored", arguments={"region": "us"})
    call = await house.answers(stateless(message))
    assert (call.status, call.json["error"]["code"]) == (400, -32020)
    call = await house.answers(stateless(message, **{"mcp-param-region": "us"}))
    assert call.status == 200
