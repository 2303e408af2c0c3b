"""The two lists, written out: a stage that moves is a decision."""

from __future__ import annotations

import pytest

from callmux.clock import Clock
from callmux.config.model import Config
from callmux.config.results import ResponseShield
from callmux.observe.bus import Bus
from callmux.protocol.shapes import Tool
from callmux.rings.cache.keys import Keys, Numbers
from callmux.rings.cache.policy import Policy
from callmux.rings.cache.stage import Caching
from callmux.rings.cache.writes import Writes
from callmux.rings.coalescing import Coalescing
from callmux.rings.converting import Converting
from callmux.rings.formatting import Formatting
from callmux.rings.limiting import Limiting, Slots
from callmux.rings.observing import Observing
from callmux.rings.order import Order, call_stages, request_stages
from callmux.rings.preparing import Preparing
from callmux.rings.relinking import Relinking
from callmux.rings.retrying import Retrying
from callmux.rings.route import Route
from callmux.rings.shield.compact import Limits
from callmux.rings.shield.policy import Policies
from callmux.rings.shield.shelf import Shelf
from callmux.rings.shield.stage import Shielding
from callmux.rings.tracing import Tracing
from callmux.rings.writing import Writing
from callmux.stores.counters import Counters
from callmux.stores.memory import MemoryCache
from callmux.upstream.resources import ResourceIndex
from tests.support import route


def nowhere(tool: str, server: str | None) -> Route:
    raise AssertionError("no call, no name")


def test_around_each_request() -> None:
    """Converting is outermost: nothing that fails gets past it. Shielding sees whole answers, and what it
    shortened is rendered afterwards."""
    formatting = Formatting("json", nowhere)
    shield = Shielding(Policies(ResponseShield(), {}), Shelf(), nowhere)
    shown = request_stages(formatting, shield, plain=False)
    assert [type(stage) for stage in shown] == [Converting, Formatting, Shielding]
    plain = request_stages(formatting, shield, plain=True)
    assert [type(stage) for stage in plain] == [Converting]
    for is_plain, expected in ((False, shown), (True, plain)):
        asking = request_stages(formatting, shield, plain=is_plain, approving="approving")
        assert [*asking] == [asking[0], "approving", *asking[2:]]
        assert len(asking) == len(expected) + 1


@pytest.mark.parametrize("caches", [True, False])
def test_around_each_call(caches: bool) -> None:
    """What is kept and shared has the server's own URIs; keys are made of shaped arguments; neither a hit nor
    a shared call needs a slot; both attempts share one."""
    keys, clock, store, counters = Keys(Policy(Config()), Numbers(), {}), Clock(), MemoryCache(), Counters()
    writes = Writes(store)
    caching = Caching(keys, store, writes, counters, {}, clock) if caches else None
    coalescing = Coalescing(keys, writes, counters, {}, clock)
    writing = Writing(writes, {}, clock)
    stages = call_stages(Preparing(), caching, coalescing, writing, {}, Slots(1, {}), clock)
    linked = call_stages(
        Preparing(),
        caching,
        coalescing,
        writing,
        {},
        Slots(1, {}),
        clock,
        Relinking(lambda: ResourceIndex([])),
    )
    assert [type(stage) for stage in linked] == [Relinking, *map(type, stages)]
    watched = call_stages(Preparing(), caching, coalescing, writing, {}, Slots(1, {}), clock, bus=Bus())
    kinds = [type(stage) for stage in stages]
    assert [type(stage) for stage in watched] == [Observing, *kinds[:-1], Tracing, Retrying]
    asking = call_stages(
        Preparing(), caching, coalescing, writing, {}, Slots(1, {}), clock, confirming="confirming"
    )
    assert asking[1] == "confirming"
    assert [type(stage) for stage in (asking[0], *asking[2:])] == [type(stage) for stage in stages]
    expected = [Preparing, Caching, Coalescing, Writing, Limiting, Retrying]
    assert [type(stage) for stage in stages] == [kind for kind in expected if caches or kind is not Caching]


def test_a_route_has_the_stages_that_can_do_something_for_it() -> None:
    """A plain write of one server in a list of its own; a direct call runs both lists in one pass."""
    keys, clock, store, counters = Keys(Policy(Config()), Numbers(), {}), Clock(), MemoryCache(), Counters()
    writes = Writes(store)
    shield = Shielding(Policies(ResponseShield(), {}), Shelf(), nowhere)
    request = request_stages(Formatting("json", nowhere), shield, plain=False)
    caching = Caching(keys, store, writes, counters, {}, clock)
    coalescing = Coalescing(keys, writes, counters, {}, clock)
    writing = Writing(writes, {}, clock)
    call = call_stages(Preparing(), caching, coalescing, writing, {}, Slots(1, {}), clock)
    order = Order(request, call)
    write = route("s")
    order.fit(write)
    inner = [Preparing, Writing, Limiting, Retrying]
    assert [type(stage) for stage in write.stages.stages] == inner
    assert [type(stage) for stage in write.direct.stages] == [Converting, *inner]
    read = route("s", Tool(b'{"name":"t","annotations":{"readOnlyHint":true}}'), limits=Limits(1, 1, 1))
    order.fit(read)
    inner = [Preparing, Caching, Coalescing, Limiting, Retrying]
    assert [type(stage) for stage in read.stages.stages] == inner
    assert [type(stage) for stage in read.direct.stages] == [Converting, Shielding, *inner]
    other = route("s", method="resources/read", safe=True)
    order.fit(other)
    assert [type(stage) for stage in other.stages.stages] == [Preparing, Limiting, Retrying]
    again = route("s")
    order.fit(again)
    assert again.direct is write.direct
