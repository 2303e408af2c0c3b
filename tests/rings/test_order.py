"""The two lists, written out: a stage that moves is a decision."""

from __future__ import annotations

from callmux.clock import Clock
from callmux.rings.converting import Converting
from callmux.rings.limiting import Limiting, Slots
from callmux.rings.order import call_stages, request_stages
from callmux.rings.preparing import Preparing
from callmux.rings.retrying import Retrying


def test_around_each_request() -> None:
    """Converting is outermost: nothing that fails gets past it."""
    assert [type(stage) for stage in request_stages(plain=False)] == [Converting]
    assert [type(stage) for stage in request_stages(plain=True)] == [Converting]


def test_around_each_call() -> None:
    """Arguments are shaped before a slot is held, and both attempts share one slot."""
    assert [type(stage) for stage in call_stages({}, Slots(1, {}), Clock())] == [
        Preparing,
        Limiting,
        Retrying,
    ]
