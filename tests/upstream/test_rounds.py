"""A server asks in the middle of a request, and the request ends all the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from callmux.protocol.jsonrpc import RpcError
from callmux.upstream.connection import Connection
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.rounds import MOST_ROUNDS
from tests.support import FakeClient, context, planned, settle
from tests.upstream.fake_link import SILENCE
from tests.upstream.modern_link import ModernLink, modern

ELICIT = {"method": "elicitation/create", "params": {"message": "who?", "requestedSchema": {}}}
EVERYTHING = b'{"elicitation":{},"roots":{},"sampling":{}}'


def asks(state: Any = "s", **questions: Any) -> Any:
    stated = {} if state is None else {"requestState": state}
    return {"resultType": "input_required", "inputRequests": questions, **stated}


def scripted(*answers: Any) -> Callable[[Any], Any]:
    rest = list(answers)
    return lambda _: rest.pop(0) if len(rest) > 1 else rest[0]


class Caller:
    """A client that causes requests."""

    def __init__(self, capabilities: bytes = EVERYTHING) -> None:
        self.port = FakeClient(capabilities)

    def request(self, connection: Connection, method: str = "tools/call", seconds: float = 9) -> Any:
        params = b'{"name":"t","arguments":{"a":1.50}}'
        return asyncio.create_task(connection.request(method, params, seconds, self.port))


async def test_what_a_server_asks_goes_to_the_client_and_the_answers_back() -> None:
    link = ModernLink(
        tools__call=scripted(
            asks(who=ELICIT, where={"method": "roots/list"}), {"content": [], "resultType": "complete"}
        )
    )
    connection, _, ears = await modern(link)
    ears.answer = b'{"action":"accept"}'
    assert json.loads(await Caller().request(connection)) == {"content": []}
    assert [asked[0] for asked in ears.asked] == ["elicitation/create", "roots/list"]
    assert ears.asked[0][1] == ELICIT["params"]
    first, second = link.requests("tools/call")
    answered = {"who": {"action": "accept"}, "where": {"action": "accept"}}
    assert second == {**first, "inputResponses": answered, "requestState": "s"}
    ids = [message["id"] for message in link.sent if message["method"] == "tools/call"]
    assert len(set(ids)) == 2
    assert connection.in_flight == 0


async def test_each_round_goes_back_with_what_it_wanted_alone() -> None:
    link = ModernLink(
        tools__call=scripted(asks("one", a=ELICIT), asks(None, b=ELICIT), {"resultType": "complete"})
    )
    connection, _, _ = await modern(link)
    await Caller().request(connection)
    _, second, third = link.requests("tools/call")
    assert (second["requestState"], list(second["inputResponses"])) == ("one", ["a"])
    assert "requestState" not in third
    assert list(third["inputResponses"]) == ["b"]


async def test_questions_are_asked_at_the_same_time() -> None:
    connection, link, ears = await modern(tools__call=scripted(asks(a=ELICIT, b=ELICIT, c=ELICIT), {}))
    ears.answer = asyncio.get_running_loop().create_future()
    waiting = Caller().request(connection)
    await settle()
    assert len(ears.asked) == 3
    ears.answer.set_result(b"{}")
    await waiting
    assert len(link.requests("tools/call")) == 2


async def test_a_state_alone_is_given_back_after_a_pause() -> None:
    connection, link, _ = await modern(
        tools__call=scripted({"resultType": "input_required", "requestState": "later"}, {})
    )
    begun = asyncio.get_running_loop().time()
    await Caller().request(connection)
    assert asyncio.get_running_loop().time() > begun
    assert link.requests("tools/call")[1]["requestState"] == "later"


@pytest.mark.parametrize("method", ["prompts/get", "resources/read"])
async def test_prompts_and_resources_ask_as_well(method: str) -> None:
    connection, link, _ = await modern(
        ModernLink(**{method.replace("/", "__"): scripted(asks(a=ELICIT), {"x": 1})})
    )
    assert json.loads(await Caller().request(connection, method)) == {"x": 1}
    assert len(link.requests(method)) == 2


@pytest.mark.parametrize(
    ("method", "result", "why"),
    [
        ("completion/complete", asks(a=ELICIT), "in place of an answer to completion/complete"),
        ("tools/call", {"resultType": "input_required"}, "does not say for what"),
        ("tools/call", asks(a={"method": "x/y"}), '"x/y", which no client can be asked'),
    ],
)
async def test_a_server_that_asks_what_it_may_not_gets_no_answer(method: str, result: Any, why: str) -> None:
    connection, _, ears = await modern(**{method.replace("/", "__"): result})
    with pytest.raises(CallFailure) as caught:
        await Caller().request(connection, method)
    assert why in caught.value.cause
    assert not caught.value.retryable
    assert ears.asked == []


async def test_a_server_that_never_stops_asking_is_given_up() -> None:
    connection, link, _ = await modern(tools__call=asks(a=ELICIT))
    with pytest.raises(CallFailure, match=f"{MOST_ROUNDS} times"):
        await Caller().request(connection)
    assert len(link.requests("tools/call")) == MOST_ROUNDS + 1


async def test_a_client_is_asked_for_nothing_it_did_not_declare() -> None:
    connection, link, ears = await modern(tools__call=asks(a={"method": "roots/list"}, b=ELICIT))
    with pytest.raises(CallFailure) as caught:
        await Caller(b'{"roots":{}}').request(connection)
    assert caught.value.rpc is not None
    assert caught.value.rpc.code == -32021
    assert "elicitation" in caught.value.cause
    assert ears.asked == []
    assert len(link.requests("tools/call")) == 1


async def test_where_no_client_is_nobody_is_asked() -> None:
    connection, _, _ = await modern(resources__read=asks(a=ELICIT))
    with pytest.raises(CallFailure, match="where no client is"):
        await connection.request("resources/read", b"{}", 9)


async def test_a_client_that_refuses_ends_the_request() -> None:
    connection, link, ears = await modern(tools__call=asks(a=ELICIT, b=ELICIT))
    ears.answer = RpcError(-1, "not now")
    with pytest.raises(CallFailure, match="not now"):
        await Caller().request(connection)
    assert len(link.requests("tools/call")) == 1


async def test_a_client_that_does_not_answer_has_the_time_of_the_request() -> None:
    connection, _, ears = await modern(tools__call=asks(a=ELICIT))
    ears.answer = asyncio.get_running_loop().create_future()
    with pytest.raises(CallFailure) as caught:
        await Caller().request(connection, seconds=9)
    assert caught.value.category is Category.TIMEOUT
    assert connection.in_flight == 0


async def test_every_round_has_time_of_its_own() -> None:
    connection, link, ears = await modern(tools__call=scripted(asks(a=ELICIT), SILENCE))
    ears.answer = asyncio.get_running_loop().create_future()
    waiting = Caller().request(connection, seconds=9)
    await asyncio.sleep(8)
    ears.answer.set_result(b"{}")
    await asyncio.sleep(8)
    assert not waiting.done()
    link.answers("tools/call", {"late": 1})
    assert json.loads(await waiting) == {"late": 1}


async def test_a_request_that_nobody_wants_any_more_is_not_sent_again() -> None:
    connection, link, ears = await modern(tools__call=asks(a=ELICIT))
    ears.answer = asyncio.get_running_loop().create_future()
    waiting = Caller().request(connection)
    await settle()
    waiting.cancel()
    await settle()
    ears.answer = b"{}"
    await settle()
    assert len(link.requests("tools/call")) == 1
    assert link.methods()[-1] == "tools/call"


async def test_a_connection_is_not_closed_while_a_client_is_asked() -> None:
    connection, link, ears = await modern(tools__call=scripted(asks(a=ELICIT), {}))
    ears.answer = asyncio.get_running_loop().create_future()
    waiting = Caller().request(connection)
    await settle()
    closing = asyncio.create_task(connection.close_when_drained())
    await settle()
    assert link.closed == 0
    ears.answer.set_result(b"{}")
    await waiting
    await closing
    assert link.closed == 1


async def test_what_was_asked_on_a_lost_connection_may_have_begun() -> None:
    connection, link, ears = await modern(tools__call=asks(a=ELICIT))
    ears.answer = asyncio.get_running_loop().create_future()
    waiting = Caller().request(connection)
    await settle()
    link.dies()
    ears.answer.set_result(b"{}")
    with pytest.raises(CallFailure) as caught:
        await waiting
    assert caught.value.started
    assert "while its client was asked" in caught.value.cause


async def test_another_kind_of_result_passes_as_it_is() -> None:
    task = {"resultType": "task", "taskId": "1"}
    connection, _, _ = await modern(tools__call=task)
    assert json.loads(await Caller().request(connection)) == task


async def test_a_call_keeps_its_arguments_byte_for_byte() -> None:
    link = ModernLink(tools__call=scripted(asks(a=ELICIT), {"content": []}))
    lines: list[bytes] = []
    send = link.send

    def noted(line: bytes, *more: Any) -> None:
        lines.append(line)
        send(line, *more)

    link.send = noted  # type: ignore[assignment,method-assign]
    connection, _, _ = await modern(link)
    done: list[Any] = []
    deadline = asyncio.get_running_loop().time() + 9
    client = context(client=FakeClient(EVERYTHING))
    call = planned(arguments=b'{"n":1.50,"s":"\\u00fc"}', context=client, deadline=deadline)
    call.done = lambda job, outcome: done.append(outcome)
    connection.send(call)
    await settle()
    assert [outcome.raw for outcome in done] == [b'{"content": []}']
    sent = [line for line in lines if b'"tools/call"' in line]
    assert len(sent) == 2
    assert all(b'"arguments":{"n":1.50,"s":"\\u00fc"}' in line for line in sent)


async def test_while_its_request_is_parked_a_client_has_more_time_than_the_request() -> None:
    connection, _, ears = await modern(tools__call=asks(a=ELICIT))
    ears.answer = asyncio.get_running_loop().create_future()
    now = asyncio.get_running_loop().time
    caller, began = Caller(), now()
    caller.port.thinks = lambda since: min(now(), began + 100) - since
    waiting = caller.request(connection, seconds=9)
    await asyncio.sleep(108)
    assert not waiting.done()
    with pytest.raises(CallFailure, match="timed out"):
        await waiting
    assert now() - began == pytest.approx(109, abs=0.5)


async def test_a_task_holds_the_server_until_what_came_of_it_was_fetched() -> None:
    made = {"resultType": "task", "taskId": "1", "status": "working"}
    states = scripted(
        {"resultType": "complete", "taskId": "1", "status": "working"},
        {"resultType": "complete", "taskId": "1", "status": "completed", "result": {}},
    )
    connection, _, _ = await modern(ModernLink(tools__call=made, tasks__get=states))
    assert not connection.occupied
    await Caller().request(connection)
    await Caller().request(connection, "tasks/get")
    assert connection.occupied
    await Caller().request(connection, "tasks/get")
    assert not connection.occupied
    await connection.close()
