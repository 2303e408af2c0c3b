"""The accounts of the store: bounds, eviction, owners."""

from __future__ import annotations

from callmux.stores.memory import MemoryResults
from callmux.stores.results import Stored, StoreLimits


def kept(ref: str, size: int = 10, owner: str = "", raw: bytes | None = b"") -> Stored:
    return Stored(ref=ref, tool="t", owner=owner, size=size, raw=raw)


def store(**limits: int) -> MemoryResults:
    return MemoryResults(StoreLimits(**limits))


def test_the_oldest_goes_first_whatever_was_read() -> None:
    s = store(results=2)
    s.put(kept("a"))
    s.put(kept("b"))
    assert s.get("a", "") is not None
    assert list(s.put(kept("c"))) == ["a"]
    assert s.get("a", "") is None
    assert len(s) == 2


def test_bytes_are_bounded() -> None:
    s = store(total_bytes=100)
    s.put(kept("a", 60))
    assert list(s.put(kept("b", 60))) == ["a"]
    assert s.facts()["storedBytes"] == 60


def test_what_is_too_large_is_refused() -> None:
    s = store(result_bytes=50, total_bytes=40)
    assert s.takes(40)
    assert not s.takes(41)


def test_a_foreign_result_looks_missing() -> None:
    s = store()
    s.put(kept("a", owner="alice"))
    s.put(kept("free"))
    assert s.get("a", "alice") is not None
    assert s.get("a", "bob") is None
    assert s.get("a", "") is None
    assert s.get("free", "bob") is not None
    assert s.get("none", "bob") is None


def test_smaller_bounds_apply_to_what_is_there() -> None:
    s = store()
    s.put(kept("a", 30))
    s.put(kept("b", 10))
    s.put(kept("c", 10))
    assert list(s.configure(StoreLimits(result_bytes=20))) == ["a"]
    assert list(s.configure(StoreLimits(results=1))) == ["b"]
    assert s.facts() == {
        "entries": 1,
        "maxEntries": 1,
        "storedBytes": 10,
        "maxStoredBytes": 268435456,
        "maxStoredResultBytes": 67108864,
        "totalStored": 3,
    }


def test_what_is_in_the_file_of_large_results_is_not_kept_twice() -> None:
    s = store()
    s.put(Stored(ref="a", tool="t", owner="", size=9, raw=b"x" * 9, spooled=True))
    found = s.get("a", "")
    assert found is not None
    assert (found.raw, found.size, s.facts()["storedBytes"]) == (None, 9, 9)
