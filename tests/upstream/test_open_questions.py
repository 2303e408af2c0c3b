"""Every question of a server is answered."""

from __future__ import annotations

import asyncio

import pytest

from callmux.protocol.jsonrpc import RpcError
from tests.support import settle
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
