"""Every question of a server is answered."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from msgspec import Raw

from callmux.context import ClientPort
from callmux.protocol.jsonrpc import RpcError
from callmux.protocol.upstream_peer import UpstreamPeer
from callmux.tasks import TaskSet
from callmux.upstream.open_questions import NotWaiting, OpenQuestions
from tests.support import FakeClient, settle
from tests.upstream.test_connection import opened


async def test_questions_are_answered_or_refused() -> None:
    _, link, ears = await opened()
    link.says({"id": "q1", "method": "roots/list", "params": {"a": 1}})
    await settle()
    assert ears.asked == [("roots/list", {"a": 1}, None)]
    assert link.heard[-1] == ("answer", {"jsonrpc": "2.0", "id": "q1", "result": {}})
    ears.answer = RpcError(-5, "no")
    link.says({"id": "q2", "method": "roots/list"})
    await settle()
    assert link.heard[-1][1]["error"] == {"code": -5, "message": "no"}
    link.says({"id": "q3", "method": "ping"})
    assert link.heard[-1][1] == {"jsonrpc": "2.0", "id": "q3", "result": {}}


async def test_a_question_that_fails_in_an_unforeseen_way_is_answered_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The server would wait for ever, and what went wrong is no business of its."""

    _, link, ears = await opened()
    ears.answer = KeyError("of ours")
    link.says({"id": "q", "method": "roots/list"})
    await settle()
    error = {"code": -32603, "message": "callmux could not pass this question on"}
    assert link.heard[-1] == ("answer", {"jsonrpc": "2.0", "id": "q", "error": error})
    assert 'could not pass on a question of "s" (roots/list): an error in callmux' in caplog.text
    assert "of ours" in caplog.text


@pytest.mark.parametrize("end", ["withdrawn", "lost"])
async def test_a_question_nobody_waits_for_is_given_up(end: str) -> None:
    _, link, ears = await opened()
    ears.answer = asyncio.get_running_loop().create_future()
    link.says({"id": "q", "method": "roots/list"})
    await settle()
    if end == "withdrawn":
        link.says({"method": "notifications/cancelled", "params": {"requestId": "q"}})
    else:
        link.dies()
    await settle()
    assert ears.answer.cancelled()
    assert "answer" not in link.methods()


class Plain:
    """Answers as they are."""

    def answer(self, id: object, result: bytes) -> bytes:
        return result

    def refuse(self, id: object, error: bytes) -> bytes:
        return error


async def test_where_the_request_asked_is_over_another_one_of_its_client_is_asked_and_each_once() -> None:
    asked: list[Any] = []
    answers: list[Any] = [NotWaiting(), NotWaiting(), b"{}"]
    first, second, third = (cast(ClientPort, FakeClient()) for _ in range(3))

    async def ask(params: Raw | None, client: ClientPort | None) -> bytes:
        asked.append(client)
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return bytes(found)

    async def sent(*instead: ClientPort | None) -> bytes:
        asked.clear()
        meant, lines = list(instead), list[bytes]()
        questions = OpenQuestions("s", cast(UpstreamPeer, Plain()), lines.append, TaskSet("questions"))
        questions.come(1, "roots/list", None, ask, first, lambda params: meant.pop(0))
        await settle()
        assert len(questions) == 0
        return lines[0]

    assert await sent(second, third) == b"{}"
    assert asked == [first, second, third]
    for instead, times in (((None,), 1), ((first,), 1), ((second, first), 2)):
        answers[:] = [NotWaiting(), NotWaiting()]
        assert b"the client no longer waits" in await sent(*instead)
        assert len(asked) == times
