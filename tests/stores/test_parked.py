"""What a store of parked calls promises, in memory and behind a wire."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from callmux.errors import StoreUnavailable
from callmux.stores.border import Border
from callmux.stores.memory_parked import MemoryParkedCalls
from callmux.stores.parked import ParkedCall, ParkedCalls
from tests.stores.remote import FAILS, HANGS, LATE_FAILS, RemoteParkedCalls, Wire

ANNA = ParkedCall(owner="anna", request=b"r", process="p", until=60)


async def given(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


@pytest.fixture(params=[MemoryParkedCalls, RemoteParkedCalls])
def parked(request: pytest.FixtureRequest) -> ParkedCalls:
    made: ParkedCalls = request.param()
    return made


async def test_a_token_is_good_once(parked: ParkedCalls) -> None:
    assert await given(parked.park("t", ANNA, 0)) is True
    assert await given(parked.take("t", "anna", 1)) == ANNA
    assert await given(parked.take("t", "anna", 1)) is None


async def test_a_token_that_others_try_stays_good_for_its_owner(parked: ParkedCalls) -> None:
    await given(parked.park("t", ANNA, 0))
    assert await given(parked.take("t", "bob", 1)) is None
    assert await given(parked.take("t", "anna", 1)) == ANNA


async def test_a_token_is_no_good_once_its_call_has_expired(parked: ParkedCalls) -> None:
    await given(parked.park("t", ANNA, 0))
    assert await given(parked.take("t", "anna", 60)) is None


async def test_a_token_is_no_good_once_its_call_has_ended(parked: ParkedCalls) -> None:
    await given(parked.park("t", ANNA, 0))
    await given(parked.drop("t"))
    await given(parked.drop("t"))
    assert await given(parked.take("t", "anna", 1)) is None


@pytest.mark.parametrize("way", [FAILS, LATE_FAILS, HANGS])
async def test_a_store_that_does_not_answer_gives_nobody_a_call(way: str) -> None:
    store = RemoteParkedCalls(Wire(way))
    store.kept.park("t", ANNA, 0)
    with pytest.raises(StoreUnavailable):
        await Border("the store of parked calls").answered(store.take("t", "anna", 1))


async def test_an_answer_that_is_lost_on_its_way_has_used_the_token_all_the_same() -> None:
    """Whoever comes again is refused: a call goes on twice under no circumstances."""
    store = RemoteParkedCalls(Wire(LATE_FAILS))
    store.kept.park("t", ANNA, 0)
    with pytest.raises(StoreUnavailable):
        await Border("the store of parked calls").answered(store.take("t", "anna", 1))
    assert store.kept.take("t", "anna", 1) is None
