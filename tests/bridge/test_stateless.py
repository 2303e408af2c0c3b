"""A client of a revision without a handshake behind the bridge."""

from __future__ import annotations

import json
from typing import Any

from tests.bridge.bench import Desk, Exchange, FakeListener
from tests.support import real_loop, until

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
MODERN = {"_meta": META}
TAG = "io.modelcontextprotocol/subscriptionId"


@real_loop()
async def test_requests_go_out_as_they_came_over_a_session_of_the_bridge() -> None:
    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        answer = await desk.asks(1, "prompts/get", {"name": "p", **MODERN})
        assert answer["result"]["echo"] == {"name": "p", **MODERN}
        assert answer["result"]["resultType"] == "complete", "the listener need not know the revision"
        listener.script["tools/call"] = lambda x: x.json(
            {"resultType": "input_required", "requestState": "s"}
        )
        answer = await desk.asks(2, "tools/call", {"name": "write", **MODERN})
        assert answer["result"] == {"resultType": "input_required", "requestState": "s"}
        hello = next(x.message["params"] for x in listener.seen if x.method == "initialize")
        assert (hello["protocolVersion"], hello["clientInfo"]["name"]) == ("2025-11-25", "callmux-bridge")
        assert hello["_meta"] == {"callmux/waits": True}
        assert next(x for x in listener.seen if x.method == "tools/call").headers["mcp-session-id"] == "s1"


@real_loop()
async def test_a_listener_that_is_not_there_makes_its_client_fall_back() -> None:
    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        await listener.stop()
        assert (await desk.asks(1, "server/discover", MODERN))["error"]["code"] == -32601
        assert (await desk.greets())["protocolVersion"] == "2025-11-25"


@real_loop()
async def test_what_belongs_to_no_request_is_not_told() -> None:
    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        await desk.asks(1, "tools/list", MODERN)
        await until(lambda: listener.own is not None, "the stream")
        assert listener.own is not None
        listener.own.event({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        await desk.asks(2, "tools/list", MODERN)
        assert [m for m in desk.sent if "method" in m] == []
        assert listener.count("tools/list") == 2, "nothing is compared for nobody"


@real_loop()
async def test_a_subscription_goes_on_over_a_restart_and_its_client_looks_again() -> None:
    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        asked: list[Exchange] = []

        def listen(x: Exchange) -> None:
            asked.append(x)
            x.stream()
            meta = {TAG: x.message["params"]["_meta"]["callmux/subscriber"]}
            told = {"toolsListChanged": True, "resourceSubscriptions": ["a:a"]}
            params = {"notifications": told, "_meta": meta}
            note = {"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged"}
            x.event({**note, "params": params})

        listener.script["subscriptions/listen"] = listen
        wanted = {"toolsListChanged": True}
        desk.says(
            {"id": "mine", "method": "subscriptions/listen", "params": {"notifications": wanted, **MODERN}}
        )
        await until(lambda: desk.sent, "the acknowledgement")
        assert desk.sent[0]["params"]["_meta"] == {TAG: "mine"}
        updated = {"jsonrpc": "2.0", "method": "notifications/resources/updated"}
        asked[0].event({**updated, "params": {"uri": "a:a", "_meta": {TAG: "mine"}}})
        await until(lambda: len(desk.sent) == 2, "the update")
        await listener.stop()
        await listener.start()
        await until(lambda: len(desk.sent) == 3, "word of the restart")
        assert desk.sent[2]["method"] == "notifications/tools/list_changed"
        assert desk.sent[2]["params"] == {"_meta": {TAG: "mine"}}
        desk.relay.hang_up()
        answer = await desk.answer("mine")
        assert answer["result"] == {"resultType": "complete", "_meta": {TAG: "mine"}}


@real_loop()
async def test_a_client_that_greets_after_a_probe_has_a_session() -> None:
    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        listener.script["server/discover"] = lambda x: x.status(
            200, _error(x, -32601), content_type="application/json"
        )
        assert (await desk.asks("probe", "server/discover", MODERN))["error"]["code"] == -32601
        await desk.greets(roots={})
        hellos = [x.message["params"] for x in listener.seen if x.method == "initialize"]
        assert hellos[-1]["capabilities"] == {"roots": {}}
        assert (await desk.asks(5, "tools/list"))["result"]["tools"] == listener.tools


def _error(x: Exchange, code: int) -> bytes:
    error: dict[str, Any] = {"code": code, "message": "no"}
    return json.dumps({"jsonrpc": "2.0", "id": x.message["id"], "error": error}).encode()
