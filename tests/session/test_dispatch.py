"""Each method leads where it should, and what is wrong with a request is said in MCP's own codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import pytest
from msgspec import Raw

from callmux.context import CallContext
from callmux.errors import InvalidArguments
from callmux.plan import Plan, ToolCall
from callmux.protocol.jsonrpc import RpcError, parse
from callmux.protocol.methods import CAPABILITIES
from callmux.protocol.params import LEVELS
from callmux.protocol.shapes import Result
from callmux.rings.ring import Job
from callmux.rings.stage import Stages
from callmux.router.greeting import Portrait
from callmux.session.dispatch import Dispatch
from callmux.session.facts import canonical
from callmux.session.modern.parking import Parking
from callmux.session.modern.request import ModernRequest
from callmux.session.request import Request
from callmux.session.session import Session
from callmux.stores.memory_parked import MemoryParkedCalls
from tests.support import play

if TYPE_CHECKING:
    from callmux.session.dispatch import Current


class Recorder:
    """Takes any call and keeps it; answers from a script."""

    def __init__(self, **answers: Any) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.answers = answers

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def take(*args: Any, **more: Any) -> Any:
            self.calls.append((name, *args))
            return self.answers.get(name, b"{}")

        return take


class Tools(Recorder):
    """A router whose one tool of the server `a` gives `result`."""

    result = Result(b'{"content":[]}')

    def job(self, params: Raw | None, around: CallContext, done: Any, came: float) -> Job:
        given = json.loads(bytes(params or b"{}"))
        if given.get("name") == "odd":
            raise InvalidArguments("odd")
        extra = {key: Raw(b"{}") for key in given.keys() - {"name", "arguments"}}
        plan = Plan(name="t", calls=(ToolCall(spelling="t", extra=extra),))
        return Job(context=around, plan=plan, stages=Stages([self]), done=done, makes_task="task" in extra)

    def enter(self, job: Job) -> Result:
        return self.result

    def tool_of(self, plan: Plan) -> tuple[str, str]:
        return "a", "t"

    def view(self, capabilities: bytes, client_name: str | None, rights: Any) -> tuple[bytes, str | None]:
        return capabilities, client_name


class Offers(Recorder):
    sole: str | None = None


class Entitlements:
    """Everybody may use everything."""

    def rights_of(self, session: Session) -> None:
        return None

    def may_call(self, session: Session, server: str, tool: str) -> bool:
        return True


class Process:
    """The process as a dispatcher sees it."""

    def __init__(self) -> None:
        self.router = self.lists = Tools()
        self.runtime = self
        self.started = False
        self.offers = Offers()
        self.subscriptions = Recorder()
        self.single = False
        self.unguarded = False
        self.entitlements = Entitlements()
        self.greeted: list[tuple[bytes, str]] = []
        self.greeting: dict[str, Any] = {"hello": 1}
        self.capabilities: dict[str, Any] = {}
        self.portraits = self
        self.levels: list[Any] = []
        self.passed_on: list[Any] = []

    def start(self, session: Session | None) -> None:
        self.started = True

    async def greet(self, session: Session, version: str) -> bytes:
        self.greeted.append((session.capabilities, version))
        return json.dumps(self.greeting).encode()

    def of(self, session: Session) -> Portrait:
        return Portrait(self.capabilities, b"{}", "", True)

    async def set_level(self, session: Session) -> None:
        self.levels.append(session.server_level)

    async def listed_for(self, session: Session) -> None: ...

    def pass_on(self, session: Session, method: str, params: Raw | None) -> None:
        self.passed_on.append((method, params))


class Desk:
    def __init__(self) -> None:
        self.process = Process()
        parking = Parking[ModernRequest](MemoryParkedCalls(), lambda: 0.0)
        self.dispatch = Dispatch(cast("Current", self.process), lambda: parking)
        self.sent: list[Any] = []
        self.session = Session(self.dispatch, lambda line: self.sent.append(json.loads(line)))

    def calls(self, **params: Any) -> Any:
        """The answer to a `tools/call`, which brings itself."""
        line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})

        async def scene() -> None:
            self.session.receive(parse(line.encode()))

        play(scene())
        return self.sent.pop()

    def asks(self, method: str, params: Any = None, session: Session | None = None) -> bytes:
        raw = None if params is None else Raw(json.dumps(params).encode())
        who = session or self.session
        work = self.dispatch.handle(who, method, raw, cast(Request, who))
        assert work is not None
        return play(work)

    def refused(self, method: str, params: Any = None, session: Session | None = None) -> int:
        with pytest.raises(RpcError) as caught:
            self.asks(method, params, session)
        return caught.value.code


@pytest.mark.parametrize(
    ("method", "called"),
    [
        ("prompts/list", ("list", "prompts")),
        ("resources/list", ("list", "resources")),
        ("resources/templates/list", ("list", "resourceTemplates")),
    ],
)
def test_lists_are_remembered_as_seen(method: str, called: tuple[str, str]) -> None:
    desk = Desk()
    desk.asks(method)
    assert desk.process.offers.calls == [(*called, None)]
    assert desk.session.seen == {called[1]: b"{}"}


def test_tools_are_listed_by_the_router() -> None:
    desk = Desk()
    greeting = {
        "capabilities": {"x": {}},
        "clientInfo": {"name": "callmux-bridge"},
        "_meta": {"callmux/clientInfo": {"name": "agent"}},
    }
    play(desk.dispatch.open(desk.session, Raw(json.dumps(greeting).encode())))
    desk.asks("tools/list")
    assert desk.process.router.calls == [("list_tools", (b'{"x":{}}', "agent"))]
    assert set(desk.session.seen) == {"tools"}


@pytest.mark.parametrize(
    "method", ["tools/list", "prompts/list", "resources/list", "resources/templates/list", "tasks/list"]
)
def test_a_cursor_is_refused_and_a_null_is_none(method: str) -> None:
    desk = Desk()
    assert desk.refused(method, {"cursor": "x"}) == -32602
    assert desk.refused(method, {"cursor": 7}) == -32602
    desk.process.offers.answers["list_tasks"] = []
    desk.asks(method, {"cursor": None, "_meta": {}})
    desk.asks(method, {"cursor": ""})


@pytest.mark.parametrize(
    ("method", "called"),
    [
        ("prompts/get", "get_prompt"),
        ("resources/read", "read_resource"),
        ("completion/complete", "complete"),
        ("x/y", "other"),
    ],
)
def test_everything_else_goes_to_the_offers(method: str, called: str) -> None:
    desk = Desk()
    desk.asks(method, {"n": 1})
    assert [call[0] for call in desk.process.offers.calls] == [called]


def test_a_tool_call_is_a_job_that_answers_its_request() -> None:
    desk = Desk()
    assert desk.calls(name="t")["result"] == {"content": []}
    assert desk.calls(name="odd")["result"]["isError"] is True
    assert list(desk.session.requests) == []


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_is_kept_and_told(level: str) -> None:
    desk = Desk()
    assert desk.asks("logging/setLevel", {"level": level}) == b"{}"
    assert (desk.session.log_level, desk.session.server_level, desk.process.levels) == (level, level, [level])


@pytest.mark.parametrize("params", [None, {}, {"level": 1}, {"level": "loud"}, {"level": None}])
def test_no_level_is_refused(params: Any) -> None:
    desk = Desk()
    assert desk.refused("logging/setLevel", params) == -32602
    assert (desk.session.log_level, desk.process.levels) == (None, [])


@pytest.mark.parametrize("method", ["resources/subscribe", "resources/unsubscribe"])
def test_subscriptions_take_the_uri_and_the_whole_params(method: str) -> None:
    desk = Desk()
    desk.asks(method, {"uri": "x:1", "z": 1})
    ((name, session, uri, _, given),) = desk.process.subscriptions.calls
    assert name == ("add" if method.endswith("/subscribe") else "remove")
    assert (session, uri, set(given)) == (desk.session, "x:1", {"uri", "z"})
    for params in (None, {}, {"uri": 7}):
        assert desk.refused(method, params) == -32602


def test_the_greeting_takes_the_capabilities_in_one_spelling() -> None:
    desk = Desk()
    params = b'{"protocolVersion":"2025-06-18","capabilities":{"b":{"y":1,"x":2},"a":{}}}'
    assert play(desk.dispatch.open(desk.session, Raw(params))) == b'{"hello": 1}'
    assert desk.process.greeted == [(b'{"a":{},"b":{"x":2,"y":1}}', "2025-06-18")]
    assert canonical({"b": Raw(b"{}"), "a": Raw(b"[1]")}) == b'{"a":[1],"b":{}}'


@pytest.mark.parametrize("params", [b"[]", b"7", b'{"capabilities":7}', b'{"protocolVersion":7}'])
def test_a_greeting_that_cannot_be_read_is_refused(params: bytes) -> None:
    desk = Desk()
    with pytest.raises(RpcError) as caught:
        play(desk.dispatch.open(desk.session, Raw(params)))
    assert caught.value.code == -32602


def test_a_greeting_without_params_is_taken() -> None:
    desk = Desk()
    play(desk.dispatch.open(desk.session, None))
    assert desk.process.greeted == [(b"{}", "2025-11-25")]


@pytest.mark.parametrize("now", [False, True])
@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("method", sorted(CAPABILITIES.keys() - {"tools/list"}))
def test_what_nobody_declares_is_no_method(method: str, told: bool, now: bool) -> None:
    """Neither when the client greeted nor now: servers come and go."""
    desk = Desk()
    capabilities = {"resources": {"subscribe": True}, "prompts": {}, "completions": {}, "logging": {}}
    desk.process.greeting = {"capabilities": capabilities if told else {}}
    desk.process.capabilities = capabilities if now else {}
    play(desk.dispatch.open(desk.session, None))
    params = {"uri": "x:1", "level": "info"}
    if told or now:
        desk.asks(method, params)
    else:
        assert desk.refused(method, params) == -32601


def test_notifications_are_passed_on() -> None:
    desk = Desk()
    desk.dispatch.told(desk.session, "odd", Raw(b"{}"))
    assert desk.process.passed_on == [("odd", Raw(b"{}"))]


class TestTasks:
    CREATED = Result(b'{"task":{"taskId":"1"}}')

    def desk(self) -> Desk:
        desk = Desk()
        desk.process.router.result = self.CREATED
        desk.calls(name="t", task={})
        return desk

    @pytest.mark.parametrize("method", ["tasks/get", "tasks/result", "tasks/cancel"])
    def test_a_task_is_asked_for_at_its_server_by_its_session(self, method: str) -> None:
        desk = self.desk()
        desk.asks(method, {"taskId": "1"})
        (call,) = desk.process.offers.calls
        assert (call[0], call[1], call[4]) == ("other", method, "a")
        other = Session(desk.dispatch, lambda line: None)
        assert desk.refused(method, {"taskId": "1"}, other) == -32602
        play(desk.dispatch.closed(desk.session))
        assert desk.refused(method, {"taskId": "1"}) == -32602

    def test_the_only_client_of_the_only_server_may_know_a_task_from_before(self) -> None:
        desk = Desk()
        desk.process.single, desk.process.offers.sole = True, "a"
        desk.asks("tasks/get", {"taskId": "old"})
        desk.process.single = False
        assert desk.refused("tasks/get", {"taskId": "old"}) == -32602

    def test_a_session_is_shown_its_own(self) -> None:
        desk = self.desk()
        desk.process.offers.answers["list_tasks"] = [("a", b'{"taskId":"1"}'), ("a", b'{"taskId":"2"}')]
        assert desk.asks("tasks/list") == b'{"tasks":[{"taskId":"1"}]}'
        desk.process.single = True
        assert desk.asks("tasks/list") == b'{"tasks":[{"taskId":"1"},{"taskId":"2"}]}'

    def test_where_nobody_lists_tasks_the_only_server_speaks_for_itself(self) -> None:
        desk = Desk()
        desk.process.offers.answers["list_tasks"] = None
        assert desk.refused("tasks/list") == -32601
        desk.process.single = True
        desk.asks("tasks/list")
        assert desk.process.offers.calls[-1][:2] == ("other", "tasks/list")
