"""A request is refused before any of it runs, and each call once more where it is made."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any

import pytest

from callmux.config.check import check_document
from callmux.errors import AuthorizationDenied, ToolNotFound, ToolResolutionFailed
from callmux.guard.principal import Principal
from callmux.guard.rights import Permissions
from callmux.observe.bus import Bus
from callmux.observe.facts import Denied
from callmux.plan import Plan, ToolCall
from callmux.rings.authorizing import Admitting, Authorizing
from callmux.rings.order import Order
from callmux.rings.ring import Job
from callmux.rings.route import Route
from callmux.traits import Traits
from tests.rings.test_order import parts
from tests.support import context, planned, play

ANN = Principal(kind="bearer", id="ann")
SERIES = Traits(calls=True, entries="calls")
ROUTES = {
    name: Route(server="a", bare=name, names=(name, f"a__{name}"), tier="write")
    for name in ("get", "put", "job")
}


def find(tool: str, server: str | None) -> Route:
    bare = tool.removeprefix("a__")
    if tool == "twice":
        raise ToolResolutionFailed("ambiguous")
    if bare not in ROUTES:
        raise ToolNotFound("nothing", tool=tool)
    return ROUTES[bare]


class Desk:
    """The stages under rules that allow `a__get` and `a__job`."""

    def __init__(self, waiting: bool = False, bus: Bus | None = None) -> None:
        rule = {"effect": "allow", "tools": ["a__get", "a__job", "a__p:*"]}
        document = {
            "servers": {"a": {"command": "x"}},
            "authorization": {"defaultEffect": "deny", "rules": [rule]},
        }
        checked = check_document(document)
        assert checked.errors == []
        permissions = Permissions(checked.config, authorized=True)
        self.permissions = permissions
        self.waits = waiting
        self.waited: list[str] = []
        self.request = Authorizing(permissions, find, self.soon, bus)
        self.call = Admitting(permissions, find, bus)

    def soon(self, calls: Sequence[ToolCall]) -> Coroutine[None, None, None] | None:
        return self.wait(calls) if self.waits else None

    async def wait(self, calls: Sequence[ToolCall]) -> None:
        self.waited = [call.spelling for call in calls]

    def judges(self, *tools: str, own: Traits | None = SERIES, name: str = "callmux_parallel") -> None:
        route = None if own is None else Route(server="", bare=name, own=own)
        calls = [ToolCall(spelling=tool) for tool in tools]
        job = Job(context=context(principal=ANN), plan=Plan(name=name, calls=calls), route=route)
        waiting = self.request.enter(job)
        if waiting is not None:
            play(waiting)

    def makes(self, method: str, target: str) -> None:
        route = Route(server="a", method=method)
        self.call.enter(planned(context=context(principal=ANN), route=route, target=target))

    def directly(self, bare: str) -> None:
        call = planned(context=context(principal=ANN), route=ROUTES[bare], target=bare)
        assert self.request.enter(call) is None
        self.call.enter(call)


def test_a_direct_call_is_judged_by_its_route() -> None:
    Desk().directly("get")
    with pytest.raises(AuthorizationDenied) as caught:
        Desk().directly("put")
    assert caught.value.details["tool"] == "a__put"
    assert caught.value.details["code"] == "authorization_default_deny"


def test_a_call_that_a_running_request_begins_needs_the_rules_in_force_as_well() -> None:
    old, between, new = Desk(), Desk(), Desk()
    checked = check_document(
        {
            "servers": {"a": {"command": "x"}},
            "authorization": {"rules": [{"id": "late", "effect": "deny", "tools": ["a__get", "a__p:x"]}]},
        }
    )
    new.permissions = Permissions(checked.config, authorized=True)
    old.permissions.successor = between.permissions
    between.permissions.successor = new.permissions
    old.directly("job")
    old.makes("prompts/get", "p:y")
    with pytest.raises(AuthorizationDenied) as caught:
        old.directly("get")
    assert caught.value.details["ruleId"] == "late"
    with pytest.raises(AuthorizationDenied) as caught:
        old.makes("prompts/get", "p:x")
    assert caught.value.details["ruleId"] == "late"
    # What the new rules allow, those that the request began under may deny.
    with pytest.raises(AuthorizationDenied):
        old.directly("put")


def test_one_target_that_is_not_allowed_refuses_the_whole_request() -> None:
    Desk().judges("a__get", "job")
    with pytest.raises(AuthorizationDenied, match="a__put"):
        Desk().judges("a__get", "put", "job")


def test_what_cannot_be_looked_up_yet_is_waited_for() -> None:
    desk = Desk(waiting=True)
    with pytest.raises(AuthorizationDenied, match="a__put"):
        desk.judges("put")
    assert desk.waited == ["put"]


@pytest.mark.parametrize(
    ("tools", "own", "code"),
    [
        (["nothing"], None, None),
        (["nothing"], SERIES, "authorization_ambiguous_target"),
        (["nothing"], Traits(calls=True, entries="tool"), None),
        (["twice"], None, "authorization_ambiguous_target"),
        (["get", "nothing"], Traits(), "authorization_ambiguous_target"),
        (["b__nothing"], None, "authorization_default_deny"),
    ],
)
def test_a_name_that_leads_nowhere(tools: list[str], own: Traits | None, code: str | None) -> None:
    if code is None:
        Desk().judges(*tools, own=own)
        return
    with pytest.raises(AuthorizationDenied) as caught:
        Desk().judges(*tools, own=own)
    assert caught.value.details["code"] == code


def test_one_of_our_own_tools_may_have_to_be_allowed_itself() -> None:
    Desk().judges(own=Traits(), name="callmux_status")
    with pytest.raises(AuthorizationDenied, match="callmux_get_result"):
        Desk().judges(own=Traits(restricted=True), name="callmux_get_result")


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("resources/read", "p:1"),
        ("resources/unsubscribe", "q:1"),
        ("tasks/list", "tasks/list"),
        ("tasks/get", "get"),
        ("tasks/cancel", "job"),
    ],
)
def test_another_request_is_judged_by_what_it_is_about(method: str, target: str) -> None:
    Desk().makes(method, target)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("resources/read", "q:1"),
        ("resources/subscribe", "q:1"),
        ("prompts/get", "q"),
        ("completion/complete", "q"),
        ("tasks/get", "put"),
        ("tasks/get", "gone"),
        ("tasks/get", "tasks/get"),
        ("x/y", "x/y"),
    ],
)
def test_and_refused_by_it(method: str, target: str) -> None:
    with pytest.raises(AuthorizationDenied) as caught:
        Desk().makes(method, target)
    assert str(caught.value.details["tool"]).startswith("a__")


def test_whoever_listens_hears_of_each_refusal() -> None:
    bus, heard = Bus(), list[Any]()
    desk = Desk(bus=bus)
    with pytest.raises(AuthorizationDenied):
        desk.judges("put")
    bus.subscribe(Denied, heard.append)
    with pytest.raises(AuthorizationDenied):
        desk.directly("put")
    with pytest.raises(AuthorizationDenied):
        desk.judges("get", "a__put")
    with pytest.raises(AuthorizationDenied):
        desk.judges("get", "nothing")
    with pytest.raises(AuthorizationDenied):
        desk.makes("resources/read", "q:1")
    assert [
        (fact.server, fact.target, fact.spelled, fact.within, fact.method, fact.tier) for fact in heard
    ] == [
        ("a", "put", "put", "", "tools/call", "write"),
        ("a", "put", "a__put", "callmux_parallel", "tools/call", "write"),
        ("", "nothing", "nothing", "callmux_parallel", "tools/call", ""),
        ("a", "q:1", "q:1", "", "resources/read", "write"),
    ]
    assert {fact.principal for fact in heard} == {ANN}
    assert heard[0].rule == "authorization_default_deny"


def test_neither_stands_around_a_call_where_no_rules_apply_and_only_one_around_a_direct_call() -> None:
    for outer, inner in ((None, None), ("authorizing", "admitting")):
        given = parts(authorizing=outer, admitting=inner)
        Order(given).fit(route := Route(server="s", bare="t"))
        guards = [stage for stage in route.stages.stages if isinstance(stage, str)]
        assert guards == ([] if inner is None else [inner])
        assert route.stages.stages[: len(guards)] == tuple(guards)
        guards = [stage for stage in route.direct.stages if isinstance(stage, str)]
        assert guards == ([] if outer is None else [outer])
