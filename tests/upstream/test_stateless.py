"""On a connection without a handshake, each request says what it must."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from callmux.protocol.shapes import Tool
from callmux.upstream.failures import CallFailure, Category
from tests.support import FakeClient, context, planned, settle
from tests.upstream.fake_link import SILENCE
from tests.upstream.modern_link import DISCOVERED, HttpModernLink, ModernLink, RpcRefusal, modern

PREFIX = "io.modelcontextprotocol/"


def client(capabilities: bytes = b"{}", level: str | None = None) -> Any:
    made = FakeClient(capabilities)
    made.log_level = level
    return made


async def test_requests_carry_the_capabilities_and_the_level_of_their_client() -> None:
    """So clients of every kind share one connection."""
    connection, link, _ = await modern(x={})
    await connection.request("x", b'{"_meta":{"traceparent":"00-1"}}', 5, client(b'{"roots":{}}', "debug"))
    await connection.request("x", None, 5, client(b'{"sampling":{}}'))
    await connection.request("x", None, 5)
    one, two, own = (params["_meta"] for params in link.requests("x"))
    assert one["traceparent"] == "00-1"
    assert one[PREFIX + "clientCapabilities"] == {"roots": {}}
    assert one[PREFIX + "logLevel"] == "debug"
    assert two[PREFIX + "clientCapabilities"] == {"sampling": {}}
    assert PREFIX + "logLevel" not in two
    assert own[PREFIX + "clientCapabilities"] == {}
    assert {meta[PREFIX + "protocolVersion"] for meta in (one, two, own)} == {"2026-07-28"}
    assert one[PREFIX + "clientInfo"] == {"name": "callmux"}


async def test_results_come_in_the_form_of_the_revisions_with_a_handshake() -> None:
    connection, _, _ = await modern(x={"resultType": "complete", "a": 1})
    assert json.loads(await connection.request("x", None, 5)) == {"a": 1}


async def test_progress_finds_its_request() -> None:
    connection, link, _ = await modern(x=SILENCE)
    seen: list[Any] = []
    waiting = asyncio.create_task(
        connection.request("x", None, 5, progress=lambda p: seen.append(json.loads(bytes(p))))
    )
    await settle()
    token = link.requests("x")[0]["_meta"]["progressToken"]
    link.says({"method": "notifications/progress", "params": {"progressToken": token, "progress": 1}})
    link.answers("x", {})
    await waiting
    assert seen == [{"progressToken": token, "progress": 1}]


@pytest.mark.parametrize("method", ["ping", "logging/setLevel"])
async def test_what_such_servers_have_no_longer_is_answered_here(method: str) -> None:
    connection, link, _ = await modern()
    assert await connection.request(method, b"{}", 5) == b"{}"
    assert link.methods() == ["server/discover"]


async def test_a_client_tells_such_a_server_nothing() -> None:
    connection, link, _ = await modern()
    connection.notify("notifications/roots/list_changed", None)
    assert link.methods() == ["server/discover"]


async def test_what_such_a_server_asks_outright_is_not_answered() -> None:
    _, link, ears = await modern()
    link.says({"id": "q", "method": "roots/list"})
    link.says({"id": "p", "method": "ping"})
    await settle()
    assert ears.asked == []
    assert link.methods() == ["server/discover"]


async def test_a_request_is_given_up_by_word_where_there_are_no_streams() -> None:
    for link, words in ((ModernLink(x=SILENCE), 1), (HttpModernLink(x=SILENCE), 0)):
        connection, _, _ = await modern(link)
        waiting = asyncio.create_task(connection.request("x", None, 5))
        await settle()
        id = link.ids["x"]
        waiting.cancel()
        await settle()
        assert link.methods().count("notifications/cancelled") == words
        assert link.abandoned == [id]


async def test_headers_say_what_the_body_says() -> None:
    tool = Tool(
        b'{"name":"t","inputSchema":{"properties":{"region":{"type":"string","x-mcp-header":"Region"}}}}'
    )
    link = HttpModernLink(tools__call={}, resources__read={})
    connection, _, _ = await modern(link)
    soon = asyncio.get_running_loop().time() + 5
    call = planned(
        tool=tool, arguments=b'{"region":"\\u00fc"}', context=context(client=client()), deadline=soon
    )
    call.done = lambda job, outcome: None
    connection.send(call)
    await connection.request("resources/read", b'{"uri":"file:///a"}', 5)
    version = {"MCP-Protocol-Version": "2026-07-28"}
    assert list(link.heads.values())[1:] == [
        {**version, "Mcp-Method": "tools/call", "Mcp-Name": "t", "Mcp-Param-Region": "=?base64?w7w=?="},
        {**version, "Mcp-Method": "resources/read", "Mcp-Name": "file:///a"},
    ]


async def test_a_tool_with_an_annotation_that_may_not_be_followed_is_told_from_others() -> None:
    bad = Tool(b'{"name":"t","inputSchema":{"properties":{"a":{"type":"number","x-mcp-header":"A"}}}}')
    with_headers, without = (await modern(HttpModernLink()))[0], (await modern())[0]
    assert with_headers.stateless is not None
    assert without.stateless is not None
    without.stateless.check(bad)
    with pytest.raises(ValueError, match="number"):
        with_headers.stateless.check(bad)


async def test_notifications_lose_the_mark_of_our_subscription() -> None:
    _, link, ears = await modern()
    link.tells("notifications/resources/updated", 7, uri="a")
    await settle()
    link.says({"method": "notifications/message"})
    assert ears.told == [
        ("notifications/resources/updated", {"uri": "a"}, None),
        ("notifications/message", {}, None),
    ]


async def test_giving_up_what_is_done_here_ends_it() -> None:
    link = ModernLink()
    link.honours = None
    connection, _, _ = await modern(link)
    waiting = asyncio.create_task(connection.request("resources/subscribe", b'{"uri":"a"}', 5))
    await settle()
    waiting.cancel()
    await settle()
    assert connection.stateless is not None
    assert "0 asking" in repr(connection.stateless)


async def test_a_request_whose_client_is_asked_is_under_way_and_fails_with_its_connection() -> None:
    connection, _, ears = await modern(
        tools__call={"resultType": "input_required", "inputRequests": {"a": {"method": "roots/list"}}}
    )
    ears.answer = asyncio.get_running_loop().create_future()
    port: Any = FakeClient(b'{"roots":{}}')
    waiting = asyncio.create_task(connection.request("tools/call", b'{"name":"t"}', 60, port))
    await settle()
    assert (len(ears.asked), connection.in_flight) == (1, 1)
    await connection.close()
    with pytest.raises(CallFailure, match="was closed") as caught:
        await asyncio.wait_for(waiting, 10)
    assert caught.value.started
    assert connection.in_flight == 0


async def test_a_lost_connection_takes_no_request() -> None:
    connection, link, _ = await modern()
    link.dies()
    with pytest.raises(CallFailure):
        await connection.request("x", None, 5)


async def test_a_resource_that_is_not_there_is_told_as_earlier_revisions_tell_it() -> None:
    refusal = RpcRefusal({"code": -32602, "message": "gone", "data": {"uri": "a"}})
    connection, _, _ = await modern(ModernLink(resources__read=refusal))
    with pytest.raises(CallFailure) as caught:
        await connection.request("resources/read", b'{"uri":"a"}', 5)
    assert caught.value.rpc is not None
    assert caught.value.rpc.code == -32002


UNSUPPORTED = RpcRefusal({"code": -32022, "message": "no", "data": {"supported": ["2025-11-25"]}})


@pytest.mark.parametrize(
    ("now", "lost"),
    [(DISCOVERED, False), (SILENCE, False), (UNSUPPORTED, True), ({}, True), (KeyError("x"), True)],
)
async def test_a_server_that_refuses_the_revision_is_asked_whether_it_is_another_one(
    now: Any, lost: bool
) -> None:
    """Its connection is opened anew, then, and finds out how it is spoken to."""
    connection, link, ears = await modern(ModernLink(x=UNSUPPORTED))
    link.script["server/discover"] = now
    asked = [asyncio.create_task(connection.request("x", None, 5)) for _ in range(3)]
    for one in asked:
        with pytest.raises(CallFailure):
            await one
    await asyncio.sleep(10)
    assert link.methods().count("server/discover") == 2
    assert bool(ears.lost) is lost


async def test_so_is_one_that_refuses_without_saying_why() -> None:
    connection, link, ears = await modern(x=SILENCE)
    asked = asyncio.create_task(connection.request("x", None, 5))
    await settle()
    link.script["server/discover"] = KeyError("x")
    link.fails(link.ids["x"], CallFailure(Category.PROTOCOL, "HTTP 400"))
    with pytest.raises(CallFailure):
        await asked
    await settle()
    assert ears.lost == ["it is no longer spoken to as it was"]
