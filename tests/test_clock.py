"""Time as a value."""

from __future__ import annotations

import time

from callmux.clock import Clock
from tests.support import FakeClock


def test_by_default_time_is_real() -> None:
    clock = Clock()
    assert clock.monotonic() <= time.monotonic()
    assert abs(clock.wall() - time.time()) < 60


def test_a_test_can_hold_time_still() -> None:
    fake = FakeClock(now=5)
    assert (fake.clock.monotonic(), fake.clock.wall()) == (5, 5)
    fake.advance(2)
    assert fake.clock.monotonic() == 7
