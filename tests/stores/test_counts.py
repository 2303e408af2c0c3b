"""What stores of counts promise, in memory and behind a wire (in Redis: `test_redis_counts`)."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.stores.counts import Rates
from callmux.stores.memory_counts import MemoryInFlight, MemoryRates
from tests.stores.contracts import IN_FLIGHT, RATES, Scene, given
from tests.stores.remote import RemoteInFlight, RemoteRates


@pytest.mark.parametrize("kind", [MemoryRates, RemoteRates])
@pytest.mark.parametrize("scene", RATES)
async def test_rates_keep_their_promises(scene: Scene, kind: type[Any]) -> None:
    await scene(kind())


@pytest.mark.parametrize("kind", [MemoryInFlight, RemoteInFlight])
@pytest.mark.parametrize("scene", IN_FLIGHT)
async def test_requests_in_flight_keep_their_promises(scene: Scene, kind: type[Any]) -> None:
    await scene(kind())


@pytest.mark.parametrize("kind", [MemoryRates, RemoteRates])
async def test_hits_are_counted_until_their_window_ends(kind: type[Any]) -> None:
    rates: Rates = kind()
    assert [await given(rates.hit("a", 60, now)) for now in (0, 1, 59)] == [1, 2, 3]
    assert await given(rates.end("a", 59)) == 60
    assert await given(rates.hit("a", 60, 60)) == 1
