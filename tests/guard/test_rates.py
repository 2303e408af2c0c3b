"""Requests a minute, by a clock that a test moves."""

from __future__ import annotations

import time

import pytest

from callmux.errors import StoreUnavailable
from callmux.guard.rates import Rate
from callmux.stores.memory_counts import MemoryRates
from tests.stores.remote import FAILS, HANGS, MIXED, SLOW, RemoteRates, Wire
from tests.support import FakeClock


def _rate(amount: int, clock: FakeClock) -> Rate:
    return Rate(amount, "all", MemoryRates(), clock.clock.monotonic)


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


@pytest.mark.parametrize("way", [SLOW, MIXED])
async def test_counts_that_must_be_waited_for_give_the_same_verdicts(way: str) -> None:
    """A store that fails refuses nobody."""
    store = RemoteRates(Wire(way))
    rate = Rate(2, "all", store, FakeClock().clock.monotonic)
    verdicts = [await v for _ in range(3) if not isinstance(v := rate.hit("a"), bool)]
    assert verdicts == [True, True, False] if way == SLOW else all(verdicts[:2])
    await rate.give_back("a")
    assert await rate.seconds_left("a") in ((60,) if way == SLOW else (60, 1))


@pytest.mark.parametrize("way", [FAILS, HANGS])
async def test_a_store_that_does_not_answer_refuses_nobody(way: str) -> None:
    rate = Rate(1, "all", RemoteRates(Wire(way)), FakeClock().clock.monotonic)
    assert [await v for _ in range(5) if not isinstance(v := rate.hit(), bool)] == [True] * 5
    await rate.give_back()
    assert await rate.seconds_left() == 1


@pytest.mark.parametrize("way", [FAILS, HANGS])
async def test_a_strict_rate_says_that_nobody_counts(way: str) -> None:
    rate = Rate(1, "all", RemoteRates(Wire(way)), FakeClock().clock.monotonic, strict=True)
    for _ in range(3):
        verdict = rate.hit()
        assert not isinstance(verdict, bool)
        with pytest.raises(StoreUnavailable):
            await verdict
    await rate.give_back()
    assert await rate.seconds_left() == 1
