"""Every call is looked up, planned and run in one place, and waits for no server but its own."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import pytest
from msgspec import Raw

from callmux.config.check import check_document
from callmux.errors import CallmuxError, ToolNotFound
from callmux.plan import ToolCall
from callmux.protocol.shapes import Result, Tool
from callmux.rings.call import Call
from callmux.rings.preparing import Preparing
from callmux.rings.route import Route
from callmux.rings.stage import Cancelled, Stages
from callmux.router.door import Door
from callmux.router.names import Names
from callmux.router.readiness import Readiness
from callmux.router.routing import Routing
from callmux.upstream.catalogue import Catalogue, ServerTools
from callmux.upstream.in_use import InUse
from callmux.upstream.inventory.offer import Suite
from callmux.upstream.questions import Questions
from callmux.upstream.server import Server
from tests.support import context, loop_clock, settle


def now() -> float:
    return asyncio.get_running_loop().time()


class FakeServer:
    """A server that settles when a test says so."""

    def __init__(self) -> None:
        self.up = asyncio.Event()
        self.in_use, self.questions = InUse(), Questions()
        self.recalled = False
        self.suite = Suite()
        self.inventory, self.connection = self, None
        self.reading: asyncio.Future[None] | None = None

    def renewed(self, connection: Any) -> asyncio.Future[None] | None:
        return None if self.reading is None else asyncio.shield(self.reading)

    @property
    def main_line(self) -> FakeServer:
        return self

    @property
    def is_settled(self) -> bool:
        return self.up.is_set()

    async def settled(self, *, for_call: bool = False) -> None:
        await self.up.wait()


class House:
    """A door to the servers `a` and `b`, each with the tools `t` and its own name."""

    def __init__(self, list_seconds: float = 60.0) -> None:
        self.servers = {"a": FakeServer(), "b": FakeServer()}
        self.planned: list[Call] = []
        self.outcome: Any = Result(b"{}")
        self.around = context()
        config = check_document(
            {"servers": {"a": {"command": "x", "callTimeoutMs": 2000}, "b": {"command": "x"}}}
        ).config
        names = Names(self.catalogue, Routing(config), self.fit)
        servers = cast("dict[str, Server]", self.servers)
        self.ready = Readiness(servers, loop_clock(), list_seconds)
        self.door = Door(servers, names, Preparing(), loop_clock(), self.ready)

    def catalogue(self) -> Catalogue:
        """Only what has settled is known."""
        servers = []
        for name, server in self.servers.items():
            own = b'{"name":"%b","annotations":{"readOnlyHint":true}}' % name.encode()
            hidden = Tool(b'{"name":"hidden","_meta":{"ui":{"visibility":["app"]}}}')
            tools = [Tool(b'{"name":"t"}'), Tool(own), hidden] if server.up.is_set() else []
            servers.append(ServerTools(server=name, tools=tools, listed=server.up.is_set()))
        return Catalogue(servers)

    def fit(self, route: Route) -> None:
        route.stages = Stages([self])

    def enter(self, call: Call) -> Result:
        assert call.context is self.around
        self.planned.append(call)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        assert isinstance(self.outcome, Result)
        return self.outcome

    def all_up(self) -> House:
        for server in self.servers.values():
            server.up.set()
        return self

    async def call(self, **asked: Any) -> Call:
        await self.door.call(ToolCall(**asked), self.around)
        return self.planned[-1]


async def test_a_call_is_planned_whole() -> None:
    house = House().all_up()
    now = asyncio.get_running_loop().time()
    call = await house.call(spelling="a__t", arguments=Raw(b'{"x":1}'))
    assert (call.server, call.method, call.target, call.seconds) == ("a", "tools/call", "t", 2)
    assert call.deadline == pytest.approx(now + 2)
    assert call.arguments == b'{"x":1}'
    assert call.tool is not None
    assert call.safe is False
    call = await house.call(spelling="b__b", timeout_ms=50)
    assert (call.server, call.target, call.seconds, call.safe) == ("b", "b", 0.05, True)
    call = await house.call(spelling="t", server="b")
    assert (call.server, call.target) == ("b", "t")


async def test_another_request_is_planned_with_its_params() -> None:
    """Its target stands under its own key; everything else passes."""

    house = House()
    given = {"uri": Raw(b'"x"'), "_meta": Raw(b'{"k":1}')}
    await house.door.send("a", "resources/read", "u://1", "uri", given, house.around, True)
    call = house.planned[-1]
    assert (call.server, call.method, call.target, call.key) == ("a", "resources/read", "u://1", "uri")
    assert (bytes(call.asked.meta or b""), call.asked.extra) == (b'{"k":1}', {})
    assert (call.seconds, call.safe, call.tool, call.arguments) == (2, True, None, None)


@pytest.mark.parametrize("asked", [{"spelling": "a__t"}, {"spelling": "t", "server": "a"}])
async def test_a_call_waits_for_its_own_server_only(asked: dict[str, Any]) -> None:
    house = House()
    call = asyncio.create_task(house.call(**asked))
    await settle()
    assert not call.done()
    house.servers["a"].up.set()
    assert (await call).server == "a"


@pytest.mark.parametrize("asked", [{"spelling": "a"}, {"spelling": "x__a"}])
async def test_a_name_that_may_be_anybodys_waits_for_all(asked: dict[str, Any]) -> None:
    house = House()
    call = asyncio.create_task(house.door.call_safely(ToolCall(**asked), house.around))
    await settle()
    house.servers["a"].up.set()
    await settle()
    assert not call.done()
    house.servers["b"].up.set()
    await call


async def test_once_all_have_settled_nobody_is_asked_again() -> None:
    house = House().all_up()
    await house.ready.settled()
    for server in house.servers.values():
        server.up.clear()
    async with asyncio.timeout(1):
        await house.ready.settled()


async def test_a_call_finds_out_that_all_have_settled_meanwhile() -> None:
    """Where nobody has waited for all of them, every further call would count as one of all servers."""
    house = House()
    house.servers["a"].up.set()
    await house.call(spelling="a__t")
    assert not house.ready.all_settled
    house.servers["b"].up.set()
    await house.call(spelling="a__t")
    assert house.ready.all_settled


async def test_a_name_that_leads_nowhere_is_refused() -> None:
    house = House().all_up()
    with pytest.raises(ToolNotFound):
        await house.call(spelling="nothing")
    assert house.planned == []


@pytest.mark.parametrize(
    ("name", "checked"),
    [
        ("callmux_parallel", True),
        ("callmux_call", True),
        ("callmux_recipe_run", False),
        ("callmux_status", False),
    ],
)
async def test_a_tool_of_callmux_itself_is_refused_inside_of_another_with_what_to_do(
    name: str, checked: bool
) -> None:
    house = House().all_up()
    with pytest.raises(
        ToolNotFound, match=f'"{name}" is a tool of callmux itself: call it directly'
    ) as refused:
        await house.door.prepare(ToolCall(spelling=name), house.around)
    assert ("callmux_dry_run takes its arguments as they are" in refused.value.message) is checked
    result = await house.door.call_safely(ToolCall(spelling=name), house.around)
    error = json.loads(result.raw)["structuredContent"]["error"]
    assert (error["message"], error["details"]) == (refused.value.message, {"tool": name})


@pytest.mark.parametrize(
    ("outcome", "code"), [(CallmuxError("x"), "internal_error"), (KeyError("x"), "internal_error")]
)
async def test_a_child_of_a_fan_out_fails_as_a_result(
    outcome: Exception, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    house = House().all_up()
    house.outcome = outcome
    with pytest.raises(type(outcome)):
        await house.call(spelling="a__t")
    result = await house.door.call_safely(ToolCall(spelling="a__t"), house.around)
    assert json.loads(result.raw)["structuredContent"]["error"]["code"] == code


@pytest.mark.parametrize("up", [True, False], ids=["known", "not yet known"])
async def test_a_child_is_begun_without_waiting(up: bool) -> None:
    house = House()
    if up:
        await house.all_up().ready.settled()
    told: list[Any] = []
    begun = house.door.begin(
        ToolCall(spelling="a__t"), house.around, lambda job, outcome: told.append(outcome)
    )
    assert (told == [house.outcome]) == up
    assert isinstance(begun, Call if up else asyncio.Task)
    house.all_up()
    await settle()
    assert told == [house.outcome]


@pytest.mark.parametrize("tool", ["nothing", "a__hidden"])
async def test_a_child_that_cannot_be_begun_has_failed(tool: str) -> None:
    house = House()
    await house.all_up().ready.settled()
    told: list[Any] = []
    assert (
        house.door.begin(ToolCall(spelling=tool), house.around, lambda job, outcome: told.append(outcome))
        is None
    )
    (failure,) = told
    assert isinstance(failure, CallmuxError)
    assert house.planned == []


async def test_a_child_that_waits_for_its_server_can_be_given_up() -> None:
    house = House()
    told: list[Any] = []
    begun = house.door.begin(
        ToolCall(spelling="a__t"), house.around, lambda job, outcome: told.append(outcome)
    )
    assert isinstance(begun, asyncio.Task)
    begun.cancel()
    await settle()
    assert isinstance(told[0], Cancelled)


async def test_a_call_can_be_prepared_without_being_made() -> None:
    """As previews do: the same look-up, the same arguments, and nothing is sent."""

    house = House()
    house.servers["a"].up.set()
    asked = ToolCall(spelling="a__t", arguments=Raw(b'{"x":{"$text":"y"}}'))
    planned = await house.door.prepare(asked, house.around)
    assert planned.arguments is not None
    assert (planned.server, planned.target, bytes(planned.arguments)) == ("a", "t", b'{"x":"y"}')
    assert house.planned == []
    with pytest.raises(CallmuxError):
        await house.door.prepare(ToolCall(spelling="a__none"), house.around)
