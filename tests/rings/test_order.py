"""The two lists, written out: a stage that moves is a decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest
from msgspec import Raw

from callmux.clock import Clock
from callmux.config.check import check_document
from callmux.observe.bus import Bus
from callmux.protocol.shapes import Tool
from callmux.rings.cache.holding import Holding
from callmux.rings.cache.keys import Numbers
from callmux.rings.cache.stage import Caching
from callmux.rings.cache.writes import Writes
from callmux.rings.coalescing import Coalescing
from callmux.rings.converting import Converting
from callmux.rings.following import Following
from callmux.rings.formatting import Formatting
from callmux.rings.limiting import Limiting, Slots
from callmux.rings.observing import Observing
from callmux.rings.order import Order, Parts, PerServer, call_stages, request_stages
from callmux.rings.preparing import Preparing
from callmux.rings.relinking import Relinking
from callmux.rings.retrying import Retrying
from callmux.rings.route import Route
from callmux.rings.shield.compact import Limits
from callmux.rings.shield.shelf import Shelf
from callmux.rings.shield.stage import Shielding
from callmux.rings.tracing import Tracing
from callmux.rings.visiting import Visiting
from callmux.rings.writing import Writing
from callmux.stores.cache import Cache
from callmux.stores.counters import Counters
from callmux.stores.memory import MemoryCache
from callmux.upstream.in_use import InUse
from callmux.upstream.inventory.offer import Offer
from callmux.upstream.questions import Questions
from callmux.upstream.resources import ResourceIndex
from callmux.upstream.server import Server
from tests.support import planned, route

READER = Tool(b'{"name":"t","annotations":{"readOnlyHint":true}}')


def nowhere(tool: str, server: str | None) -> Route:
    raise AssertionError("no call, no name")


class FakeServer:
    def __init__(self) -> None:
        self.in_use, self.main_line, self.questions = InUse(), None, Questions()
        self.offer = Offer()


class Kept:
    """What stages keep, in memory."""

    def __init__(self) -> None:
        self.cache: Cache = MemoryCache()
        self.writes = Writes(self.cache)
        self.numbers, self.counters, self.results = Numbers(), Counters(), Shelf()


def parts(*, plain: bool = False, servers: tuple[str, ...] = ("s",), **more: Any) -> Parts:
    caches = more.pop("caches", True)
    document = {"servers": {"s": {"command": "x"}}, "cacheTtlSeconds": 60 if caches else 0}
    return Parts(
        config=check_document(document).config,
        plain=plain,
        servers={server: cast(Server, FakeServer()) for server in servers},
        kept=Kept(),
        find=nowhere,
        resources=lambda: ResourceIndex([]),
        preparing=Preparing(),
        slots=Slots(1, {}),
        clock=Clock(),
        **more,
    )


def kinds(stages: Sequence[Any]) -> list[Any]:
    each = [stage.of("s") if isinstance(stage, PerServer) else stage for stage in stages]
    return [stage if isinstance(stage, str) else type(stage) for stage in each]


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("asks", [True, False])
@pytest.mark.parametrize("rules", [True, False])
def test_around_each_request(plain: bool, asks: bool, rules: bool) -> None:
    """Converting is outermost: nothing that fails gets past it. Nobody is asked about what is not allowed
    anyway. Shielding sees whole answers, and what it shortened is rendered afterwards."""
    given = parts(
        plain=plain,
        authorizing="authorizing" if rules else None,
        approving="approving" if asks else None,
    )
    possible = [Converting, "authorizing", "approving", Formatting, Shielding]
    left_out = {"authorizing": not rules, "approving": not asks, Formatting: plain, Shielding: plain}
    assert kinds(request_stages(given)) == [kind for kind in possible if not left_out.get(kind, False)]


def test_a_call_that_no_request_stage_has_seen_is_admitted_first() -> None:
    order = Order(parts(authorizing="authorizing", admitting="admitting"))
    order.fit(write := route("s"))
    inner = [Visiting, Preparing, Writing, Limiting, Retrying]
    assert kinds(write.stages.stages) == ["admitting", *inner]
    assert kinds(write.direct.stages) == [Converting, "authorizing", *inner]


@pytest.mark.parametrize("caches", [True, False])
@pytest.mark.parametrize("asks", [True, False])
@pytest.mark.parametrize("heard", [True, False])
@pytest.mark.parametrize("servers", [("s",), ("s", "t")])
def test_around_each_call(caches: bool, asks: bool, heard: bool, servers: tuple[str, ...]) -> None:
    """What is kept and shared has the server's own URIs; keys are made of shaped arguments; neither a hit nor
    a shared call needs a slot; both attempts share one."""
    confirming = "confirming" if asks else None
    given = parts(caches=caches, confirming=confirming, bus=Bus() if heard else None, servers=servers)
    possible = [
        Visiting,
        Following,
        Observing,
        Relinking,
        Preparing,
        "confirming",
        Caching,
        Holding,
        Coalescing,
        Writing,
        Limiting,
        Tracing,
        Retrying,
    ]
    left_out = {
        Observing: not heard,
        Tracing: not heard,
        Relinking: len(servers) == 1,
        "confirming": not asks,
        Caching: not caches,
        Holding: not caches,
    }
    assert kinds(call_stages(given)) == [kind for kind in possible if not left_out.get(kind, False)]


def test_a_preview_of_what_is_never_cached_says_so() -> None:
    assert Order(parts(caches=False)).would_hit(planned(tool=READER)) is False


def test_a_route_has_the_stages_that_can_do_something_for_it() -> None:
    """A plain write of one server in a list of its own; a direct call runs both lists in one pass."""
    order = Order(parts())
    write = route("s")
    order.fit(write)
    inner = [Visiting, Preparing, Writing, Limiting, Retrying]
    assert [type(stage) for stage in write.stages.stages] == inner
    assert [type(stage) for stage in write.direct.stages] == [Converting, *inner]
    read = route("s", READER, limits=Limits(1, 1, 1))
    order.fit(read)
    inner = [Visiting, Preparing, Caching, Coalescing, Limiting, Retrying]
    assert [type(stage) for stage in read.stages.stages] == inner
    assert [type(stage) for stage in read.direct.stages] == [Converting, Shielding, *inner]
    other = route("s", method="resources/read", safe=True)
    order.fit(other)
    assert [type(stage) for stage in other.stages.stages] == [Visiting, Preparing, Limiting, Retrying]
    again = route("s")
    order.fit(again)
    assert again.direct is write.direct


def follows(given: Parts, **more: Any) -> bool:
    Order(given).fit(one := route("s", **more))
    return Following in kinds(one.stages.stages)


@pytest.mark.parametrize(
    ("capabilities", "tasks"),
    [
        ({"tasks": b"{}"}, True),
        ({"extensions": b'{"io.modelcontextprotocol/tasks":{}}'}, True),
        ({"extensions": rb'{"io.modelcontextprotocol\/tasks":{}}'}, True),
        ({"extensions": b'{"x/y":{}}'}, False),
        ({}, False),
    ],
)
def test_tasks_are_followed_around_the_tools_of_servers_that_have_them(
    capabilities: dict[str, bytes], tasks: bool
) -> None:
    given = parts()
    server = cast(FakeServer, given.servers["s"])
    server.offer = Offer(capabilities={name: Raw(value) for name, value in capabilities.items()})
    assert follows(given) is tasks
    assert not follows(given, method="prompts/get")


def test_each_server_has_its_own_turns() -> None:
    order = Order(parts(servers=("s", "t")))
    for name in ("s", "t", "s"):
        order.fit(one := route(name))
        assert one.direct.stages[-2]._name == name
