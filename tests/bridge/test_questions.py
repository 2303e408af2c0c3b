"""What servers ask reaches the client, and its answer the listener."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callmux.session.session import Session
from tests.bridge.bench import Desk, Exchange, FakeListener
from tests.support import real_loop, until


def asking(id: Any, method: str = "sampling/createMessage", **params: Any) -> Any:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


def answers(listener: FakeListener) -> list[Any]:
    return [x.message for x in listener.seen if x.message and "method" not in x.message]


async def question(desk: Desk) -> Any:
    await until(lambda: any("id" in m and "method" in m for m in desk.sent), "a question")
    found = next(m for m in desk.sent if "id" in m and "method" in m)
    desk.sent.remove(found)
    return found


@real_loop()
async def test_a_question_during_a_call_and_its_progress() -> None:
    """On the stream of the call; the ids and tokens are each side's own."""

    async with FakeListener() as listener, Desk(listener.endpoint) as desk:

        async def call(x: Exchange) -> None:
            x.stream()
            x.event(asking("q", max=1, _meta={"progressToken": "theirs"}))
            await until(lambda: answers(listener))
            x.result({"ok": True})
            x.end()

        listener.script["tools/call"] = call
        await desk.greets(sampling={})
        desk.says({"id": 1, "method": "tools/call", "params": {"name": "write"}})
        asked = await question(desk)
        assert asked["params"]["max"] == 1
        token = asked["params"]["_meta"]["progressToken"]
        desk.says({"method": "notifications/progress", "params": {"progressToken": token, "progress": 1}})
        await until(lambda: listener.count("notifications/progress"))
        desk.says({"id": asked["id"], "result": {"text": "ü"}})
        assert (await desk.answer(1))["result"] == {"ok": True}
        assert answers(listener) == [{"jsonrpc": "2.0", "id": "q", "result": {"text": "ü"}}]
        reports = [x.message["params"] for x in listener.seen if x.method == "notifications/progress"]
        assert reports == [{"progressToken": "theirs", "progress": 1}]


@real_loop()
async def test_a_question_of_its_own_and_a_refusal() -> None:
    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        await desk.greets(roots={})
        await until(lambda: listener.own)
        assert listener.own is not None
        listener.own.event(asking(7, "roots/list"))
        listener.own.event(asking(7, "roots/list"))
        asked = await question(desk)
        desk.says({"id": asked["id"], "error": {"code": -1, "message": "no", "data": [1]}})
        await until(lambda: answers(listener))
        assert answers(listener)[0]["error"] == {"code": -1, "message": "no", "data": [1]}


@real_loop()
async def test_a_ping_is_answered_here() -> None:
    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        await desk.greets()
        await until(lambda: listener.own)
        assert listener.own is not None
        listener.own.event(asking("p", "ping"))
        await until(lambda: answers(listener))
        assert answers(listener) == [{"jsonrpc": "2.0", "id": "p", "result": {}}]
        assert len(desk.sent) == 1


@real_loop()
async def test_a_question_is_withdrawn() -> None:
    """By the server, and with its session."""

    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        await desk.greets(sampling={})
        await until(lambda: listener.own)
        assert listener.own is not None
        own = listener.own
        own.event(asking("q"))
        first = await question(desk)
        own.event({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "q"}})
        await until(lambda: desk.notes("notifications/cancelled"))
        assert desk.notes("notifications/cancelled")[0]["requestId"] == first["id"]
        own.event({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "x"}})
        own.event({"jsonrpc": "2.0", "method": "notifications/cancelled"})
        own.event(asking("r"))
        await question(desk)
        listener.known = set()
        own.abort()
        await until(lambda: len(desk.notes("notifications/cancelled")) == 2)


@real_loop()
async def test_a_client_that_has_not_greeted_is_not_asked() -> None:
    """Before the end of its handshake a question waits; without any it is refused."""

    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        await desk.asks(0, "initialize", {"protocolVersion": "2025-11-25", "capabilities": {}})
        await until(lambda: listener.own)
        assert listener.own is not None
        listener.own.event(asking("q"))
        await asyncio.sleep(0.05)
        assert len(desk.sent) == 1
        desk.says({"method": "notifications/initialized"})
        await question(desk)


@real_loop()
async def test_an_answer_finds_a_listener_that_was_away() -> None:
    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        await desk.greets(sampling={})
        await until(lambda: listener.own)
        assert listener.own is not None
        listener.own.event(asking("q"))
        asked = await question(desk)
        await listener.stop()
        desk.says({"id": asked["id"], "result": {}})
        await asyncio.sleep(0.1)
        await listener.start()
        await until(lambda: answers(listener))


@real_loop()
async def test_a_question_that_fails_here_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*given: Any) -> bytes:
        raise MemoryError

    monkeypatch.setattr(Session, "ask", fail)

    async with FakeListener() as listener, Desk(listener.endpoint) as desk:
        await desk.greets(roots={})
        await until(lambda: listener.own)
        assert listener.own is not None
        listener.own.event(asking(7, "roots/list"))
        await until(lambda: answers(listener))
        assert (answers(listener)[0]["id"], answers(listener)[0]["error"]["code"]) == (7, -32603)
