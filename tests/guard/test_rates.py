"""Requests a minute, by a clock that a test moves."""

from __future__ import annotations

import time

import pytest

from callmux.guard.rates import MonotonicMemory, Rate
from tests.support import FakeClock, play


def _rate(amount: int, clock: FakeClock) -> Rate:
    return Rate(amount, "all", MonotonicMemory(clock.clock.monotonic), clock.clock.monotonic)


def test_a_rate_holds_for_a_minute_from_the_first_request() -> None:
    async def scene() -> None:
        clock = FakeClock(500.0)
        rate = _rate(2, clock)
        assert [await rate.hit("a") for _ in range(3)] == [True, True, False]
        assert await rate.seconds_left("a") == 60
        assert await rate.hit("b")
        clock.advance(59.5)
        assert not await rate.hit("a")
        assert await rate.seconds_left("a") == 1
        clock.advance(0.5)
        assert [await rate.hit("a") for _ in range(3)] == [True, True, False]

    play(scene())


def test_a_hit_that_is_given_back_leaves_room_for_another() -> None:
    async def scene() -> None:
        rate = _rate(1, FakeClock())
        assert await rate.hit()
        await rate.give_back()
        assert [await rate.hit() for _ in range(2)] == [True, False]

    play(scene())


def test_the_wall_clock_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sets it back or forward neither opens nor lengthens a window."""

    async def scene() -> None:
        rate = _rate(1, FakeClock())
        assert await rate.hit()
        for jump in (86_400.0, -86_400.0):
            monkeypatch.setattr(time, "time", lambda jump=jump: 1_700_000_000.0 + jump)
            assert not await rate.hit()
            assert await rate.seconds_left() == 60

    play(scene())


def test_the_storage_does_what_the_library_asks_of_one() -> None:
    async def scene() -> None:
        storage = MonotonicMemory(FakeClock().clock.monotonic)
        assert await storage.check()
        await storage.incr("a", 60)
        await storage.incr("b", 60, amount=2)
        assert (await storage.get("a"), await storage.get("b")) == (1, 2)
        await storage.clear("a")
        assert await storage.get("a") == 0
        assert await storage.reset() == 1
        assert await storage.get("b") == 0

    play(scene())
