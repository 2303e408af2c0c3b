"""What a store of parked calls promises, in memory and behind a wire (in Redis: `test_redis_parked`)."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.errors import StoreUnavailable
from callmux.stores.border import Border
from callmux.stores.memory_parked import MemoryParkedCalls
from tests.stores.contracts import ANNA, PARKED, Scene, given
from tests.stores.remote import FAILS, HANGS, LATE_FAILS, RemoteParkedCalls, Wire


@pytest.mark.parametrize("kind", [MemoryParkedCalls, RemoteParkedCalls])
@pytest.mark.parametrize("scene", PARKED)
async def test_a_store_keeps_its_promises(scene: Scene, kind: type[Any]) -> None:
    await scene(kind())


@pytest.mark.parametrize("kind", [MemoryParkedCalls, RemoteParkedCalls])
async def test_a_token_is_no_good_once_its_call_has_expired(kind: type[Any]) -> None:
    parked = kind()
    await given(parked.park("t", ANNA, 0))
    assert await given(parked.take("t", "anna", 60)) is None


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
