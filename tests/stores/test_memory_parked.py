"""The bounds of parked calls in memory."""

from __future__ import annotations

from callmux.stores.memory_parked import MemoryParkedCalls
from callmux.stores.parked import ParkedCall, ParkedLimits


def call(owner: str = "anna", until: float = 60) -> ParkedCall:
    return ParkedCall(owner=owner, request=b"r", until=until)


def test_nobody_parks_more_than_their_share() -> None:
    store = MemoryParkedCalls(ParkedLimits(each=2, total=10))
    assert store.park("a", call(), 0)
    assert store.park("b", call(), 0)
    assert not store.park("c", call(), 0)
    assert store.park("d", call("bob"), 0)
    assert store.take("a", "anna", 1)
    assert store.park("c", call(), 1)


def test_all_together_are_bounded() -> None:
    store = MemoryParkedCalls(ParkedLimits(each=2, total=2))
    assert store.park("a", call(), 0)
    assert store.park("b", call("bob"), 0)
    assert not store.park("c", call("carl"), 0)
    assert repr(store) == "MemoryParkedCalls(2 calls of 2 owners)"


def test_calls_that_have_expired_make_room() -> None:
    store = MemoryParkedCalls(ParkedLimits(each=1))
    assert store.park("a", call(until=10), 0)
    assert not store.park("b", call(), 9)
    assert store.park("b", call(), 10)
    assert len(store) == 1
    assert store.take("a", "anna", 10) is None
    assert store.take("b", "anna", 60) is None


def test_a_token_that_is_parked_again_counts_once() -> None:
    store = MemoryParkedCalls(ParkedLimits(each=2))
    store.park("a", call(), 0)
    store.park("a", call(until=90), 1)
    assert len(store) == 1
    assert store.park("b", call(), 1)
    assert store.take("a", "anna", 70) == call(until=90)
