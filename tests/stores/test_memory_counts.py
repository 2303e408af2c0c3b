"""Counters that begin anew after a time of their own, and what is in flight."""

from __future__ import annotations

import pytest

from callmux.stores import memory_counts
from callmux.stores.memory_counts import MemoryInFlight, MemoryRates


def test_a_window_begins_with_its_first_hit_and_ends_after_its_time() -> None:
    counts = MemoryRates()
    assert [counts.hit("a", 60, now) for now in (10.0, 11.0, 69.9)] == [1, 2, 3]
    assert (counts.count("a", 69.9), counts.end("a", 69.9)) == (3, 70.0)
    assert (counts.count("a", 70.0), counts.end("a", 70.0)) == (0, 70.0)
    assert counts.hit("a", 60, 70.0) == 1
    assert counts.end("a", 71.0) == 130.0


def test_keys_count_by_themselves() -> None:
    counts = MemoryRates()
    counts.hit("a", 60, 0)
    assert counts.hit("b", 60, 0) == 1
    assert (counts.count("a", 1), counts.count("b", 1), len(counts)) == (1, 1, 2)


def test_what_is_taken_back_is_of_the_open_window_and_never_below_none() -> None:
    counts = MemoryRates()
    counts.hit("a", 60, 0)
    assert [counts.hit("a", 60, 1, -1) for _ in range(2)] == [0, 0]
    counts.hit("a", 60, 2)
    assert counts.hit("a", 60, 100, -1) == 0
    assert counts.hit("a", 60, 100) == 1


def test_what_is_over_is_thrown_away_now_and_then() -> None:
    counts = MemoryRates()
    for n in range(memory_counts.PRUNED_EVERY - 1):
        counts.hit(str(n), 1, 0)
    assert len(counts) == memory_counts.PRUNED_EVERY - 1
    counts.hit("last", 1, 5)
    assert len(counts) == 1


def test_many_names_cannot_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_counts, "MOST_KEYS", 100)
    counts = MemoryRates()
    for n in range(1000):
        counts.hit(f"k{n}", 60, n / 1000)
        assert len(counts) <= 100
    assert counts.count("k999", 1) == 1
    assert counts.count("k0", 1) == 0


def test_what_is_in_flight_is_counted_up_to_a_bound() -> None:
    counts = MemoryInFlight()
    assert [counts.enter("a", 2) for _ in range(3)] == [True, True, False]
    assert counts.enter("b", None)
    counts.leave("a")
    assert counts.enter("a", 2)


def test_names_with_nothing_in_flight_take_no_room() -> None:
    counts = MemoryInFlight()
    counts.enter("a", None)
    counts.leave("a")
    counts.leave("a")
    assert len(counts) == 0
    assert counts.enter("a", 1)
