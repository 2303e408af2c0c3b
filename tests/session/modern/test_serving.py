"""Requests without a handshake: what is refused, what is answered here, and what goes on as any other."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from callmux.protocol.caching import Freshness
from callmux.protocol.jsonrpc import RpcError, parse
from callmux.protocol.modern_call import of_caller
from callmux.session.facts import NOTHING, Said
from callmux.session.modern.serving import DISCOVER_MS, LIST_MS
from callmux.session.request import Request
from callmux.session.session import Session
from callmux.stores.parked import ParkedLimits
from tests.session.modern.desk import FORM, INFO, META, Desk

SERVER = {"io.modelcontextprotocol/serverInfo": INFO}


async def test_a_request_is_answered_as_the_revision_has_it_and_goes_on_without_what_it_adds() -> None:
    desk = Desk()
    params = {"name": "x", "arguments": {"a": 1}, "requestState": None}
    given = {**params, "_meta": {**META, "progressToken": 5, "mine": 1}}
    desk.says(
        {"id": "a", "method": "tools/call", "params": {**given, "inputResponses": {}, "requestState": 1}}
    )
    assert (await desk.answer("a"))["code"] == -32602, "a requestState is a text"
    del given["requestState"]
    desk.says({"id": "b", "method": "tools/call", "params": {**given, "inputResponses": {}}})
    assert await desk.answer("b") == {"resultType": "complete", "_meta": SERVER, "content": []}
    bare = {"name": "x", "arguments": {"a": 1}, "_meta": {"progressToken": 5, "mine": 1}}
    assert desk.handled == [("tools/call", bare)]
    assert desk.over == 2


async def test_a_request_says_of_itself_what_a_session_says_otherwise() -> None:
    desk = Desk()
    seen = []

    async def work(request: Request) -> Any:
        seen.append((request.capabilities, request.version, request.log_level, request.asks_roots))
        return {}

    desk.work = work
    level = {"io.modelcontextprotocol/logLevel": "error"}
    await desk.result(1, capabilities={"roots": {}, "elicitation": {}}, **level)
    await desk.result(2, capabilities={"sampling": {}})
    assert seen == [
        (b'{"elicitation":{},"roots":{}}', "2026-07-28", "error", False),
        (b'{"sampling":{}}', "2026-07-28", None, False),
    ]
    assert desk.process.levels == ["error"]


@pytest.mark.parametrize(
    ("meta", "code"),
    [
        ({}, -32602),
        ({"io.modelcontextprotocol/protocolVersion": "2026-07-28"}, -32602),
        ({**META, "io.modelcontextprotocol/clientCapabilities": []}, -32602),
        ({**META, "io.modelcontextprotocol/protocolVersion": 5}, -32602),
        ({**META, "io.modelcontextprotocol/logLevel": "loud"}, -32602),
        ({**META, "io.modelcontextprotocol/clientInfo": 1}, -32602),
        ({**META, "io.modelcontextprotocol/protocolVersion": "2099-01-01"}, -32022),
        ({"io.modelcontextprotocol/protocolVersion": "2025-11-25"}, -32022),
        ({**META, "io.modelcontextprotocol/protocolVersion": "2025-11-25"}, -32022),
    ],
)
async def test_what_lacks_something_is_refused(meta: Any, code: int) -> None:
    desk = Desk()
    desk.says({"id": 1, "method": "server/discover", "params": {"_meta": meta}})
    error = await desk.answer(1)
    assert error["code"] == code
    if code == -32022:
        named = meta["io.modelcontextprotocol/protocolVersion"]
        assert error["data"]["requested"] == named
        assert error["data"]["supported"][0] == "2026-07-28"
    assert desk.handled == []


@pytest.mark.parametrize(
    "method", ["ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe", "tasks/list"]
)
async def test_what_the_revision_does_not_have_is_not_found(method: str) -> None:
    desk = Desk()
    assert (await desk.result(1, method))["code"] == -32601
    assert desk.handled == []


async def test_what_is_declared_is_answered_and_nothing_else() -> None:
    desk = Desk()
    desk.process.capabilities = {"tools": {}, "resources": {}}
    assert (await desk.result(1, "prompts/list"))["code"] == -32601
    assert (await desk.result(2, "completion/complete"))["code"] == -32601
    assert (await desk.result(3, "resources/list"))["resultType"] == "complete"


async def test_discovery_is_answered_without_anybody_else() -> None:
    desk = Desk()
    told = await desk.result(1, "server/discover")
    assert told["supportedVersions"][0] == "2026-07-28"
    assert told["capabilities"] == desk.process.capabilities
    assert (told["instructions"], told["_meta"]) == ("use it", SERVER)
    assert (told["ttlMs"], told["cacheScope"]) == (DISCOVER_MS, "public")
    assert (desk.handled, desk.process.started) == ([], 0)
    desk.process.complete, desk.process.rights, desk.process.instructions = False, "some", ""
    told = await desk.result(2, "server/discover")
    assert (told["ttlMs"], told["cacheScope"]) == (0, "private")
    assert "instructions" not in told


async def test_lists_say_how_long_they_hold_and_for_whom() -> None:
    desk = Desk()
    told = await desk.result(1, "tools/list")
    assert (told["ttlMs"], told["cacheScope"]) == (LIST_MS, "public")
    desk.process.rights = "some"
    told = await desk.result(2, "prompts/list")
    assert (told["ttlMs"], told["cacheScope"]) == (LIST_MS, "private")
    desk.process.rights, desk.process.hold = None, Freshness(2000.5, private=True)
    told = await desk.result(3, "resources/list")
    assert (told["ttlMs"], told["cacheScope"]) == (2000, "private"), "no longer than its servers say"
    told = await desk.result(3, "resources/read", {"uri": "a:b"})
    assert (told["ttlMs"], told["cacheScope"]) == (0, "private")
    assert "ttlMs" not in await desk.result(4, "prompts/get", {"name": "p"})


async def test_a_session_with_a_handshake_has_both() -> None:
    desk = Desk()
    hello = {"protocolVersion": "2025-11-25", "capabilities": {"roots": {}}}
    desk.says({"id": 0, "method": "initialize", "params": hello})
    assert await desk.answer(0) == {"hello": 1}
    assert (await desk.result(1, "tools/list"))["resultType"] == "complete"
    desk.says({"id": 2, "method": "tools/list", "params": {}})
    assert await desk.answer(2) == {"content": []}
    assert not desk.session.stateless


@pytest.mark.parametrize(("kind", "version"), [(None, "2025-11-25"), ("stdio-bridge", "2026-07-28")])
async def test_a_client_behind_a_bridge_is_of_the_revision_that_it_names(
    kind: str | None, version: str
) -> None:
    """The handshake was the bridge's own."""
    desk = Desk()
    desk.says({"id": 0, "method": "initialize", "params": {}})
    await desk.answer(0)
    desk.session.version, desk.session.facts.client_kind = "2025-11-25", kind
    await desk.result(1, "tools/list")
    assert desk.session.version == version


async def test_a_client_that_only_looked_and_then_greets_has_a_session() -> None:
    desk = Desk()
    await desk.result(1, "server/discover")
    assert desk.session.stateless
    desk.says({"id": 2, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}})
    await desk.answer(2)
    desk.says({"method": "notifications/initialized"})
    desk.session.notify("notifications/tools/list_changed", None)
    asking = asyncio.ensure_future(desk.session.ask("roots/list", None))
    await asyncio.sleep(0.01)
    assert [m["method"] for m in desk.sent if "method" in m] == [
        "notifications/tools/list_changed",
        "roots/list",
    ]
    asking.cancel()


async def test_what_belongs_to_no_request_is_not_told() -> None:
    desk = Desk()
    await desk.result(1)
    desk.session.notify("notifications/tools/list_changed", None)
    with pytest.raises(RpcError):
        await desk.session.ask("roots/list", None)
    assert [m for m in desk.sent if "method" in m] == []


async def test_a_call_that_was_read_in_one_step_goes_the_same_way() -> None:
    desk = Desk()

    async def work(request: Request) -> Any:
        return {"heard": json.loads(bytes(await request.ask("roots/list", None)))}

    desk.work = work
    params: dict[str, Any] = {"name": "x", "arguments": {"a": 1}, "_meta": {**META, "progressToken": 5}}
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = {"roots": {}}
    body = json.dumps({"id": 1, "method": "tools/call", "params": params}).encode()
    found = of_caller(body, "x")
    assert found is not None
    calling, about = found
    desk.session.receive_stateless(calling, NOTHING, about.asked)
    question = await desk.answer(1)
    assert question["inputRequests"] == {"q1": {"method": "roots/list"}}
    bare = {"name": "x", "arguments": {"a": 1}, "_meta": {"progressToken": 5}}
    assert desk.handled == [("tools/call", bare)]
    del params["_meta"]["progressToken"]
    going_on = {**params, "requestState": question["requestState"], "inputResponses": {"q1": {"roots": []}}}
    # Its name in another spelling is the same name.
    line = json.dumps({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": going_on})
    desk.session.receive(parse(line.replace('"x"', '"\\u0078"').encode()))
    assert (await desk.answer(2))["heard"] == {"roots": []}
    assert (len(desk.handled), desk.over) == (1, 2)


async def test_a_question_is_the_answer_and_the_client_goes_on_with_its_own() -> None:
    desk = Desk()

    async def work(request: Request) -> Any:
        first, second = await asyncio.gather(
            request.ask("elicitation/create", json.dumps(FORM).encode()), request.ask("roots/list", None)
        )
        third = await request.ask("sampling/createMessage", b'{"messages":[]}')
        return {"heard": [json.loads(bytes(one)) for one in (first, second, third)]}

    desk.work = work
    asked = await desk.result(1)
    assert asked["resultType"] == "input_required"
    assert asked["inputRequests"] == {
        "q1": {"method": "elicitation/create", "params": FORM},
        "q2": {"method": "roots/list"},
    }
    answers = {"q1": {"action": "decline"}, "q2": {"roots": []}, "q9": {"never": "asked"}}
    going_on = {"name": "x", "requestState": asked["requestState"], "inputResponses": answers}
    asked = await desk.result(2, params=going_on)
    assert asked["inputRequests"] == {"q3": {"method": "sampling/createMessage", "params": {"messages": []}}}
    going_on = {"name": "x", "requestState": asked["requestState"], "inputResponses": {"q3": {"role": "r"}}}
    told = await desk.result(3, params=going_on)
    assert told["heard"] == [{"action": "decline"}, {"roots": []}, {"role": "r"}]
    assert [m for m in desk.sent if "method" in m] == []
    assert len(desk.handled) == 1, "the call was made once"
    assert (len(desk.parking), desk.over) == (0, 3)


async def test_what_is_missing_is_asked_for_again() -> None:
    desk = Desk()

    async def work(request: Request) -> Any:
        return [str(one) for one in await asyncio.gather(request.ask("roots/list", None), _form(request))]

    desk.work = work
    asked = await desk.result(1)
    more = {"name": "x", "requestState": asked["requestState"], "inputResponses": {"q1": {}}}
    again = await desk.result(2, params=more)
    assert list(again["inputRequests"]) == ["q2"]
    assert again["requestState"] != asked["requestState"]


async def test_what_a_client_says_unasked_answers_the_question_of_that_name() -> None:
    """A server that keeps no state gives none, and its clients come again without any."""
    desk = Desk()

    async def work(request: Request) -> Any:
        return {"said": json.loads(await request.ask("roots/list", None, None, "where"))}

    desk.work = work
    told = await desk.result(1, params={"name": "x", "inputResponses": {"where": {"roots": []}, "more": {}}})
    assert told["said"] == {"roots": []}
    asked = await desk.result(2, params={"name": "x", "inputResponses": {"more": {}}})
    assert list(asked["inputRequests"]) == ["where"]
    refused = await desk.result(3, params={"name": "x", "inputResponses": {"where": 5}})
    assert refused["code"] == -32602
    same = await desk.result(
        4,
        params={"name": "x", "requestState": asked["requestState"], "inputResponses": {"where": [1]}},
    )
    assert same["code"] == -32602, "and its state is still good"
    good = {"name": "x", "requestState": asked["requestState"], "inputResponses": {"where": {"roots": [1]}}}
    assert (await desk.result(5, params=good))["said"] == {"roots": [1]}


async def test_a_request_that_is_over_while_its_client_thinks_is_answered_when_the_client_comes() -> None:
    desk = Desk()

    async def work(request: Request) -> Any:
        try:
            async with asyncio.timeout(1):
                await _form(request)
        except TimeoutError:
            return {"content": ["too late"]}

    desk.work = work
    asked = await desk.result(1)
    await asyncio.sleep(2)
    told = await desk.result(2, params={"name": "x", "requestState": asked["requestState"]})
    assert told["content"] == ["too late"]


async def test_it_is_known_how_long_a_client_has_thought() -> None:
    desk, seen = Desk(), list[float]()
    now = asyncio.get_running_loop().time
    began = now()

    async def work(request: Request) -> Any:
        seen.append(request.thought(began))
        await _form(request)
        between = now()
        await _form(request)
        seen.extend((request.thought(began), request.thought(between), request.thought(now())))
        return {"content": []}

    desk.work = work
    asked = await desk.result(1)
    for id, seconds in ((2, 100), (3, 50)):
        await asyncio.sleep(seconds)
        answers = {key: {"action": "accept"} for key in asked["inputRequests"]}
        again = {"name": "x", "requestState": asked["requestState"], "inputResponses": answers}
        asked = await desk.result(id, params=again)
    assert asked["content"] == []
    assert seen == pytest.approx([0, 150, 50, 0], abs=0.1)


async def test_what_a_modern_request_says_is_not_what_the_session_of_its_handshake_is() -> None:
    desk = Desk()
    desk.says({"id": 0, "method": "initialize", "params": {}})
    await desk.answer(0)
    desk.session.capabilities, desk.session.facts.client_name = b'{"roots":{}}', "greeter"
    other = {"io.modelcontextprotocol/clientInfo": {"name": "other", "version": "1"}}
    await desk.result(1, "tools/list", capabilities={}, **other)
    assert (desk.session.capabilities, desk.session.facts.client_name) == (b'{"roots":{}}', "greeter")


async def test_the_level_of_a_modern_request_is_told_to_servers_and_is_not_that_of_its_session() -> None:
    desk = Desk()
    desk.says({"id": 0, "method": "initialize", "params": {}})
    await desk.answer(0)
    desk.session.log_level = desk.session.server_level = "error"
    for id, level in enumerate(("debug", "warning", "emergency"), 1):
        await desk.result(id, "tools/list", **{"io.modelcontextprotocol/logLevel": level})
    levels = desk.session.log_level, desk.session.server_level, desk.process.levels
    assert levels == ("error", "debug", ["debug"])


async def test_a_request_that_fails_before_it_has_begun_is_answered() -> None:
    desk = Desk()
    desk.process.portraits = None  # type: ignore[assignment]
    assert (await desk.result(1, "tools/list"))["code"] == -32603


@pytest.mark.parametrize("other", ["tampered", "method", "params", "principal", "again", "late", "made up"])
async def test_a_state_is_for_one_request_of_one_client_once(other: str) -> None:
    desk = Desk()
    desk.work = _form
    asked = await desk.result(1)
    state = asked["requestState"]
    params: dict[str, Any] = {"name": "x", "requestState": state, "inputResponses": {"q1": {"a": 1}}}
    method, said = "tools/call", Said()
    if other == "tampered":
        params["requestState"] = state[:-1] + ("0" if state[-1] != "0" else "1")
    elif other == "made up":
        params["requestState"] = "x"
    elif other == "method":
        method = "prompts/get"
    elif other == "params":
        params["arguments"] = {"other": True}
    elif other == "principal":
        said = Said(headers={"x-key": "another"})
    elif other == "again":
        await desk.result(8, params=params)
    elif other == "late":
        await asyncio.sleep(601)
        assert desk.cancelled == 1
    error = await desk.result(9, method, params=params, said=said)
    assert error["code"] == -32602
    assert "requestState" in error["message"]
    if other not in ("again", "late"):
        good = {"name": "x", "requestState": state, "inputResponses": {"q1": {"a": 1}}}
        assert (await desk.result(10, params=good))["resultType"] == "complete", "the real client goes on"


async def test_members_in_another_order_are_the_same_request() -> None:
    desk = Desk()
    desk.work = _form
    asked = await desk.result(1, params={"name": "x", "arguments": {"a": 1, "b": {"c": 1, "d": 2}}})
    same = {"arguments": {"b": {"d": 2, "c": 1}, "a": 1}, "requestState": asked["requestState"], "name": "x"}
    told = await desk.result(2, params={**same, "inputResponses": {"q1": {}}}, progressToken=9)
    assert told["resultType"] == "complete"


async def test_a_client_that_leaves_or_cancels_gives_its_requests_up() -> None:
    desk = Desk()
    desk.work = _form
    asked = await desk.result(1)
    again = {"name": "x", "requestState": asked["requestState"]}
    desk.asks(2, params=again)
    await asyncio.sleep(0.001)
    desk.says({"method": "notifications/cancelled", "params": {"requestId": 2}})
    await asyncio.sleep(0.1)
    assert (desk.cancelled, len(desk.parking)) == (1, 0)
    await desk.result(3)
    await desk.session.close()
    await desk.serving.closed(desk.session)
    await asyncio.sleep(0.1)
    assert (desk.cancelled, len(desk.parking)) == (2, 0)


async def test_a_client_may_come_again_in_another_session() -> None:
    """Over HTTP nothing says that two requests are of one client but who it is."""
    desk = Desk()
    desk.work = _form
    asked = await desk.result(1)
    other = desk.comes()
    params = {"name": "x", "requestState": asked["requestState"], "inputResponses": {"q1": {"a": 1}}}
    assert (await desk.result(1, params=params, session=other))["resultType"] == "complete"


async def test_twenty_clients_are_each_asked_what_is_their_own() -> None:
    """A thousand questions, in any order."""
    desk = Desk(limits=ParkedLimits(each=1000, total=4000))

    async def work(request: Request) -> Any:
        mine = bytes(getattr(request, "params", b""))
        heard = []
        for n in range(5):
            told = {**FORM, "message": f"{json.loads(mine)['arguments']['me']} {n}"}
            heard.append(json.loads(await request.ask("elicitation/create", json.dumps(told).encode())))
        return {"heard": heard}

    desk.work = work

    async def client(me: int) -> None:
        session_sent: list[Any] = []
        session = Session(desk, lambda line: session_sent.append(json.loads(line)))

        async def request(first: int) -> None:
            params: dict[str, Any] = {"name": "x", "arguments": {"me": f"{me}/{first}"}}
            id = first * 100
            for n in range(6):
                desk.asks(id + n, params=params, session=session)
                while not (found := [m for m in session_sent if m["id"] == id + n]):
                    await asyncio.sleep(0.001)
                result = found[0]["result"]
                if result["resultType"] == "complete":
                    assert result["heard"] == [{"said": f"{me}/{first} {m}"} for m in range(5)]
                    return
                ((key, asked),) = result["inputRequests"].items()
                said = {key: {"said": asked["params"]["message"]}}
                params = {**params, "requestState": result["requestState"], "inputResponses": said}
                await asyncio.sleep((me * 7 + first * 3 + n) % 11 / 100)
            raise AssertionError("no end")

        await asyncio.gather(*(request(first) for first in range(10)))

    await asyncio.gather(*(client(me) for me in range(20)))
    assert (len(desk.parking), len(desk.handled)) == (0, 200)


async def test_a_subscription_tells_what_it_was_asked_for_under_its_own_id() -> None:
    desk = Desk()
    desk.process.unknown_uris = {"b:b"}
    wanted = {"toolsListChanged": True, "promptsListChanged": False, "resourceSubscriptions": ["a:a", "b:b"]}
    desk.asks("s", "subscriptions/listen", {"notifications": wanted})
    await asyncio.sleep(0.1)
    (listening,) = desk.process.present
    tag = {"_meta": {"io.modelcontextprotocol/subscriptionId": "s"}}
    honoured = {"toolsListChanged": True, "resourceSubscriptions": ["a:a"]}
    assert desk.told_of("notifications/subscriptions/acknowledged") == [{"notifications": honoured, **tag}]
    assert listening.seen == {"tools": b"1"}
    for kind in ("tools", "prompts", "resources"):
        listening.notify(f"notifications/{kind}/list_changed", None)
    listening.notify("notifications/resources/updated", b'{"uri":"a:a"}')
    listening.notify("notifications/message", b'{"level":"info"}')
    assert [(m["method"], m["params"]) for m in desk.sent[1:]] == [
        ("notifications/tools/list_changed", tag),
        ("notifications/resources/updated", {"uri": "a:a", **tag}),
    ]
    desk.says({"method": "notifications/cancelled", "params": {"requestId": "s"}})
    await asyncio.sleep(0.1)
    assert desk.process.present == []
    assert [m for m in desk.sent if "id" in m] == []


async def test_a_subscription_that_ends_here_is_answered() -> None:
    desk = Desk()
    desk.asks(7, "subscriptions/listen", {"notifications": {}})
    await asyncio.sleep(0.1)
    desk.serving.hang_up()
    told = await desk.answer(7)
    assert told["resultType"] == "complete"
    assert told["_meta"]["io.modelcontextprotocol/subscriptionId"] == 7
    await desk.serving.close()
    assert desk.process.present == []


async def _form(request: Request) -> Any:
    return {"said": json.loads(await request.ask("elicitation/create", json.dumps(FORM).encode()))}
