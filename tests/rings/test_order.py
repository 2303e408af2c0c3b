"""The two lists, written out: a stage that moves is a decision."""

from __future__ import annotations

import pytest

from callmux.clock import Clock
from callmux.config.model import Config
from callmux.config.results import ResponseShield
from callmux.metatools.table import NAMES
from callmux.rings.cache.keys import Keys
from callmux.rings.cache.policy import Policy
from callmux.rings.cache.stage import Caching
from callmux.rings.cache.store import CacheStore
from callmux.rings.coalescing import Coalescing
from callmux.rings.converting import Converting
from callmux.rings.formatting import Formatting
from callmux.rings.limiting import Limiting, Slots
from callmux.rings.order import call_stages, request_stages
from callmux.rings.preparing import Preparing
from callmux.rings.relinking import Relinking
from callmux.rings.retrying import Retrying
from callmux.rings.route import Route
from callmux.rings.shield.policy import Policies
from callmux.rings.shield.shelf import Shelf
from callmux.rings.shield.stage import Shielding
from callmux.rings.tracking import ActiveCalls, Tracking
from callmux.upstream.resources import ResourceIndex


def nowhere(tool: str, server: str | None) -> Route:
    raise AssertionError("no call, no name")


def test_around_each_request() -> None:
    """Converting is outermost: nothing that fails gets past it. Shielding sees whole answers, and what it
    shortened is rendered afterwards."""
    formatting = Formatting("json", nowhere, NAMES)
    shield = Shielding(Policies(ResponseShield(), {}), Shelf(), nowhere, NAMES)
    tracking = Tracking(ActiveCalls(), nowhere, NAMES, Clock())
    shown = request_stages(tracking, formatting, shield, plain=False)
    assert [type(stage) for stage in shown] == [Converting, Tracking, Formatting, Shielding]
    plain = request_stages(tracking, formatting, shield, plain=True)
    assert [type(stage) for stage in plain] == [Converting, Tracking]


@pytest.mark.parametrize("caches", [True, False])
def test_around_each_call(caches: bool) -> None:
    """What is kept and shared has the server's own URIs; keys are made of shaped arguments; neither a hit nor
    a shared call needs a slot; both attempts share one."""
    policy, store, clock = Policy(Config()), CacheStore(), Clock()
    keys = Keys(policy, store, {})
    caching = Caching(keys, store, {}, clock) if caches else None
    coalescing = Coalescing(keys, store, {}, Clock())
    stages = call_stages(Preparing(), caching, coalescing, {}, Slots(1, {}), clock)
    linked = call_stages(
        Preparing(), caching, coalescing, {}, Slots(1, {}), clock, Relinking(lambda: ResourceIndex([]))
    )
    assert [type(stage) for stage in linked] == [Relinking, *map(type, stages)]
    expected = [Preparing, Caching, Coalescing, Limiting, Retrying]
    assert [type(stage) for stage in stages] == [kind for kind in expected if caches or kind is not Caching]
