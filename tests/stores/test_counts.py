"""What stores of counts promise, in memory and behind a wire."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from callmux.stores.counts import InFlight, Rates
from callmux.stores.memory_counts import MemoryInFlight, MemoryRates
from tests.stores.remote import RemoteInFlight, RemoteRates


async def given(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


@pytest.fixture(params=[MemoryRates, RemoteRates])
def rates(request: pytest.FixtureRequest) -> Rates:
    made: Rates = request.param()
    return made


@pytest.fixture(params=[MemoryInFlight, RemoteInFlight])
def in_flight(request: pytest.FixtureRequest) -> InFlight:
    made: InFlight = request.param()
    return made


async def test_hits_are_counted_until_their_window_ends(rates: Rates) -> None:
    assert [await given(rates.hit("a", 60, now)) for now in (0, 1, 59)] == [1, 2, 3]
    assert await given(rates.hit("b", 60, 1)) == 1
    assert await given(rates.end("a", 59)) == 60
    assert await given(rates.hit("a", 60, 60)) == 1


async def test_a_hit_can_be_taken_back(rates: Rates) -> None:
    await given(rates.hit("a", 60, 0))
    assert await given(rates.hit("a", 60, 1, -1)) == 0


async def test_no_more_than_so_many_are_in_flight(in_flight: InFlight) -> None:
    assert [await given(in_flight.enter("a", 2)) for _ in range(3)] == [True, True, False]
    assert await given(in_flight.enter("b", 2))
    await given(in_flight.leave("a"))
    assert await given(in_flight.enter("a", 2))
