"""A request becomes a listing, a direct call, or the run of a meta-tool."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import pytest
from msgspec import Raw

from callmux.clock import Clock
from callmux.config.check import check_document
from callmux.context import CallContext
from callmux.errors import CallmuxError, ToolCallFailed
from callmux.metatools.engine import Engine
from callmux.protocol.jsonrpc import RpcError
from callmux.protocol.shapes import Result, Tool
from callmux.rings.call import Call
from callmux.rings.converting import Converting, as_result
from callmux.rings.preparing import Preparing
from callmux.rings.ring import Job, nobody, run
from callmux.rings.route import Route
from callmux.rings.shield.shelf import Shelf
from callmux.rings.stage import Outcome, Stages
from callmux.router.door import Door
from callmux.router.names import Names
from callmux.router.readiness import Readiness
from callmux.router.router import Router
from callmux.router.routing import Routing
from callmux.router.tool_lists import ToolLists
from callmux.stores.memory import MemoryCache
from callmux.upstream.catalogue import Catalogue, ServerTools
from callmux.upstream.in_use import InUse
from callmux.upstream.questions import Questions
from callmux.upstream.server import Server
from tests.support import context, loop_clock, play


class FakeServer:
    """A server that is up."""

    def __init__(self) -> None:
        self.in_use, self.questions = InUse(), Questions()
        self.recalled = False
        self.inventory, self.connection = self, None
        self.main_line, self.is_settled = self, True
        self.reading: asyncio.Future[None] | None = None

    def renewed(self, connection: Any) -> asyncio.Future[None] | None:
        return self.reading

    async def settled(self, *, for_call: bool = False) -> None:
        return


class Noting:
    """Notes the plans of requests."""

    def __init__(self, notes: list[str]) -> None:
        self.notes = notes

    def leave(self, job: Job, outcome: Outcome) -> Outcome:
        assert job.plan is not None
        self.notes.append(job.plan.name)
        return outcome


class Desk:
    """A router over the tools `t` of the servers `a` and `b`, with a script behind the door."""

    def __init__(self, *, proxied: bool = True, **how: Any) -> None:
        self.planned: list[Call] = []
        self.contexts: list[CallContext] = []
        self.stages: list[str] = []
        self.outcome: Any = Result(b'{"content":[]}')
        self.tools = ["t"]
        self.index = self.rebuilt()
        config = check_document({"servers": {"a": {"command": "x"}, "b": {"command": "x"}}}).config
        names = Names(lambda: self.index, Routing(config), self.fit)
        servers = {name: cast(Server, FakeServer()) for name in "ab"}
        ready = Readiness(servers, loop_clock())
        door = Door(servers, names, Preparing(), loop_clock(), ready)
        engine = Engine(
            call=door.call_safely,
            begin=door.begin,
            prepare=door.prepare,
            is_cached=lambda call: False,
            catalogue=lambda: self.index,
            status=lambda: {"servers": [], "failedServers": [], "wrappedServers": []},
            description_limit=None,
            clock=Clock(),
            results=Shelf(),
            recipes={},
            cache=MemoryCache(),
        )
        meta = how.pop("meta", [{"name": "callmux_status"}])
        stages = [Converting(False), Noting(self.stages)]
        calls = {key: how.pop(key) for key in ("most_calls", "placeless", "opened") if key in how}
        self.router = Router(door, lambda: self.index, names, engine, stages, ready, **calls)
        self.lists = ToolLists(ready, lambda: self.index, meta, proxied, **how)

    def rebuilt(self) -> Catalogue:
        tools = [Tool(b'{"name":"%b"}' % name.encode()) for name in self.tools]
        return Catalogue([ServerTools(server=s, tools=tools, listed=True) for s in ("a", "b")])

    def fit(self, route: Route) -> None:
        route.stages = Stages([self])
        route.direct = Stages([Converting(False), Noting(self.stages), self])

    def enter(self, call: Call) -> Result:
        self.planned.append(call)
        self.contexts.append(call.context)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        assert isinstance(self.outcome, Result)
        return self.outcome

    def arguments(self) -> bytes:
        """Those of the first call."""
        arguments = self.planned[0].arguments
        assert arguments is not None
        return bytes(arguments)

    def call(self, params: bytes | None) -> Any:
        raw = None if params is None else Raw(params)

        async def made() -> Result:
            try:
                return await run(self.router.job(raw, context(), nobody, 0.0))
            except CallmuxError as error:
                return as_result(error)

        return json.loads(play(made()).raw)

    def listed(self) -> list[str]:
        return [tool["name"] for tool in json.loads(play(self.lists.list_tools()))["tools"]]


UI = b'{"extensions":{"io.modelcontextprotocol/ui":{}}}'


def test_a_tool_for_pages_alone_is_called_directly_and_in_no_other_way() -> None:
    desk = Desk()
    hidden = Tool(b'{"name":"t","_meta":{"ui":{"visibility":["app"]}}}')
    desk.index = Catalogue([ServerTools(server=s, tools=[hidden], listed=True) for s in ("a", "b")])
    assert desk.call(b'{"name":"a__t"}') == {"content": []}
    ways: list[dict[str, Any]] = [
        {"name": "callmux_call", "arguments": {"tool": "a__t"}},
        {"name": "callmux_call", "arguments": {"tool": "t", "server": "a"}},
        {"name": "callmux_parallel", "arguments": {"calls": [{"tool": "a__t"}]}},
        {"name": "callmux_batch", "arguments": {"tool": "a__t", "items": [{"arguments": {}}]}},
        {"name": "callmux_pipeline", "arguments": {"steps": [{"tool": "a__t"}]}},
        {"name": "callmux_dry_run", "arguments": {"tool": "a__t"}},
    ]
    for params in ways:
        answer = desk.call(json.dumps(params).encode())
        assert "tool_resolution_failed" in json.dumps(answer), params
    assert len(desk.planned) == 1


def test_a_request_makes_no_more_calls_than_are_allowed() -> None:
    """Weak spot W30 of callmux (npm)."""
    desk = Desk()
    desk.router._most_calls = 3
    items: list[Any] = [{"arguments": {}}] * 4
    params: dict[str, Any] = {"name": "callmux_batch", "arguments": {"tool": "a__t", "items": items}}
    answer = desk.call(json.dumps(params).encode())
    error = answer["structuredContent"]["error"]
    assert (error["code"], error["details"]) == ("invalid_arguments", {"field": "items", "max": 3})
    assert desk.planned == []
    params["arguments"]["items"] = items[:3]
    desk.call(json.dumps(params).encode())
    assert len(desk.planned) == 3


def test_a_directory_that_changes_nothing_is_warned_about() -> None:
    """Weak spot W35 of callmux (npm)."""
    desk = Desk()
    desk.router._placeless = {"a"}

    def warnings(tool: str, **call: Any) -> Any:
        params = {
            "name": "callmux_parallel",
            "arguments": {"calls": [{"tool": tool, "arguments": {}, **call}]},
        }
        return desk.call(json.dumps(params).encode())["structuredContent"].get("warnings")

    (warning,) = warnings("a__t", cwd="/tmp")
    assert warning["code"] == "cwd_ignored"
    assert "where a runs" in warning["message"]
    assert warnings("a__t") is None
    assert warnings("b__t", cwd="/tmp") is None
    assert warnings("nothing", cwd="/tmp") is None


def test_what_a_tool_calls_its_timeout_is_its_own_affair() -> None:
    """Arguments are the tool's: only `timeoutMs` beside them changes the time of a call.

    Weak spot W25 of callmux (npm).
    """
    desk = Desk()
    desk.call(b'{"name":"a__t","arguments":{"timeoutMs":5,"timeout":1}}')
    assert desk.planned[0].seconds == 180
    assert desk.arguments() == b'{"timeoutMs":5,"timeout":1}'


def test_a_direct_call_goes_through_both_rings() -> None:
    desk = Desk()
    assert desk.call(b'{"name":"a__t","arguments":{"n": 1.50}}') == {"content": []}
    assert desk.stages == ["a__t"]
    assert (desk.planned[0].server, desk.planned[0].target) == ("a", "t")
    assert desk.arguments() == b'{"n": 1.50}'
    assert desk.planned[0].asked.extra == {}


@pytest.mark.parametrize("params", [b'{"name":"a__t"}', b'{"name":"a__t","arguments":null}'])
def test_no_arguments_are_none(params: bytes) -> None:
    """Some clients write null for them."""
    desk = Desk()
    desk.call(params)
    assert desk.planned[0].arguments is None


def test_other_members_travel_along_and_the_token_is_known() -> None:
    desk = Desk()
    desk.call(b'{"name":"a__t","_meta":{"progressToken":"p","k":1},"later":[1]}')
    asked = desk.planned[0].asked
    assert (bytes(asked.meta or b""), set(asked.extra)) == (b'{"progressToken":"p","k":1}', {"later"})
    token = desk.contexts[0].progress_token
    assert token is not None
    assert bytes(token) == b'"p"'


@pytest.mark.parametrize(
    "params", [None, b"null", b"[]", b"{}", b'{"name":5}', b'{"name":null}', b'{"arguments":{}}', b'"a__t"']
)
def test_what_is_no_tool_call_is_refused(params: bytes | None) -> None:
    with pytest.raises(RpcError) as caught:
        Desk().call(params)
    assert caught.value.code == -32602
    assert caught.value.message.startswith("tools/call")


def test_a_failure_is_an_error_result() -> None:
    desk = Desk()
    desk.outcome = ToolCallFailed("it broke")
    shown = desk.call(b'{"name":"a__t"}')
    assert shown["isError"] is True
    shown = desk.call(b'{"name":"nothing"}')
    assert shown["structuredContent"]["error"]["code"] == "tool_not_found"


def test_a_meta_tool_runs_with_the_door_behind_it() -> None:
    desk = Desk()
    shown = desk.call(b'{"name":"callmux_parallel","arguments":{"calls":[{"tool":"a__t"},{"tool":"b__t"}]}}')
    assert len(shown["structuredContent"]["results"]) == 2
    assert desk.stages == ["callmux_parallel"]
    assert sorted(call.server for call in desk.planned) == ["a", "b"]


def test_a_meta_tool_that_cannot_be_understood_runs_nothing() -> None:
    desk = Desk()
    shown = desk.call(b'{"name":"callmux_parallel","arguments":{"calls":5}}')
    assert shown["structuredContent"]["error"]["code"] == "invalid_arguments"
    assert desk.stages == []


def test_the_server_of_a_direct_call_is_known() -> None:
    desk = Desk()
    job = desk.router.job(Raw(b'{"name":"b__t","task":{"ttl":1}}'), context(), nobody, 0.0)
    assert job.plan is not None
    assert desk.router.tool_of(job.plan)[0] == "b"


def test_tools_of_servers_may_be_hidden_and_called() -> None:
    desk = Desk(proxied=False)
    assert desk.listed() == ["callmux_status"]
    assert desk.call(b'{"name":"a__t"}') == {"content": []}
