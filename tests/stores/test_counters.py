"""What a process has counted."""

from __future__ import annotations

from callmux.stores.counters import Counters


def test_the_rate_of_hits_is_of_those_who_looked() -> None:
    assert Counters().facts()["hitRate"] == 0
    assert Counters(hits=1, misses=3, coalesced=2, in_flight=1).facts() == {
        "inFlight": 1,
        "coalesced": 2,
        "hits": 1,
        "misses": 3,
        "hitRate": 0.25,
    }


def test_each_has_counts_of_its_own() -> None:
    one, other = Counters(), Counters()
    one.unresolved["a"] += 1
    assert (one.unresolved, other.unresolved) == ({"a": 1}, {})
