"""What is kept, for how long, what must go first, what a write ends: cached results, and those by ref."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.stores.cache import CacheLimits, Key
from callmux.stores.memory import MemoryCache, MemoryResults
from callmux.stores.results import Stored, StoreLimits


def key(arguments: bytes | None = b"{}", server: str = "a", tool: str = "t", **more: object) -> Key:
    return Key(server, tool, arguments, **more)  # type: ignore[arg-type]


def store(**limits: Any) -> MemoryCache:
    made = MemoryCache()
    made.configure(CacheLimits(**{"ttl_seconds": 60, **limits}), 0)
    return made


def put(kept: MemoryCache, which: Key, raw: bytes = b"{}", now: float = 0) -> bool:
    return kept.put(which, raw, now, kept.epoch(which.server))


def test_what_was_stored_is_found_until_its_time_is_up() -> None:
    kept = store(ttl_seconds=10)
    assert kept.get(key(), 0) is None
    assert put(kept, key(), b'{"n":1}', 5)
    assert kept.get(key(), 14.9) == b'{"n":1}'
    assert kept.get(key(), 15) is None
    assert len(kept) == 0


def test_a_hit_does_not_make_it_live_longer() -> None:
    kept = store(ttl_seconds=10)
    put(kept, key())
    assert kept.get(key(), 9)
    assert kept.get(key(), 11) is None


def test_expired_entries_leave_the_counts_without_being_asked_for() -> None:
    kept = store(ttl_seconds=10)
    put(kept, key(b"1"), b"x" * 100)
    put(kept, key(b"2"), b"x" * 100, 5)
    assert kept.facts(9)["entries"] == 2
    facts = kept.facts(12)
    assert (facts["entries"], facts["storedBytes"]) == (1, 101)


def test_the_least_recently_used_goes_first() -> None:
    kept = store(entries=2)
    put(kept, key(b"1"))
    put(kept, key(b"2"))
    assert kept.get(key(b"1"), 1)
    put(kept, key(b"3"))
    assert [kept.has(key(n), 1) for n in (b"1", b"2", b"3")] == [True, False, True]


def test_bytes_are_bounded_for_each_and_for_all() -> None:
    kept = store(entry_bytes=10, total_bytes=25)
    assert put(kept, key(b"1"), b"x" * 10)
    assert not put(kept, key(b"2"), b"x" * 11)
    put(kept, key(b"3"), b"x" * 10)
    assert kept.facts(0)["storedBytes"] == 22
    put(kept, key(b"4"), b"x" * 5)
    assert not kept.has(key(b"1"), 0)
    assert kept.facts(0)["storedBytes"] == 17


def test_a_result_that_is_too_large_takes_the_old_one_with_it() -> None:
    """The old one is known to be no longer true."""
    kept = store(entry_bytes=10)
    put(kept, key(), b"old")
    assert not put(kept, key(), b"x" * 11)
    assert not kept.has(key(), 0)


def test_looking_on_leaves_no_trace() -> None:
    kept = store(entries=2)
    put(kept, key(b"1"))
    put(kept, key(b"2"))
    assert kept.has(key(b"1"), 0)
    assert not kept.has(key(b"1"), 60)
    put(kept, key(b"3"))
    assert not kept.has(key(b"1"), 0)


def test_a_write_ends_the_life_of_reads_of_its_server() -> None:
    """Weak spot W17 of callmux (npm)."""
    kept = store()
    put(kept, key(server="a"))
    put(kept, key(server="b"))
    kept.wrote("a")
    assert not kept.has(key(server="a"), 0)
    assert kept.has(key(server="b"), 0)


def test_a_read_that_began_before_a_write_had_finished_is_not_kept() -> None:
    """Weak spot W17 of callmux (npm)."""
    kept = store()
    began = kept.epoch("a")
    kept.wrote("a")
    assert not kept.put(key(), b"{}", 0, began)
    assert kept.put(key(), b"{}", 0, kept.epoch("a"))


def test_clearing_says_how_many_there_were() -> None:
    kept = store(ttl_seconds=10)
    put(kept, key(b"1"))
    put(kept, key(b"2"), now=5)
    assert kept.clear(None, 12) == 1
    assert len(kept) == 0
    assert kept.facts(12)["storedBytes"] == 0


def test_clearing_takes_what_is_chosen() -> None:
    kept = store()
    put(kept, key(tool="x"))
    put(kept, key(tool="y"))
    put(kept, key(tool="x", server="b"))
    assert kept.clear(lambda server, tool: (server, tool) == ("a", "x"), 0) == 1
    assert not kept.has(key(tool="x"), 0)
    assert len(kept) == 2


@pytest.mark.parametrize("whole", [True, False])
def test_what_is_being_read_while_it_is_cleared_is_not_kept(whole: bool) -> None:
    kept = store()
    began = kept.epoch("a")
    kept.clear(None if whole else lambda server, tool: True, 0)
    assert not kept.put(key(), b"{}", 0, began)


def test_new_bounds_hold_for_what_is_kept_already() -> None:
    kept = store()
    for n in range(4):
        put(kept, key(b"%d" % n), b"x" * (n + 1), now=n)
    kept.configure(CacheLimits(ttl_seconds=60, entries=2), 4)
    assert [kept.has(key(b"%d" % n), 4) for n in range(4)] == [False, False, True, True]
    kept.configure(CacheLimits(ttl_seconds=60, entry_bytes=3), 4)
    assert [kept.has(key(b"%d" % n), 4) for n in range(4)] == [False, False, True, False]
    kept.configure(CacheLimits(ttl_seconds=0), 4)
    assert len(kept) == 0
    assert not put(kept, key())


def test_a_longer_time_does_not_bring_back_what_was_over() -> None:
    kept = store(ttl_seconds=10)
    put(kept, key())
    kept.configure(CacheLimits(ttl_seconds=60), 20)
    assert len(kept) == 0


def test_the_record_has_every_field_that_clients_know() -> None:
    kept = store(ttl_seconds=60)
    assert kept.facts(0) == {
        "entries": 0,
        "ttlSeconds": 60,
        "enabled": True,
        "maxEntries": 1000,
        "maxEntryBytes": 8 * 1024 * 1024,
        "maxTotalBytes": 128 * 1024 * 1024,
        "storedBytes": 0,
    }
    put(kept, key())
    assert not MemoryCache().facts(0)["enabled"]
    assert repr(kept) == "MemoryCache(1 entries, 4 bytes)"


@given(
    st.lists(
        st.tuples(st.sampled_from(["put", "get", "wrote", "clear"]), st.integers(0, 9), st.integers(0, 40))
    )
)
def test_the_books_always_balance(acts: list[tuple[str, int, int]]) -> None:
    """Whatever happens, the bounds hold and the bytes are those of the entries."""
    kept = store(entries=5, total_bytes=100, entry_bytes=30, ttl_seconds=20)
    for now, (act, n, size) in enumerate(acts):
        which = key(b"%d" % n, server="ab"[n % 2])
        if act == "put":
            put(kept, which, b"x" * size, now)
        elif act == "get":
            kept.get(which, now)
        elif act == "wrote":
            kept.wrote(which.server)
        else:
            kept.clear(lambda server, tool: server == "a", now)
        assert len(kept) <= 5
        assert kept._bytes == sum(e.size for e in kept._entries.values()) <= 100
        assert {k for keys in kept._by_server.values() for k in keys} == kept._entries.keys()


def test_after_a_write_of_unknown_end_nothing_is_kept_until_it_is_sure() -> None:
    kept = store(ttl_seconds=60)
    before = kept.begin("a", lambda: 0)
    put(kept, key(server="a"))
    first, second = kept.doubt("a", 0), kept.doubt("a", 1)
    assert not kept.has(key(server="a"), 1)
    assert not kept.put(key(server="a"), b"{}", 1, before)
    during = kept.begin("a", lambda: 2)
    assert during is None
    assert kept.begin("b", lambda: 2) is not None
    kept.sure("a", first)
    kept.sure("a", first)
    assert kept.begin("a", lambda: 2) is None
    kept.sure("a", second)
    assert not kept.put(key(server="a"), b"{}", 3, during)
    assert kept.put(key(server="a"), b"{}", 3, kept.begin("a", lambda: 3))


@pytest.mark.parametrize(("ttl", "lasts"), [(30, 30), (0, 60)])
def test_a_doubt_lasts_as_long_as_a_result_lives(ttl: int, lasts: int) -> None:
    kept = store(ttl_seconds=ttl)
    kept.doubt("a", 100)
    assert kept.begin("a", lambda: 99 + lasts) is None
    assert kept.begin("a", lambda: 100 + lasts) is not None
    assert kept._doubts == {}


def test_a_write_whose_end_is_learnt_after_its_doubt_is_over_is_a_write_all_the_same() -> None:
    kept = store(ttl_seconds=30)
    doubt = kept.doubt("a", 0)
    assert put(kept, key(), now=31)
    began = kept.begin("a", lambda: 31)
    kept.sure("a", doubt)
    assert not kept.has(key(), 31)
    assert not kept.put(key(), b"{}", 31, began)


ACTS = ["write", "ends", "given up", "late", "read", "read ends", "time"]


@given(st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 3)), max_size=60))
def test_nothing_is_kept_of_a_read_that_began_before_the_end_of_a_write(acts: list[tuple[str, int]]) -> None:
    """The end is its answer, however late, or the time that a result lives after it was given up."""
    ttl, now = 10, 0
    kept = store(ttl_seconds=ttl)
    writes: list[int] = []  # when each that goes on began
    doubts: dict[int, int] = {}  # number -> when it was given up
    reads: dict[int, tuple[int, int | None]] = {}
    begun: dict[int, int] = {}  # what is kept -> the step at which its read began
    ended = -1
    for step, (act, n) in enumerate(acts):
        if act == "write":
            writes.append(step)
        elif act == "ends" and writes:
            writes.pop()
            kept.wrote("s")
            ended = step
        elif act == "given up" and writes:
            writes.pop()
            doubts[kept.doubt("s", now)] = now
            ended = step
        elif act == "late" and doubts:
            number = list(doubts)[n % len(doubts)]
            del doubts[number]
            kept.sure("s", number)
            ended = step
        elif act == "read":
            reads[n] = step, kept.begin("s", lambda now=now: now)  # type: ignore[misc]
            if doubts:
                assert reads[n][1] is None
        elif act == "read ends" and n in reads:
            began, epoch = reads.pop(n)
            if kept.put(key(b"%d" % n, server="s"), b"{}", now, epoch):
                begun[n] = began
                assert not doubts
        elif act == "time":
            now += n
            for number in [number for number, since in doubts.items() if now - since >= ttl]:
                del doubts[number]
                ended = step
        for number, began in begun.items():
            if kept.has(key(b"%d" % number, server="s"), now):
                assert began > ended


def result(ref: str, size: int = 10, owner: str = "", raw: bytes | None = b"") -> Stored:
    return Stored(ref=ref, tool="t", owner=owner, size=size, raw=raw)


def results(**limits: int) -> MemoryResults:
    return MemoryResults(StoreLimits(**limits))


def test_the_oldest_goes_first_whatever_was_read() -> None:
    s = results(results=2)
    s.put(result("a"))
    s.put(result("b"))
    assert s.get("a", "") is not None
    assert list(s.put(result("c"))) == ["a"]
    assert s.get("a", "") is None
    assert len(s) == 2


def test_bytes_are_bounded() -> None:
    s = results(total_bytes=100)
    s.put(result("a", 60))
    assert list(s.put(result("b", 60))) == ["a"]
    assert s.facts()["storedBytes"] == 60


def test_what_is_too_large_is_refused() -> None:
    s = results(result_bytes=50, total_bytes=40)
    assert s.takes(40)
    assert not s.takes(41)


def test_a_foreign_result_looks_missing() -> None:
    s = results()
    s.put(result("a", owner="alice"))
    s.put(result("free"))
    assert s.get("a", "alice") is not None
    assert s.get("a", "bob") is None
    assert s.get("a", "") is None
    assert s.get("free", "bob") is not None
    assert s.get("none", "bob") is None


def test_smaller_bounds_apply_to_what_is_there() -> None:
    s = results()
    s.put(result("a", 30))
    s.put(result("b", 10))
    s.put(result("c", 10))
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
    s = results()
    s.put(Stored(ref="a", tool="t", owner="", size=9, raw=b"x" * 9, spooled=True))
    found = s.get("a", "")
    assert found is not None
    assert (found.raw, found.size, s.facts()["storedBytes"]) == (None, 9, 9)
