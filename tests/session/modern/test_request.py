"""A request in flight or parked: whom it may ask, and what of its way back is whose."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from msgspec import Raw

from callmux.protocol.jsonrpc import RpcError
from callmux.session.modern.request import GATHER_SECONDS, digest_of
from callmux.session.request import Request
from callmux.stores.parked import ParkedLimits
from tests.session.modern.desk import FORM, Desk
from tests.session.modern.test_parking import Remote


async def asking(desk: Desk, asked: str, params: Any = None, **given: Any) -> Any:
    """The error that a server gets for a question, and the answer to the request."""
    caught: list[RpcError] = []

    async def work(request: Request) -> Any:
        try:
            await request.ask(asked, None if params is None else json.dumps(params).encode())
        except RpcError as error:
            caught.append(error)
        return {"isError": False}

    desk.work = work
    answer = await desk.result(1, **given)
    return caught, answer


async def test_a_client_is_asked_only_what_it_declares() -> None:
    caught, answer = await asking(Desk(), "elicitation/create", FORM, capabilities={"sampling": {}})
    assert len(caught) == 1
    assert answer["resultType"] == "complete", "its server has done without"


async def test_what_needs_an_undeclared_capability_says_so_where_it_fails() -> None:
    desk = Desk()

    async def work(request: Request) -> Any:
        return await request.ask("sampling/createMessage", b'{"messages":[]}')

    desk.work = work
    error = await desk.result(1, capabilities={})
    assert error["code"] == -32021
    assert error["data"]["requiredCapabilities"] == {"sampling": {}}


@pytest.mark.parametrize(("method", "asked"), [("tools/list", "roots/list"), ("tools/call", "tasks/new")])
async def test_some_requests_and_questions_have_no_way(method: str, asked: str) -> None:
    caught, answer = await asking(Desk(), asked, method=method)
    assert (len(caught), answer["resultType"]) == (1, "complete")


async def test_without_room_the_server_is_told_and_the_request_goes_on() -> None:
    caught, answer = await asking(Desk(limits=ParkedLimits(each=0)), "roots/list")
    assert "too many" in caught[0].message
    assert answer["resultType"] == "complete"


async def test_log_messages_come_where_they_are_wanted_and_progress_under_the_latest_token() -> None:
    desk = Desk()

    async def work(request: Request) -> Any:
        for _ in range(2):
            request.notify("notifications/message", b'{"level":"error"}')
            request.notify("notifications/progress", b'{"progressToken":"old","progress":1}')
            await request.ask("roots/list", None)
        return {}

    desk.work = work
    asked = await desk.result(1, progressToken="old")
    assert desk.told_of("notifications/message") == []
    assert desk.told_of("notifications/progress") == [{"progressToken": "old", "progress": 1}]
    params = {"name": "x", "requestState": asked["requestState"], "inputResponses": {"q1": {}}}
    level = {"io.modelcontextprotocol/logLevel": "info"}
    await desk.result(2, params=params, progressToken="new", **level)
    assert desk.told_of("notifications/message") == [{"level": "error"}]
    assert desk.told_of("notifications/progress")[1] == {"progressToken": "new", "progress": 1}


async def test_a_question_that_a_server_takes_back_is_not_asked_again() -> None:
    desk = Desk()
    withdrawn = asyncio.Event()

    async def work(request: Request) -> Any:
        question = asyncio.ensure_future(request.ask("roots/list", None))
        await withdrawn.wait()
        question.cancel()
        return {"done": 1}

    desk.work = work
    asked = await desk.result(1)
    withdrawn.set()
    params = {"name": "x", "requestState": asked["requestState"], "inputResponses": {"q1": {}}}
    assert (await desk.result(2, params=params))["done"] == 1


async def test_a_request_that_is_given_up_while_it_is_parked_takes_no_room() -> None:
    """A store elsewhere needs its time; nobody has the state by then, so nobody would take the request."""
    calls = Remote()
    desk = Desk(calls)

    async def work(request: Request) -> Any:
        return await request.ask("roots/list", None)

    desk.work = work
    desk.asks(1)
    await asyncio.sleep(GATHER_SECONDS + 0.005)
    assert len(calls.near) == 1
    desk.says({"method": "notifications/cancelled", "params": {"requestId": 1}})
    await asyncio.sleep(1)
    assert (len(desk.parking), len(calls.near)) == (0, 0)


async def test_what_is_remembered_for_a_session_is_for_its_only_client() -> None:
    """On stdio there is one client; over HTTP the next request in a session may be somebody else's."""
    desk = Desk()
    lasting = []

    async def work(request: Request) -> Any:
        lasting.append(request.lasting)
        return {}

    desk.work = work
    await desk.result(1)
    desk.session.over = None
    await desk.result(2)
    assert lasting == [False, True]


def test_a_digest_is_that_of_method_and_params_without_their_order() -> None:
    one = digest_of("m", Raw(b'{"a":1,"b":{"c":2,"d":3},"_meta":{"x":1}}'))
    assert one == digest_of("m", Raw(b'{ "b" : {"d": 3, "c": 2}, "a": 1}'))
    assert one != digest_of("n", Raw(b'{"a":1,"b":{"c":2,"d":3}}'))
    assert one != digest_of("m", Raw(b'{"a":1,"b":{"c":2,"d":4}}'))


def test_a_digest_is_the_same_however_a_name_is_spelled() -> None:
    """What is read in one step keeps no escapes (`callmux.protocol.modern_call`)."""
    plain = digest_of("tools/call", Raw(b'{"name":"get","arguments":{}}'))
    assert digest_of("tools/call", Raw(b'{"name":"g\\u0065t","arguments":{}}')) == plain
    assert digest_of("tools/call", Raw(b'{"name":"g\\ud800t"}')) != plain
