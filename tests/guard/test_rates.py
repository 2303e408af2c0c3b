"""Requests a minute, by a clock that a test moves."""

from __future__ import annotations

import time

import pytest
from limits.aio.storage import Storage

from callmux.guard import rates
from callmux.guard.rates import MonotonicMemory, Rate
from tests.support import FakeClock


def _rate(amount: int, clock: FakeClock) -> Rate:
    return Rate(amount, "all", MonotonicMemory(clock.clock.monotonic), clock.clock.monotonic)


async def test_a_rate_holds_for_a_minute_from_the_first_request() -> None:
    clock = FakeClock(500.0)
    rate = _rate(2, clock)
    assert [rate.hit("a") for _ in range(3)] == [True, True, False]
    assert await rate.seconds_left("a") == 60
    assert rate.hit("b")
    clock.advance(59.5)
    assert not rate.hit("a")
    assert await rate.seconds_left("a") == 1
    clock.advance(0.5)
    assert [rate.hit("a") for _ in range(3)] == [True, True, False]


async def test_a_hit_that_is_given_back_leaves_room_for_another() -> None:
    rate = _rate(1, FakeClock())
    assert rate.hit()
    await rate.give_back()
    assert [rate.hit() for _ in range(2)] == [True, False]


async def test_the_wall_clock_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sets it back or forward neither opens nor lengthens a window."""

    rate = _rate(1, FakeClock())
    assert rate.hit()
    for jump in (86_400.0, -86_400.0):
        monkeypatch.setattr(time, "time", lambda jump=jump: 1_700_000_000.0 + jump)
        assert not rate.hit()
        assert await rate.seconds_left() == 60


async def test_the_storage_does_what_the_library_asks_of_one() -> None:
    storage = MonotonicMemory(FakeClock().clock.monotonic)
    assert await storage.check()
    await storage.incr("a", 60)
    await storage.incr("b", 60, amount=2)
    assert (await storage.get("a"), await storage.get("b")) == (1, 2)
    await storage.clear("a")
    assert await storage.get("a") == 0
    assert await storage.reset() == 1
    assert await storage.get("b") == 0


class Elsewhere(Storage):
    """Stands for a storage of several machines, which must be waited for."""

    STORAGE_SCHEME = None

    def __init__(self, memory: MonotonicMemory) -> None:
        super().__init__()
        self.memory = memory

    @property
    def base_exceptions(self) -> type[Exception]:
        return OSError

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        return await self.memory.incr(key, expiry, amount)

    async def get(self, key: str) -> int:
        return await self.memory.get(key)

    async def get_expiry(self, key: str) -> float:
        return await self.memory.get_expiry(key)

    async def clear(self, key: str) -> None:
        await self.memory.clear(key)

    async def check(self) -> bool:
        return True

    async def reset(self) -> int:
        return await self.memory.reset() or 0


async def test_a_storage_that_must_be_waited_for_gives_the_same_verdicts() -> None:
    now = FakeClock().clock.monotonic
    rate = Rate(2, "all", Elsewhere(MonotonicMemory(now)), now)
    verdicts = [rate.hit("a") for _ in range(3)]
    assert [await v for v in verdicts if not isinstance(v, bool)] == [True, True, False]
    await rate.give_back("a")
    assert await rate.seconds_left("a") == 60


def test_names_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MOST_KEYS", 10)
    rate = _rate(1, FakeClock())
    for n in range(100):
        assert rate.hit(f"k{n}")
        assert len(rate._keys) <= 10
    assert not rate.hit("k99")
