"""The two lists, written out: a stage that moves is a decision."""

from __future__ import annotations

from callmux.clock import Clock
from callmux.config.results import ResponseShield
from callmux.metatools.table import NAMES
from callmux.rings.converting import Converting
from callmux.rings.limiting import Limiting, Slots
from callmux.rings.order import call_stages, request_stages
from callmux.rings.preparing import Preparing
from callmux.rings.retrying import Retrying
from callmux.rings.shield.policy import Policies
from callmux.rings.shield.shelf import Shelf
from callmux.rings.shield.stage import Shielding
from callmux.upstream.catalogue import Catalogue


def test_around_each_request() -> None:
    """Converting is outermost: nothing that fails gets past it; shielding sees whole answers."""
    shield = Shielding(Policies(ResponseShield(), {}), Shelf(), lambda: Catalogue([]), NAMES)
    assert [type(stage) for stage in request_stages(shield, plain=False)] == [Converting, Shielding]
    assert [type(stage) for stage in request_stages(shield, plain=True)] == [Converting]


def test_around_each_call() -> None:
    """Arguments are shaped before a slot is held, and both attempts share one slot."""
    assert [type(stage) for stage in call_stages({}, Slots(1, {}), Clock())] == [
        Preparing,
        Limiting,
        Retrying,
    ]
