"""One client's session: each request is answered once, and nothing outlives the client."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from msgspec import Raw

from callmux.protocol.calling import Calling, DirectCall, raw
from callmux.protocol.jsonrpc import Request as Message
from callmux.protocol.jsonrpc import RpcError, parse
from callmux.session.backlog import HELD_BYTES, MOST_HELD
from callmux.session.facts import Said
from callmux.session.request import Request
from callmux.session.session import Session
from tests.support import play, settle


class Desk:
    """A session with a scripted handler behind it."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.told_of: list[tuple[str, Any]] = []
        self.handled: list[str] = []
        self.answers: dict[str, Any] = {}
        self.session = Session(self, lambda line: self.sent.append(json.loads(line)))

    async def open(self, session: Session, params: Raw | None) -> bytes:
        assert session is self.session
        return b'{"hello":1}'

    async def call(self, session: Session, params: DirectCall | Raw | None, port: Any) -> bytes:
        return await self.handle(session, "tools/call", raw(params), port)

    async def handle(self, session: Session, method: str, params: Raw | None, *port: Any) -> bytes:
        self.handled.append(method)
        answer = self.answers.get(method, b"{}")
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            return b'{"late":1}'
        if isinstance(answer, Exception):
            raise answer
        line = await answer() if callable(answer) else answer
        assert isinstance(line, bytes)
        return line

    def stateless(self, session: Session, message: Message | Calling, said: Said, *_: Any) -> None:
        session.begin(Request(session, message.id, message.method, said), message.params)

    def told(self, session: Session, method: str, params: Raw | None) -> None:
        self.told_of.append((method, params and json.loads(bytes(params))))

    async def hears(self, *messages: Any) -> None:
        for message in messages:
            line = message if isinstance(message, bytes) else json.dumps(message).encode()
            self.session.receive(parse(line))
        await settle()


async def test_a_conversation() -> None:
    desk = Desk()
    await desk.hears({"id": 0, "method": "initialize", "params": {}})
    assert not desk.session.is_ready
    await desk.hears({"method": "notifications/initialized"})
    assert desk.session.is_ready
    await desk.hears({"id": 1, "method": "x"}, {"method": "notifications/y", "params": {"a": 1}})
    assert desk.sent == [
        {"jsonrpc": "2.0", "id": 0, "result": {"hello": 1}},
        {"jsonrpc": "2.0", "id": 1, "result": {}},
    ]
    assert desk.told_of == [("notifications/y", {"a": 1})]
    assert repr(desk.session) == "Session(ClientPeer(ready, 0 in flight, 0 asked))"


async def test_a_slow_request_holds_up_no_other() -> None:
    desk = Desk()
    slow = desk.answers["slow"] = asyncio.Event()
    await desk.hears({"id": 1, "method": "slow"}, {"id": 2, "method": "fast"}, {"id": 3, "method": "ping"})
    assert sorted(m["id"] for m in desk.sent) == [2, 3]
    assert not desk.session.quiet.is_set()
    slow.set()
    await desk.session.quiet.wait()
    assert desk.sent[-1] == {"jsonrpc": "2.0", "id": 1, "result": {"late": 1}}


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (RpcError(-5, "no", {"a": 1}), {"code": -5, "message": "no", "data": {"a": 1}}),
        (
            KeyError("the secret"),
            {"code": -32603, "message": "callmux failed internally; see its log on stderr"},
        ),
    ],
)
async def test_a_request_that_fails_is_refused(failure: Exception, error: Any) -> None:
    """One that nobody foresaw without its text."""

    desk = Desk()
    desk.answers["x"] = failure
    await desk.hears({"id": 1, "method": "x"})
    assert desk.sent == [{"jsonrpc": "2.0", "id": 1, "error": error}]


async def test_a_cancelled_request_is_never_answered() -> None:
    desk = Desk()
    desk.answers["slow"] = asyncio.Event()
    await desk.hears({"id": 1, "method": "slow"})
    await desk.hears({"method": "notifications/cancelled", "params": {"requestId": 1}})
    assert desk.session.quiet.is_set()
    desk.answers["slow"].set()
    await settle()
    assert desk.sent == []
    await desk.hears({"id": 1, "method": "fast"})
    assert [m["id"] for m in desk.sent] == [1]


def test_an_id_may_be_used_again_before_the_cancelled_request_has_ended(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The second one is answered, and the end of the first one, however late, changes nothing."""

    async def scene() -> None:
        desk = Desk()
        ending = asyncio.Event()

        async def stubborn() -> bytes:
            try:
                await asyncio.Event().wait()
            finally:
                await ending.wait()
            return b"{}"

        desk.answers["slow"] = stubborn
        await desk.hears({"id": 1, "method": "slow"})
        await desk.hears({"method": "notifications/cancelled", "params": {"requestId": 1}})
        await desk.hears({"id": 1, "method": "fast"})
        assert [m["id"] for m in desk.sent] == [1]
        ending.set()
        await settle()
        assert desk.session.quiet.is_set()
        assert len(desk.sent) == 1

    play(scene())
    assert caplog.text == ""


async def test_a_batch_is_taken_apart() -> None:
    desk = Desk()
    await desk.hears([{"id": 1, "method": "x"}, {"id": 2, "method": "ping"}])
    assert sorted(m["id"] for m in desk.sent) == [1, 2]


async def test_garbage_is_refused() -> None:
    desk = Desk()
    await desk.hears(b"hello")
    assert desk.sent[0]["error"]["code"] == -32700


async def test_our_question_is_answered() -> None:
    desk = Desk()
    asking = asyncio.create_task(desk.session.ask("roots/list", b'{"a":1}'))
    await settle()
    assert desk.sent == [{"jsonrpc": "2.0", "id": 1, "method": "roots/list", "params": {"a": 1}}]
    await desk.hears({"id": 1, "result": {"roots": []}})
    assert json.loads(await asking) == {"roots": []}


async def test_our_question_is_refused() -> None:
    desk = Desk()
    asking = asyncio.create_task(desk.session.ask("roots/list", None))
    await settle()
    await desk.hears({"id": 1, "error": {"code": -7, "message": "never"}})
    with pytest.raises(RpcError, match="never"):
        await asking


async def test_a_question_that_is_given_up_is_withdrawn() -> None:
    desk = Desk()
    asking = asyncio.create_task(desk.session.ask("roots/list", None))
    await settle()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert desk.sent[-1]["method"] == "notifications/cancelled"
    assert desk.sent[-1]["params"]["requestId"] == 1
    await desk.hears({"id": 1, "result": {}})


async def test_progress_of_a_question_keeps_the_servers_token() -> None:
    """Towards the client it is the question's own id, because several servers may use the same."""

    desk = Desk()
    seen: list[Any] = []
    params = b'{"_meta":{"progressToken":"theirs"}}'
    note = lambda raw: seen.append(json.loads(raw))  # noqa: E731
    asking = asyncio.create_task(desk.session.ask("sampling/createMessage", params, note))
    await settle()
    assert desk.sent[0]["params"]["_meta"]["progressToken"] == 1
    for token in (1, 2, "theirs", None):
        progress = {"progressToken": token, "progress": 1}
        await desk.hears({"method": "notifications/progress", "params": progress})
    assert seen == [{"progressToken": "theirs", "progress": 1}]
    await desk.hears({"id": 1, "result": {}})
    await asking


async def test_closing_ends_everything() -> None:
    desk = Desk()
    desk.answers["slow"] = asyncio.Event()
    await desk.hears({"id": 1, "method": "slow"})
    asking = asyncio.create_task(desk.session.ask("roots/list", None))
    await settle()
    before = len(desk.sent)
    await desk.session.close()
    with pytest.raises(RpcError, match="the client has left"):
        await asking
    with pytest.raises(RpcError, match="the client has left"):
        await desk.session.ask("roots/list", None)
    desk.session.notify("notifications/x", None)
    await desk.hears({"id": 2, "method": "x"}, {"id": 3, "method": "ping"})
    assert len(desk.sent) == before
    assert desk.handled == ["slow"]


async def test_who_does_not_read_is_known() -> None:
    session = Desk().session
    assert session.reading
    session.flow(False)
    assert not session.reading
    waiting = asyncio.create_task(session.until_reading())
    await settle()
    assert not waiting.done()
    session.flow(True)
    await waiting


async def test_the_transport_hears_when_no_other_request_is_in_flight() -> None:
    desk = Desk()
    lone: list[int] = []
    session = Session(desk, desk.sent.append, flush=lambda: lone.append(len(desk.sent)))
    gate = desk.answers["slow"] = asyncio.Event()
    for id, method in enumerate(("slow", "quick", "slow")):
        session.receive(parse(json.dumps({"id": id, "method": method}).encode()))
    await settle()
    assert (len(desk.sent), lone) == (1, [])
    gate.set()
    await settle()
    assert (len(desk.sent), lone) == (3, [3])


@pytest.mark.parametrize("version", ["2025-11-25", "2025-06-18", "2024-11-05"])
async def test_a_batch_is_refused_where_the_revision_has_none(version: str) -> None:
    """As a whole, with one error; the session goes on."""

    desk = Desk()
    desk.session.version = version
    await desk.hears([{"id": 1, "method": "x"}, {"id": 2, "method": "ping"}])
    assert desk.handled == []
    assert [(m["id"], m["error"]["code"]) for m in desk.sent] == [(None, -32600)]
    assert version in desk.sent[0]["error"]["message"]
    await desk.hears({"id": 3, "method": "x"})
    assert desk.sent[-1]["id"] == 3


async def test_a_batch_is_served_where_the_revision_has_batches() -> None:
    desk = Desk()
    desk.session.version = "2025-03-26"
    await desk.hears([{"id": 1, "method": "x"}, {"id": 2, "method": "ping"}])
    assert sorted(m["id"] for m in desk.sent) == [1, 2]


class Panic(BaseException):
    """As libraries in Rust raise it."""


@pytest.mark.parametrize(
    "failure",
    [
        MemoryError(),
        RecursionError(),
        UnicodeEncodeError("utf-8", "x", 0, 1, "no"),
        Panic(),
        StopAsyncIteration(),
    ],
)
async def test_whatever_ends_a_request_answers_it(failure: BaseException) -> None:
    desk = Desk()

    async def fail() -> bytes:
        raise failure

    desk.answers["x"] = fail
    await desk.hears({"id": 1, "method": "x"}, {"id": 2, "method": "y"})
    assert sorted((m["id"], m.get("error", {}).get("code")) for m in desk.sent) == [
        (1, -32603),
        (2, None),
    ]
    assert desk.session.quiet.is_set()


async def test_a_cancellation_that_was_meant_for_somebody_else_answers_the_request() -> None:
    """What it waits for is shared, and ended by another."""

    desk = Desk()
    shared: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def wait() -> bytes:
        return await shared

    desk.answers["x"] = wait
    await desk.hears({"id": 1, "method": "x"})
    shared.cancel()
    await settle()
    assert [(m["id"], m["error"]["code"]) for m in desk.sent] == [(1, -32603)]


class NoRoom:
    """A line for which there is no memory."""

    def __mod__(self, parts: object) -> bytes:
        raise MemoryError


@pytest.mark.parametrize("id", [1, "one"])
@pytest.mark.parametrize("routed", [True, False])
async def test_a_request_whose_answer_cannot_be_built_is_answered(
    routed: bool, id: int | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No memory for the line: the client is told so."""

    def no_room(*given: object) -> bytes:
        raise MemoryError

    def no_line(line: bytes) -> None:
        raise MemoryError

    desk = Desk()
    ends: list[tuple[Any, Any, bool]] = []
    if routed:
        desk.session = Session(
            desk, no_line, lambda line, about, final: ends.append((json.loads(line), about, final))
        )
    monkeypatch.setattr("callmux.protocol.jsonrpc.response", no_room)
    monkeypatch.setattr("callmux.session.session.ANSWER", NoRoom())
    await desk.hears({"id": id, "method": "x"})
    (answer,) = [end[0] for end in ends] if routed else desk.sent
    assert (answer["id"], answer["error"]["code"]) == (id, -32603)
    assert not routed or ends[0][1:] == (id, True)
    assert desk.session.quiet.is_set()


async def test_a_request_whose_answer_cannot_be_handed_over_is_answered() -> None:
    lines: list[Any] = []

    def route(line: bytes, about: object, final: bool) -> None:
        if b"result" in line:
            raise MemoryError
        lines.append((json.loads(line), final))

    desk = Desk()
    desk.session = Session(desk, lambda line: None, route)
    await desk.hears({"id": 1, "method": "x"})
    assert [(line["id"], line["error"]["code"], final) for line, final in lines] == [(1, -32603, True)]


async def test_a_message_that_fails_as_it_comes_ends_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    begin = desk.session.begin

    def fail(request: Any, *given: Any) -> None:
        if request.id == 1:
            raise MemoryError
        begin(request, *given)

    monkeypatch.setattr(desk.session, "begin", fail)
    await desk.hears({"id": 1, "method": "x"}, {"id": 2, "method": "x"})
    assert sorted((m["id"], m.get("error", {}).get("code")) for m in desk.sent) == [
        (1, -32603),
        (2, None),
    ]


def test_messages_of_servers_to_a_client_that_does_not_read_have_a_bound(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """They are dropped and counted; answers never are."""

    async def scene() -> None:
        desk = Desk()
        desk.session.flow(False)
        for _ in range(MOST_HELD + 7):
            desk.session.notify("notifications/message", b"{}")
        with pytest.raises(RpcError, match="does not read"):
            await desk.session.ask("roots/list", None)
        for id in range(50):
            await desk.hears({"id": id, "method": "x"})
        assert sum("method" in m for m in desk.sent) == MOST_HELD
        assert sum("result" in m for m in desk.sent) == 50
        desk.session.flow(True)
        desk.session.notify("notifications/message", b"{}")
        assert sum("method" in m for m in desk.sent) == MOST_HELD + 1

    with caplog.at_level("WARNING", logger="callmux"):
        play(scene())
    assert "7 messages of servers were dropped" in caplog.text


async def test_few_but_large_messages_have_a_bound_too() -> None:
    desk = Desk()
    desk.session.flow(False)
    large = json.dumps({"data": "x" * (HELD_BYTES // 4)}).encode()
    for _ in range(10):
        desk.session.notify("notifications/message", large)
    assert len(desk.sent) == 3
