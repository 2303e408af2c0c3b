"""Finished streams are kept within one bound for all sessions, and not for ever."""

from __future__ import annotations

import pytest

from callmux.stores import memory_replay
from callmux.stores.memory_replay import KEPT_SECONDS, OVERHEAD_BYTES, MemoryReplay
from callmux.stores.replay import FinishedStream


def _stream(key: str, size: int = 10) -> FinishedStream:
    return FinishedStream(key, ((1, b"x" * size),))


def test_the_oldest_of_all_sessions_go_first_and_the_newest_stays_whatever_its_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory_replay, "KEPT_BYTES", 3 * OVERHEAD_BYTES)
    streams = MemoryReplay()
    for number in range(5):
        streams.put(f"s{number}", _stream("r1"), 0)
    assert [streams.get(f"s{n}", "r1", 0) is not None for n in range(5)] == [False] * 3 + [True] * 2
    huge = _stream("r2", 10 * OVERHEAD_BYTES)
    streams.put("s4", huge, 0)
    assert (len(streams), streams.get("s4", "r2", 0)) == (1, huge)


def test_what_is_too_old_is_forgotten() -> None:
    streams = MemoryReplay()
    streams.put("a", _stream("r1"), 0)
    streams.put("a", _stream("r2"), KEPT_SECONDS / 2)
    streams.expire(KEPT_SECONDS)
    assert len(streams) == 1
    assert streams.get("a", "r2", KEPT_SECONDS) is not None
    assert streams.get("a", "r2", 2 * KEPT_SECONDS) is None


def test_what_is_too_old_is_forgotten_when_something_new_comes() -> None:
    streams = MemoryReplay()
    for number in range(4):
        streams.put("a", _stream(f"r{number}"), number * KEPT_SECONDS / 2)
    assert len(streams) == 2
    streams.put("b", _stream("r1"), 10 * KEPT_SECONDS)
    assert len(streams) == 1


def test_what_is_forgotten_takes_no_room() -> None:
    streams = MemoryReplay()
    first, second = _stream("r1"), _stream("r1")
    streams.put("a", first, 0)
    streams.put("a", second, 0)
    streams.put("b", first, 0)
    assert repr(streams) == f"MemoryReplay(2 streams, {2 * (10 + OVERHEAD_BYTES)} bytes)"
    streams.drop("a", first)
    assert streams.get("a", "r1", 0) is second
    for _ in range(2):
        streams.drop("a", second)
        streams.drop("b")
    assert repr(streams) == "MemoryReplay(0 streams, 0 bytes)"
