"""Cancellation, progress and logging."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from callmux.session import pulse

from .bench import bench, interaction, over_carriers, over_revisions
from .raw_server import Call, Json, RawServer, text

LOGGING: Json = {"tools": {}, "logging": {}}


@over_carriers
@over_revisions
@pytest.mark.parametrize("method", ["tools/call", "resources/read", "x-vendor/do"])
@interaction("cancel.client")
async def test_a_cancelled_request_is_cancelled_at_the_server_and_never_answered(
    carrier: str, revision: str, method: str, tmp_path: Path
) -> None:
    async def wait(call: Call) -> Json:
        await call.cancelled.wait()
        return {"content": [], "contents": []}

    server = RawServer(version=revision, capabilities={"tools": {}, "resources": {}}).has(a=wait)
    server.answers("resources/read", wait).answers("x-vendor/do", wait)
    async with bench(server, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted(revision)
        client.send(method, {"name": "a", "uri": "x:1"}, id=41)
        call = await server.peer.asked(method)
        client.notify("notifications/cancelled", {"requestId": 41, "reason": "enough"})
        told = await server.peer.told("notifications/cancelled")
        assert told == {"requestId": call.id, "reason": "enough"}
        assert await client.request("ping") == {}
        await client.request("tools/list")
        assert 41 not in client.raw


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ({"reason": "the user pressed Esc ä"}, {"reason": "the user pressed Esc ä"}),
        ({}, {}),
        ({"reason": 7}, {}),
    ],
)
@pytest.mark.parametrize("way", ["direct", "shared", "callmux_parallel"])
@interaction("cancel.client")
async def test_the_reason_of_a_cancellation_is_the_clients_own(way: str, given: Json, passed: Json) -> None:
    """Also where the call is one that others may share, or a child of several; none is made up."""

    async def wait(call: Call) -> Json:
        await call.cancelled.wait()
        return text("late")

    server = RawServer().has(a=wait)
    if way == "shared":
        server.lists("tools", b'{"name":"a","inputSchema":{},"annotations":{"readOnlyHint":true}}')
    async with bench(server) as b:
        client = await b.greeted()
        calls = {"name": "callmux_parallel", "arguments": {"calls": [{"tool": "a"}]}}
        client.send("tools/call", calls if way == "callmux_parallel" else {"name": "a"}, id="p")
        call = await server.peer.asked("tools/call")
        client.notify("notifications/cancelled", {"requestId": "p", **given})
        assert await server.peer.told("notifications/cancelled") == {"requestId": call.id, **passed}


@interaction("cancel.client")
async def test_cancelling_a_parallel_call_cancels_every_child() -> None:
    async def wait(call: Call) -> Json:
        await call.cancelled.wait()
        return text("late")

    server = RawServer().has(a=wait)
    async with bench(server) as b:
        client = await b.greeted()
        calls = [{"tool": "a"} for _ in range(4)]
        client.send("tools/call", {"name": "callmux_parallel", "arguments": {"calls": calls}}, id="p")
        await server.peer.asked("tools/call", 4)
        client.notify("notifications/cancelled", {"requestId": "p"})
        await server.peer.told("notifications/cancelled", 4)
        ids = {call.id for call in server.peer.calls["tools/call"]}
        assert {params["requestId"] for name, params in server.peer.notes if "cancelled" in name} == ids
        assert "p" not in client.raw


@pytest.mark.parametrize("params", [{"requestId": "gone"}, {"requestId": 7}, {"requestId": None}, {}, None])
@interaction("cancel.late")
async def test_cancelling_what_is_not_there_does_nothing(params: Json | None) -> None:
    server = RawServer().has(a=text("1"))
    async with bench(server) as b:
        client = await b.greeted()
        assert await client.call("a") == text("1")
        client.notify("notifications/cancelled", params)
        server.peer.tell("notifications/cancelled", params)
        assert await client.call("a") == text("1")
        assert not [note for note in server.peer.notes if "cancelled" in note[0]]
        assert client.notes == []


@over_carriers
@over_revisions
@pytest.mark.parametrize("token", ["mine", 7, 0, ""], ids=["text", "number", "zero", "empty"])
@interaction("progress.server")
async def test_progress_comes_under_the_clients_own_token(
    carrier: str, revision: str, token: Any, tmp_path: Path
) -> None:
    """Weak spot W32 of callmux (npm)."""

    def work(call: Call) -> Json:
        mine = json.dumps(call.token).encode()
        for n in (b"0.10", b"0.50"):
            call.tell(
                "notifications/progress",
                b'{"progressToken":%b,"progress":%b,"total":1e0,"message":"\\u0041","_meta":{"n":1.0}}'
                % (mine, n),
            )
        return text("done")

    server = RawServer(version=revision).has(a=work)
    async with bench(server, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted(revision)
        assert await client.call("a", _meta={"progressToken": token, "other": 1}) == text("done")
        await client.told("notifications/progress", 2)
        lines = [line for line in client.lines if b"notifications/progress" in line]
        assert [json.loads(line)["params"]["progressToken"] for line in lines] == [token, token]
        assert b'"progress":0.50,"total":1e0,"message":"\\u0041","_meta":{"n":1.0}' in lines[1]
        assert server.peer.calls["tools/call"][0].params["_meta"]["other"] == 1


@pytest.mark.parametrize("method", ["prompts/get", "resources/read", "completion/complete", "x-vendor/do"])
@interaction("progress.server")
async def test_any_request_may_have_progress(method: str) -> None:
    def work(call: Call) -> Json:
        call.tell("notifications/progress", {"progressToken": call.token, "progress": 1})
        return {"contents": [], "messages": [], "completion": {"values": []}}

    capabilities: Json = {"prompts": {}, "resources": {}, "completions": {}}
    server = RawServer(capabilities=capabilities).lists("prompts", {"name": "p"}).answers(method, work)
    async with bench(server) as b:
        client = await b.greeted()
        ref = {"type": "ref/prompt", "name": "p"}
        params = {"name": "p", "uri": "x:1", "ref": ref, "_meta": {"progressToken": "t"}}
        await client.request(method, params)
        assert client.heard("notifications/progress") == [{"progressToken": "t", "progress": 1}]


@interaction("progress.unasked")
async def test_progress_that_nobody_asked_for_reaches_nobody() -> None:
    """Not under a token the client never gave, nor after the answer."""

    def work(call: Call) -> Json:
        call.tell("notifications/progress", {"progressToken": call.id, "progress": 1})
        call.tell("notifications/progress", {"progressToken": "t", "progress": 1})
        call.tell("notifications/progress", {"progressToken": None, "progress": 1})
        call.tell("notifications/progress")
        return text("done")

    server = RawServer().has(a=work)
    async with bench(server) as b:
        client = await b.greeted()
        assert await client.call("a") == text("done")
        await client.call("a", _meta={"progressToken": "t"})
        call = server.peer.calls["tools/call"][1]
        server.peer.tell("notifications/progress", {"progressToken": call.token, "progress": 9})
        await client.request("ping")
        await client.call("a")
        assert client.heard("notifications/progress") == [{"progressToken": "t", "progress": 1}]


@over_carriers
@over_revisions
@interaction("logging.level", "logging.message")
async def test_the_level_goes_up_and_messages_come_down(carrier: str, revision: str, tmp_path: Path) -> None:
    message = b'{"level":"error","logger":"l","data":{"n":1.50,"u":"\\u0041"},"_meta":{"m":1.0},"unknown":[]}'
    server = RawServer(version=revision, capabilities=LOGGING).has(a=text("1"))
    silent = RawServer("silent", version=revision)
    async with bench(server, silent, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted(revision)
        assert await client.request("logging/setLevel", {"level": "warning"}) == {}
        assert (await server.peer.asked("logging/setLevel")).params["level"] == "warning"
        assert "logging/setLevel" not in silent.peer.calls
        server.peer.tell("notifications/message", message)
        await client.told("notifications/message")
        assert (
            client.lines[-1]
            == b'{"jsonrpc":"2.0","method":"notifications/message","params":' + message + b"}\n"
        )


@pytest.mark.parametrize("params", [{"level": "loud"}, {"level": 3}, {}, None])
@interaction("logging.invalid-level")
async def test_an_unknown_level_is_refused(params: Json | None) -> None:
    server = RawServer(capabilities=LOGGING)
    async with bench(server) as b:
        client = await b.greeted()
        assert (await client.refused("logging/setLevel", params))["code"] == -32602
        assert "logging/setLevel" not in server.peer.calls


LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]


@pytest.mark.parametrize("at", LEVELS)
@interaction("logging.filter")
async def test_only_messages_of_the_level_and_above_come(at: str) -> None:
    """Even from a server that takes no notice of the level."""
    server = RawServer(capabilities=LOGGING)
    async with bench(server) as b:
        client = await b.greeted()
        await client.request("logging/setLevel", {"level": at})
        for level in LEVELS:
            server.peer.tell("notifications/message", {"level": level, "data": 1})
        await client.told("notifications/message", len(LEVELS) - LEVELS.index(at))
        await client.request("ping")
        assert [params["level"] for params in client.heard("notifications/message")] == LEVELS[
            LEVELS.index(at) :
        ]


@interaction("logging.message")
async def test_without_a_level_the_server_decides() -> None:
    server = RawServer(capabilities=LOGGING)
    async with bench(server) as b:
        client = await b.greeted()
        server.peer.tell("notifications/message", {"level": "debug", "data": 1})
        assert await client.told("notifications/message") == {"level": "debug", "data": 1}


@over_carriers
@interaction("logging.reconnect")
async def test_a_server_that_comes_back_is_told_the_level_again(carrier: str, tmp_path: Path) -> None:
    server = RawServer(capabilities=LOGGING)
    async with bench(server, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted()
        await client.request("logging/setLevel", {"level": "error"})
        main = b.host.runtime.servers["raw"]
        assert main.connection is not None
        main.retire(main.connection, "a test wants it anew")
        await main.acquire("x", client.session)
        assert len(server.peers) == 2
        assert (await server.peer.asked("logging/setLevel")).params["level"] == "error"


@interaction("logging.level")
async def test_a_level_set_before_the_servers_are_up_reaches_them() -> None:
    up = asyncio.Event()
    server = RawServer(capabilities=LOGGING)
    greet = server.handlers["initialize"]

    async def late(call: Call) -> Any:
        await up.wait()
        return greet(call)

    async with bench(server.answers("initialize", late), greets_late=False) as b:
        client = b.client()
        await client.greet()
        pending = client.send("logging/setLevel", {"level": "error"})
        up.set()
        assert (await pending)["result"] == {}
        assert (await server.peer.asked("logging/setLevel")).params["level"] == "error"


LONG_CALLS: dict[str, tuple[str, Json]] = {
    "direct": ("raw__slow", {}),
    "callmux_call": ("callmux_call", {"tool": "raw__slow"}),
    "callmux_parallel": ("callmux_parallel", {"calls": [{"tool": "raw__slow"}, {"tool": "other__quick"}]}),
    "callmux_pipeline": ("callmux_pipeline", {"steps": [{"tool": "raw__slow"}]}),
}


@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize("way", LONG_CALLS)
@interaction("progress.silence")
async def test_a_call_that_says_nothing_for_long_gives_a_sign_of_life(
    way: str, single: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients give up on silence. Values rise, the server's own among them."""
    monkeypatch.setattr(pulse, "SILENCE_SECONDS", 0.05)
    may_end = asyncio.Event()

    async def slow(call: Call) -> Json:
        await may_end.wait()
        return text("done")

    other = RawServer("other").has(quick=text("1"))
    async with bench(RawServer().has(slow=slow), other, single=single) as b:
        client = await b.greeted()
        name, arguments = LONG_CALLS[way]
        meta = {"progressToken": "t"}
        answer = client.send("tools/call", {"name": name, "arguments": arguments, "_meta": meta})
        await client.told("notifications/progress", 3)
        may_end.set()
        assert "result" in await answer
        told = client.heard("notifications/progress")
        assert all(params["progressToken"] == "t" for params in told)
        values = [params["progress"] for params in told]
        assert values == sorted(set(values))
        await client.request("ping")
        assert len(client.heard("notifications/progress")) == len(told)
