"""What a client says reaches the listener as it was said, and comes back, whatever happens there."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from callmux.bridge import link as links
from callmux.bridge import relay as relays
from callmux.bridge import resuming
from callmux.bridge.keeper import Patience
from callmux.bridge.relay import Relay
from callmux.protocol.jsonrpc import parse
from callmux.protocol.sse import REQUEST_STREAMS
from callmux.session import pulse
from callmux.session.session import Session
from tests.bridge.bench import TOOLS, Desk, Exchange, FakeListener, line
from tests.support import real_loop, run, until

QUICK = Patience(outage=0.3, never=0.2)


def details(result: Any) -> Any:
    error = result["structuredContent"]["error"]
    return {"code": error["code"], **error["details"]}


@real_loop()
async def test_a_conversation() -> None:
    """Everything else in a request passes as it came: `_meta`, digits, members nobody knows."""

    async with FakeListener() as listener, Desk(listener.endpoint, X_A="b") as desk:
        listener.hello = {**listener.hello, "instructions": "Be kind.", "capabilities": {"x": {}}}
        hello = await desk.greets(sampling={"tools": {}}, x={"y": 1})
        assert hello == listener.hello
        params = {
            "name": "write",
            "arguments": {"n": 1.50, "é": "ü"},
            "_meta": {"progressToken": "t"},
            "z": 1,
        }
        answer = await desk.asks("id-1", "tools/call", params)
        assert answer["result"] == {"echo": params}
        first, _, *rest = [x for x in listener.seen if x.verb == "POST"]
        assert first.message["params"]["capabilities"] == {"sampling": {"tools": {}}, "x": {"y": 1}}
        for x in rest:
            assert x.headers["mcp-session-id"] == "s1"
            assert x.headers["mcp-protocol-version"] == "2025-11-25"
            assert (x.headers["x_a"], x.headers["x-callmux-client"]) == ("b", "stdio-bridge")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"tools": None}, {"tools": []}),
        ({"tools": TOOLS, "nextCursor": None, "_meta": None}, {"tools": TOOLS}),
        ({"tools": TOOLS, "nextCursor": ""}, {"tools": TOOLS}),
        ({"tools": [None, *TOOLS]}, {"tools": TOOLS}),
    ],
)
def test_a_list_reaches_the_client_without_what_strict_clients_refuse(given: Any, shown: Any) -> None:
    """The listener may be any MCP server."""

    async def scene() -> None:
        async with FakeListener() as listener, Desk(listener.endpoint) as desk:
            listener.script["tools/list"] = lambda x: x.json(given)
            await desk.greets()
            assert (await desk.asks(1, "tools/list"))["result"] == shown

    run(scene())


@real_loop()
@pytest.mark.parametrize("seconds", [0.4, 1.2])
async def test_a_listener_that_is_slow_to_greet_is_waited_for(seconds: float) -> None:
    """Clients never ask again, neither for the greeting nor, many of them, for a list."""

    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        listener.hello["instructions"] = "Be kind."

        async def late(x: Exchange) -> None:
            await asyncio.sleep(seconds)
            x.json(listener.hello, mcp_session_id=listener.session)

        listener.script["initialize"] = late
        assert await desk.greets() == listener.hello
        assert (await desk.asks(1, "tools/list"))["result"] == {"tools": TOOLS}


@real_loop()
async def test_the_first_list_waits_as_long_as_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the greeting could not wait any longer. A list that the client has had before waits less."""

    monkeypatch.setattr(relays, "GREETING_SECONDS", 0.05)
    monkeypatch.setattr(relays, "LIST_SECONDS", 0.05)
    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        ready = asyncio.Event()

        async def late(x: Exchange) -> None:
            await ready.wait()
            x.json(listener.hello, mcp_session_id=listener.session)

        listener.script["initialize"] = late
        assert (await desk.greets())["serverInfo"]["name"] == "callmux-bridge"
        for id, method in enumerate(["tools/list", "prompts/list", "tools/list"], 1):
            desk.says({"id": id, "method": method})
        await asyncio.sleep(0.3)
        assert [m for m in desk.sent if m.get("id") in (1, 2, 3)] == []
        ready.set()
        for id in (1, 3):
            assert (await desk.answer(id))["result"] == {"tools": TOOLS}
        del listener.script["initialize"]
        await until(lambda: listener.own)
        await listener.stop()
        assert (await desk.asks(4, "tools/list"))["result"] == {"tools": TOOLS}


@real_loop()
async def test_an_empty_list_for_want_of_a_listener_is_no_list_of_one() -> None:
    """The next one waits for a listener again, and brings what it has."""

    listener = FakeListener()
    await listener.start()
    await listener.stop()
    async with Desk(listener.endpoint, patience=Patience(never=0.1)) as desk:
        await desk.greets()
        assert (await desk.asks(1, "tools/list"))["result"] == {"tools": []}
        assert not desk.relay._listings.has("tools/list")
        await listener.start()
        await until(lambda: desk.notes("notifications/tools/list_changed"))
        assert (await desk.asks(2, "tools/list"))["result"] == {"tools": TOOLS}
        assert desk.relay._listings.has("tools/list")
    await listener.stop()


@pytest.mark.parametrize("autostart", [False, True])
def test_who_finds_nobody_is_told_where_and_what_to_do(
    autostart: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> str:
        listener = FakeListener()
        await listener.start()
        await listener.stop()

        async def revive() -> None:
            return

        relay = Relay(listener.endpoint, {}, None, Patience(never=0.1), revive if autostart else None)
        session = Session(relay, lambda line: None)
        session.receive(parse(b'{"id":1,"method":"initialize","params":{}}'))
        await until(lambda: "cannot be reached" in caplog.text)
        await session.close()
        await relay.close()
        return listener.url

    url = run(scene())
    assert url in caplog.text
    assert ("--autostart" in caplog.text) is not autostart


@real_loop()
async def test_the_listener_is_told_who_the_client_is() -> None:
    """It shows the model's tools by it; towards servers the bridge is nobody."""

    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        about = {"name": "agent", "version": "1", "x": 1.5}
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": about}
        await desk.asks(1, "initialize", params)
        said = listener.seen[0].message["params"]
        assert said["clientInfo"]["name"] == "callmux-bridge"
        assert said["_meta"] == {"callmux/clientInfo": about, "callmux/waits": True}


@real_loop()
@pytest.mark.parametrize("there", [True, False])
async def test_a_call_that_brings_nothing_for_long_gives_a_sign_of_life(
    there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the listener is silent or away: clients give up on silence."""

    monkeypatch.setattr(pulse, "SILENCE_SECONDS", 0.05)
    async with FakeListener() as listener, Desk(listener.endpoint, patience=Patience(5, 5)) as desk:
        await desk.greets()
        silent = asyncio.Event()
        listener.script["tools/call"] = lambda x: silent.set()
        if not there:
            await until(lambda: listener.own)
            await listener.stop()
        call = {"name": "write", "_meta": {"progressToken": 5}}
        desk.says({"id": 1, "method": "tools/call", "params": call})
        await until(lambda: len(desk.notes("notifications/progress")) > 2)
        values = [params["progress"] for params in desk.notes("notifications/progress")]
        assert values == sorted(set(values))
        assert silent.is_set() is there


SPELLINGS: dict[str, Any] = {
    "an error that is null": lambda id, result: {"id": id, "result": result, "error": None},
    "every member": lambda id, result: {
        "id": id,
        "method": None,
        "params": None,
        "result": result,
        "error": None,
    },
    "an id as text": lambda id, result: {"id": str(id), "result": result},
    "an id as a fraction": lambda id, result: {"id": float(id), "result": result},
    "no revision": lambda id, result: {"id": id, "result": result},
}


@real_loop()
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_a_listener_may_spell_its_answers_its_own_way(
    spelling: str, streamed: bool, mark: bytes
) -> None:
    """It may be any MCP server. What reaches the client is strict."""

    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        results: dict[str, Any] = {
            "initialize": {**listener.hello, "instructions": None},
            "tools/list": {"tools": TOOLS, "nextCursor": None},
            "tools/call": {
                "content": [{"type": "text", "text": "1", "annotations": None}],
                "isError": None,
            },
            "resources/list": {"resources": None},
            "ping/other": None,
        }

        def answer(x: Exchange) -> None:
            body = mark + line(SPELLINGS[spelling](x.message["id"], results[x.method]))
            headers = {"mcp_session_id": listener.session} if x.method == "initialize" else {}
            if streamed:
                x.stream(**headers)
                x.chunk(b"data: " + body + b"\n\n")
                x.end()
            else:
                x.status(200, body, content_type="application/json", **headers)

        listener.script |= dict.fromkeys(results, answer)
        assert await desk.greets() == listener.hello
        assert (await desk.asks(1, "tools/list"))["result"] == {"tools": TOOLS}
        assert (await desk.asks(2, "resources/list"))["result"] == {"resources": []}
        assert await desk.calls(3, "write") == {"content": [{"type": "text", "text": "1"}]}
        assert (await desk.asks(4, "ping/other"))["result"] == {}


@real_loop()
async def test_the_session_ends_with_the_client() -> None:
    async with FakeListener() as listener:
        async with Desk(listener.endpoint) as desk:
            await desk.greets()
            await desk.calls(1, "read")
        await until(lambda: listener.count("DELETE"))


@real_loop()
async def test_a_request_answered_by_events_brings_what_belongs_to_it() -> None:
    """Progress under the client's own token, log messages, and the result."""

    async with FakeListener() as listener, Desk(listener.endpoint) as desk:

        def script(x: Exchange) -> None:
            x.stream()
            x.event({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": "t"}})
            x.event({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": 1}})
            x.result({"done": True})
            x.end()

        listener.script["tools/call"] = script
        await desk.greets()
        answer = await desk.asks(1, "tools/call", {"name": "w", "_meta": {"progressToken": "t"}})
        assert answer["result"] == {"done": True}
        assert desk.notes("notifications/progress") == [{"progressToken": "t"}]
        assert desk.notes("notifications/message") == [{"data": 1}]


@real_loop()
async def test_what_the_listener_says_by_itself_arrives() -> None:
    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        await desk.greets()
        await until(lambda: listener.own)
        assert listener.own is not None
        listener.own.event(
            {"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "u"}}
        )
        listener.own.event({"jsonrpc": "2.0", "method": "notifications/prompts/list_changed"})
        await until(lambda: desk.notes("notifications/prompts/list_changed"))
        assert desk.notes("notifications/resources/updated") == [{"uri": "u"}]


@real_loop()
async def test_what_the_client_says_by_itself_arrives() -> None:
    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        await desk.greets(roots={"listChanged": True})
        desk.says({"method": "notifications/roots/list_changed"})
        await until(lambda: listener.count("notifications/roots/list_changed"))


@real_loop()
async def test_a_cancelled_request_is_cancelled_at_the_listener() -> None:
    """Under the id it has there."""

    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        listener.script["tools/call"] = lambda x: x.stream()
        await desk.greets()
        desk.says({"id": "mine", "method": "tools/call", "params": {"name": "write"}})
        await until(lambda: listener.count("tools/call"))
        desk.says({"method": "notifications/cancelled", "params": {"requestId": "mine"}})
        await until(lambda: listener.count("notifications/cancelled"))
        by_method = {x.method: x.message for x in listener.seen}
        given = by_method["notifications/cancelled"]["params"]["requestId"]
        assert given == by_method["tools/call"]["id"]


@real_loop()
async def test_it_greets_while_the_listener_is_down() -> None:
    """It greets at once, lists nothing, refuses calls soon; when the listener comes, the client is told.

    Weak spot L39 of callmux (npm).
    """

    listener = FakeListener()
    await listener.start()
    await listener.stop()
    async with Desk(listener.endpoint, patience=QUICK) as desk:
        hello = await desk.greets()
        assert hello["capabilities"]["tools"] == {"listChanged": True}
        assert (await desk.asks(1, "tools/list"))["result"] == {"tools": []}
        assert (await desk.asks(2, "resources/templates/list"))["result"] == {"resourceTemplates": []}
        told = details(await desk.calls(3, "write"))
        assert told["code"] == "bridge_upstream_unavailable"
        assert (told["retryable"], told["safeToRetry"]) == (True, True)
        assert told["executionState"] == "not_started"
        refused = (await desk.asks(4, "prompts/get", {"name": "p"}))["error"]
        assert (refused["code"], refused["data"]["code"]) == (-32000, "bridge_upstream_unavailable")
        assert (await desk.asks(5, "logging/setLevel", {"level": "info"}))["result"] == {}
        await listener.start()
        await until(lambda: desk.notes("notifications/tools/list_changed"))
        assert (await desk.asks(6, "tools/list"))["result"] == {"tools": TOOLS}
        assert listener.count("logging/setLevel") == 1
        await listener.stop()


@real_loop()
async def test_a_write_that_finds_nobody_waits_and_runs_once() -> None:
    """Weak spot L40 of callmux (npm)."""
    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        await desk.greets()
        await until(lambda: listener.own)
        await listener.stop()
        desk.says({"id": 1, "method": "tools/call", "params": {"name": "write"}})
        await asyncio.sleep(0.1)
        await listener.start()
        assert "error" not in await desk.answer(1)
        assert listener.count("tools/call") == 1
        assert listener.count("initialize") == 1, "the old session goes on"


@real_loop()
async def test_a_session_the_listener_forgot_is_begun_anew_and_the_write_runs_once() -> None:
    """Where it stood before: log level and subscriptions."""

    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        await desk.greets()
        await desk.asks(1, "resources/subscribe", {"uri": "a"})
        await desk.asks(2, "resources/subscribe", {"uri": "b"})
        await desk.asks(3, "resources/unsubscribe", {"uri": "b"})
        await desk.asks(4, "logging/setLevel", {"level": "debug"})
        listener.known, listener.session = set(), "s2"
        listener.seen.clear()
        answers = await asyncio.gather(*(desk.calls(10 + n, "write", n=n) for n in range(5)))
        assert all("echo" in answer for answer in answers)
        served = [
            x for x in listener.seen if x.method == "tools/call" and x.headers["mcp-session-id"] == "s2"
        ]
        assert sorted(x.message["params"]["arguments"]["n"] for x in served) == [0, 1, 2, 3, 4]
        assert listener.count("initialize") == 1
        renewed = [
            x.message["params"] for x in listener.seen if x.method.startswith(("resources", "logging"))
        ]
        assert renewed == [{"uri": "a"}, {"level": "debug"}]


def breaking(times: int, started: bool = True) -> Any:
    """A script that breaks the connection so often, then answers."""
    left = [times]

    def script(x: Exchange) -> None:
        if left[0]:
            left[0] -= 1
            if started:
                x.stream()
            x.abort()
        else:
            x.json({"ok": True})

    return script


@real_loop()
@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("started", [True, False])
async def test_a_read_that_breaks_half_way_is_sent_again(started: bool, listed: bool) -> None:
    """Also for a client that never asked which tools read."""

    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        listener.script["tools/call"] = breaking(3, started)
        await desk.greets()
        if listed:
            await desk.asks(1, "tools/list")
        assert await desk.calls(2, "read") == {"ok": True}
        assert listener.count("tools/call") == 4


@real_loop()
@pytest.mark.parametrize(("breaks", "state"), [(0, "not_started"), (1, "unknown")])
async def test_what_a_second_attempt_did_not_begin_the_first_may_have(breaks: int, state: str) -> None:
    details = {"server": "s", "executionState": "not_started", "safeToRetry": True}
    failed = {"error": {"code": "downstream_unavailable", "message": "it is down", "details": details}}
    text = json.dumps(failed)
    result = {"content": [{"type": "text", "text": text}], "structuredContent": failed, "isError": True}
    left = breaks

    def reply(exchange: Exchange) -> None:
        nonlocal left
        if left:
            left -= 1
            exchange.stream()
            exchange.abort()
        else:
            exchange.json(result)

    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        listener.script["tools/call"] = reply
        await desk.greets()
        answer = await desk.calls(2, "read")
        assert listener.count("tools/call") == breaks + 1
        told = answer["structuredContent"]
        assert told["error"]["details"] == {**details, "executionState": state}
        assert json.loads(answer["content"][0]["text"]) == told
        assert answer["isError"] is True


@real_loop()
async def test_a_fan_out_of_reads_is_a_read() -> None:
    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        await desk.greets()
        for calls, sent in ([{"tool": "read"}], 2), ([{"tool": "read"}, {"tool": "write"}], 1):
            listener.script["tools/call"] = breaking(1)
            listener.seen.clear()
            await desk.calls(sent, "callmux_parallel", calls=calls)
            assert listener.count("tools/call") == sent


@real_loop()
async def test_a_write_that_breaks_half_way_is_not_sent_again() -> None:
    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        listener.script["tools/call"] = breaking(1)
        await desk.greets()
        told = details(await desk.calls(1, "write"))
        assert listener.count("tools/call") == 1
        assert told["code"] == "bridge_upstream_unavailable"
        assert (told["executionState"], told["safeToRetry"], told["retryable"]) == (
            "unknown",
            False,
            True,
        )


@real_loop()
async def test_a_read_that_breaks_the_listener_is_not_sent_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relays, "REPLAYS", 2)
    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        listener.script["tools/call"] = breaking(99)
        await desk.greets()
        assert details(await desk.calls(1, "read"))["safeToRetry"] is True
        assert listener.count("tools/call") == 3


@real_loop()
async def test_a_write_whose_stream_broke_is_taken_up_where_it_was() -> None:
    """By its last event id: nothing is missing, nothing comes twice, and it runs once."""

    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        await desk.greets()
        await until(lambda: listener.own)
        ids: list[str] = []

        def call(x: Exchange) -> None:
            x.stream()
            x.event(None, "7_0")
            x.event({"jsonrpc": "2.0", "method": "notifications/message", "params": {"n": 1}}, "7_1")
            ids.append(x.message["id"])
            asyncio.get_running_loop().call_later(0.02, x.abort)

        def resume(x: Exchange) -> None:
            assert x.headers["last-event-id"] == "7_1"
            x.stream()
            x.event({"jsonrpc": "2.0", "method": "notifications/message", "params": {"n": 2}}, "7_2")
            x.event({"jsonrpc": "2.0", "id": ids[0], "result": {"ok": True}}, "7_3")
            x.end()

        listener.script |= {"tools/call": call, "GET": resume}
        assert await desk.calls(1, "write") == {"ok": True}
        assert desk.notes("notifications/message") == [{"n": 1}, {"n": 2}]
        assert listener.count("tools/call") == 1


@real_loop()
async def test_an_answer_of_our_listener_is_fetched_even_if_not_a_byte_of_it_came() -> None:
    """It names the stream of every request."""

    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        listener.hello["capabilities"] = {"experimental": {REQUEST_STREAMS: {}}}
        await desk.greets()
        await until(lambda: listener.own)

        def resume(x: Exchange) -> None:
            number = int(x.headers["last-event-id"].removeprefix("r").removesuffix("_0"))
            x.stream()
            x.event({"jsonrpc": "2.0", "id": number, "result": {"ok": True}}, f"r{number}_1")
            x.end()

        listener.script |= {"tools/call": lambda x: x.abort(), "GET": resume}
        assert await desk.calls(1, "write") == {"ok": True}
        assert listener.count("tools/call") == 1


@real_loop()
async def test_a_stream_that_the_listener_forgot_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an outage a listener may give some stream and never answer on it."""

    monkeypatch.setattr(resuming, "AFTER_OUTAGE_SECONDS", 0.1)
    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        await desk.greets()
        await until(lambda: listener.own)

        def call(x: Exchange) -> None:
            x.stream()
            x.event(None, "7_0")

        listener.script["tools/call"] = call
        desk.says({"id": 1, "method": "tools/call", "params": {"name": "write"}})
        await until(lambda: listener.count("tools/call"))
        await asyncio.sleep(0.05)
        await listener.stop()
        await asyncio.sleep(0.1)
        await listener.start()
        assert details((await desk.answer(1))["result"])["executionState"] == "unknown"


@real_loop()
async def test_lists_go_on_as_last_seen_and_a_change_is_told_once() -> None:
    async with FakeListener() as listener, Desk(listener.endpoint, patience=QUICK) as desk:
        await desk.greets()
        await desk.asks(1, "tools/list")
        await until(lambda: listener.own)
        await listener.stop()
        assert (await desk.asks(2, "tools/list"))["result"] == {"tools": TOOLS}
        await listener.start()
        await until(lambda: listener.count("tools/list") >= 2)
        assert desk.notes("notifications/tools/list_changed") == []
        await listener.stop()
        listener.tools = TOOLS[:1]
        await listener.start()
        await until(lambda: desk.notes("notifications/tools/list_changed"))
        assert (await desk.asks(3, "tools/list"))["result"] == {"tools": TOOLS[:1]}


@real_loop()
async def test_a_change_the_listener_tells_of_is_passed_on_if_it_is_one() -> None:
    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        await desk.greets()
        await desk.asks(1, "tools/list")
        await until(lambda: listener.own)
        assert listener.own is not None
        changed = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
        listener.own.event(changed)
        await until(lambda: listener.count("tools/list") == 2)
        listener.tools = []
        listener.own.event(changed)
        await until(lambda: desk.notes("notifications/tools/list_changed"))
        assert len(desk.notes("notifications/tools/list_changed")) == 1


@real_loop()
async def test_pages_are_compared_as_far_as_the_client_has_them() -> None:
    async with FakeListener() as listener, Desk(listener.endpoint) as desk:

        def script(x: Exchange) -> None:
            cursor = (x.message.get("params") or {}).get("cursor", "0")
            x.json({"tools": [{"name": f"t{cursor}"}], "nextCursor": str(int(cursor) + 1)})

        listener.script["tools/list"] = script
        await desk.greets()
        await desk.asks(1, "tools/list")
        await desk.asks(2, "tools/list", {"cursor": "1"})
        await until(lambda: listener.own)
        assert listener.own is not None
        listener.own.event({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        await until(lambda: listener.count("tools/list") == 4)
        assert listener.seen[-1].message["params"] == {"cursor": "1"}
        assert desk.notes("notifications/tools/list_changed") == []


@pytest.mark.parametrize("declares", [True, False])
@real_loop()
async def test_a_listener_that_has_prompts_no_more_has_an_empty_list_of_them(declares: bool) -> None:
    """They were declared to the client; what else it refuses is passed on, and so is what it never had."""

    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        if declares:
            listener.hello["capabilities"] = {"tools": {}, "prompts": {}}

        def refuse(x: Exchange) -> None:
            error = {"code": -32601, "message": "Method not found", "data": {"a": 1}}
            x.status(200, json.dumps({"jsonrpc": "2.0", "id": x.message["id"], "error": error}).encode())

        listener.script |= {"prompts/list": refuse, "prompts/get": refuse, "tools/call": refuse}
        await desk.greets()
        listed = await desk.asks(1, "prompts/list")
        assert listed["result"] == {"prompts": []} if declares else listed["error"]["code"] == -32601
        for id, method in (2, "prompts/get"), (3, "tools/call"):
            error = (await desk.asks(id, method, {"name": "x"}))["error"]
            assert error == {"code": -32601, "message": "Method not found", "data": {"a": 1}}


@real_loop()
async def test_a_refusal_by_http_is_a_failed_call() -> None:
    """One with a JSON-RPC error for the request is that error."""

    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        await desk.greets()
        refused: dict[str, str] = {}
        listener.script["tools/call"] = lambda x: x.status(401, b'{"error":"Unauthorized"}', **refused)
        told = details(await desk.calls(1, "write"))
        assert told["code"] == "bridge_tool_call_failed"
        assert (told["executionState"], told["safeToRetry"]) == ("unknown", False)
        refused["www_authenticate"] = "Bearer"
        told = details(await desk.calls(3, "write"))
        assert told["executionState"] == "not_started"
        body = b'{"jsonrpc":"2.0","id":%d,"error":{"code":-32602,"message":"no"}}'
        listener.script["tools/call"] = lambda x: x.status(400, body % x.message["id"])
        assert (await desk.asks(2, "tools/call", {"name": "w"}))["error"]["code"] == -32602


@real_loop()
@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("tool", ["read", "write"])
async def test_a_busy_listener_is_asked_again_where_nothing_can_be_done_twice(tool: str, ours: bool) -> None:
    """Only a listener of ours is known to refuse before it looks at a request."""

    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        if ours:
            listener.hello["capabilities"] = {"tools": {}, "experimental": {REQUEST_STREAMS: {}}}
        await desk.greets()
        await desk.asks(2, "tools/list", {})
        busy = [503, 429]

        def script(x: Exchange) -> None:
            if busy:
                x.status(busy.pop(), b"{}", retry_after="0")
            else:
                x.json({"ok": True})

        listener.script["tools/call"] = script
        answer = await desk.calls(1, tool)
        if ours or tool == "read":
            assert answer == {"ok": True}
        else:
            told = details(answer)
            assert (told["executionState"], told["safeToRetry"]) == ("unknown", False)
            assert listener.count("tools/call") == 1


@real_loop()
@pytest.mark.parametrize("tool", ["read", "write"])
@pytest.mark.parametrize("status", [400, 401, 404, 410, 422, 500, 503, 200])
async def test_a_forgotten_session_is_renewed_however_the_listener_says_it(status: int, tool: str) -> None:
    """A write is sent again only where the refusal proves that nobody took it."""

    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        await desk.greets()
        await desk.asks(2, "tools/list", {})
        taken: list[str] = []
        old = listener.session

        def script(x: Exchange) -> None:
            if x.headers.get("mcp-session-id") != old:
                taken.append(x.method)
                x.json({"ok": True})
                return
            error = {"code": -32001, "message": "Bad Request: No valid session ID provided"}
            body = {"jsonrpc": "2.0", "id": x.message.get("id"), "error": error}
            x.status(status, line(body), content_type="application/json")

        listener.session = "s2"
        listener.script |= {"tools/call": script, "ping": script, "GET": lambda x: x.status(405)}
        answer = await desk.calls(1, tool)
        if tool == "read" or status in (400, 404):
            assert answer == {"ok": True}
        else:
            told = details(answer)
            assert (told["executionState"], told["safeToRetry"]) == ("unknown", False)
            assert taken.count("tools/call") == 0
        assert await desk.calls(3, "write") == {"ok": True}
        assert listener.count("initialize") == 2


@real_loop()
@pytest.mark.parametrize("status", [200, 302, 400, 401, 404, 405, 410, 422, 429, 500, 503])
async def test_a_write_whose_answer_cannot_be_resumed_is_sent_once(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resuming, "OUTAGE_SECONDS", 0.2)
    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        await desk.greets()

        def call(x: Exchange) -> None:
            x.stream()
            x.event(None, "e1")
            x.end()

        listener.script |= {"tools/call": call, "GET": lambda x: x.status(status)}
        told = details(await desk.calls(1, "write"))
        assert (told["executionState"], told["safeToRetry"]) == ("unknown", False)
        assert listener.count("tools/call") == 1


@real_loop()
async def test_a_hard_limit_ends_a_call_and_tells_the_listener() -> None:
    async with FakeListener() as listener, Desk(listener.endpoint, own_ms=100) as desk:
        listener.script["tools/call"] = lambda x: x.stream()
        await desk.greets()
        told = details(await desk.calls(1, "write"))
        assert (told["code"], told["executionState"]) == ("bridge_upstream_unavailable", "unknown")
        await until(lambda: listener.count("notifications/cancelled"))


@real_loop()
@pytest.mark.parametrize(("own_ms", "plain"), [(1000, 0), (2000, 1), (None, 1)])
async def test_a_limit_below_that_of_plain_calls_has_a_timer_of_its_own(
    own_ms: int | None, plain: int
) -> None:
    """Whether a call takes long is looked at once a second, which would be too late."""

    def mute(x: Exchange) -> None:
        """Answers nothing."""

    async with FakeListener() as listener, Desk(listener.endpoint, own_ms=own_ms) as desk:
        listener.script["tools/call"] = mute
        await desk.greets()
        # Leaves a connection that a plain call can go out on.
        await desk.asks(5, "prompts/list")
        desk.says({"id": 1, "method": "tools/call", "params": {"name": "write", "arguments": {}}})
        link = desk.relay._keeper.ready
        assert link is not None
        assert repr(link.plain) == f"SentCalls({plain})"


@real_loop()
@pytest.mark.parametrize("alive", [True, False])
async def test_without_a_limit_a_call_lasts_as_long_as_the_listener_lives(
    alive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callmux.bridge.budget.LISTENER_MS", 50)
    monkeypatch.setattr("callmux.bridge.budget.MARGIN_MS", 0)
    monkeypatch.setattr(links, "SHORT_SECONDS", 0.2)
    monkeypatch.setattr("callmux.bridge.request_time.MORE_SECONDS", 0.05)
    async with FakeListener() as listener, Desk(listener.endpoint) as desk:

        async def slow(x: Exchange) -> None:
            x.stream()
            await asyncio.sleep(0.5)
            x.result({"late": True})
            x.end()

        async def mute(x: Exchange) -> None:
            await asyncio.sleep(1)

        listener.script["tools/call"] = slow
        if not alive:
            listener.script["ping"] = mute
        await desk.greets()
        result = await desk.calls(1, "write")
        if alive:
            assert result == {"late": True}
            assert listener.count("ping") > 1
        else:
            assert details(result)["executionState"] == "unknown"


@real_loop()
async def test_a_lost_stream_is_opened_again_at_once_from_where_it_was() -> None:
    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        await desk.greets()
        await until(lambda: listener.own)
        first = listener.own
        assert first is not None
        first.event({"jsonrpc": "2.0", "method": "notifications/x"}, "0_5")
        await until(lambda: desk.notes("notifications/x"))
        first.abort()
        await until(lambda: listener.own is not first)
        assert listener.own is not None
        assert listener.own.headers["last-event-id"] == "0_5"


@real_loop()
async def test_a_client_that_greets_again_gets_a_new_session() -> None:
    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        await desk.greets()
        await desk.calls(1, "read")
        desk.sent.clear()
        listener.session = "s2"
        await desk.greets(sampling={})
        desk.sent.clear()
        await desk.calls(1, "read")
        assert listener.seen[-1].headers["mcp-session-id"] == "s2"
        await until(lambda: listener.count("DELETE"))


@real_loop()
async def test_a_client_that_does_not_greet_is_served() -> None:
    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        assert await desk.calls(1, "read") == {"echo": {"name": "read", "arguments": {}}}


@real_loop()
async def test_a_client_that_does_not_read_stops_the_listener() -> None:
    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        await desk.greets()
        desk.relay.flow(False)
        desk.says({"id": 1, "method": "tools/call", "params": {"name": "read"}})
        await until(lambda: listener.count("tools/call"))
        await asyncio.sleep(0.05)
        assert len(desk.sent) == 1
        desk.relay.flow(True)
        await desk.answer(1)
