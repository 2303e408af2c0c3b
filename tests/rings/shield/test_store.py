"""The accounts of the store: bounds, eviction, owners."""

from __future__ import annotations

from callmux.rings.shield.store import ResultStore, Stored, StoreLimits


def kept(ref: str, size: int = 10, owner: str = "", raw: bytes | None = b"") -> Stored:
    return Stored(ref=ref, tool="t", owner=owner, size=size, raw=raw)


def store(**limits: int) -> ResultStore:
    return ResultStore(StoreLimits(**limits))


def test_the_oldest_goes_first_whatever_was_read() -> None:
    s = store(results=2)
    s.add(kept("a"))
    s.add(kept("b"))
    assert s.get("a", "") is not None
    assert [gone.ref for gone in s.add(kept("c"))] == ["a"]
    assert s.get("a", "") is None
    assert len(s) == 2


def test_bytes_are_bounded() -> None:
    s = store(total_bytes=100)
    s.add(kept("a", 60))
    assert [gone.ref for gone in s.add(kept("b", 60))] == ["a"]
    assert s.facts()["storedBytes"] == 60


def test_what_is_too_large_is_refused_and_counted() -> None:
    s = store(result_bytes=50, total_bytes=40)
    assert s.takes(40)
    assert not s.takes(41)
    s.reject()
    assert s.facts()["rejectedOversize"] == 1


def test_a_foreign_result_looks_missing() -> None:
    s = store()
    s.add(kept("a", owner="alice"))
    s.add(kept("free"))
    assert s.get("a", "alice") is not None
    assert s.get("a", "bob") is None
    assert s.get("a", "") is None
    assert s.get("free", "bob") is not None
    assert s.get("none", "bob") is None


def test_smaller_bounds_apply_to_what_is_there() -> None:
    s = store()
    s.add(kept("a", 30))
    s.add(kept("b", 10))
    s.add(kept("c", 10))
    assert [gone.ref for gone in s.resize(StoreLimits(result_bytes=20))] == ["a"]
    assert [gone.ref for gone in s.resize(StoreLimits(results=1))] == ["b"]
    assert s.facts() == {
        "entries": 1,
        "maxEntries": 1,
        "storedBytes": 10,
        "maxStoredBytes": 268435456,
        "maxStoredResultBytes": 67108864,
        "totalStored": 3,
        "rejectedOversize": 0,
    }
