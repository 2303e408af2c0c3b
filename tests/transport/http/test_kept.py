"""Answers kept for clients that come back: within one bound for all sessions, and not for ever."""

from __future__ import annotations

import pytest

from callmux.transport.http import kept
from callmux.transport.http.kept import KEPT_SECONDS, OVERHEAD_BYTES, KeptStreams
from callmux.transport.http.streams import Stream
from tests.support import FakeClock


def _stream(key: str, size: int = 10) -> Stream:
    stream = Stream(key)
    stream.push(b"x" * size)
    stream.finish()
    return stream


async def test_a_stream_is_found_under_its_session_and_key_until_the_session_is_over() -> None:
    streams = KeptStreams(lambda: 0.0)
    one, other, newer = _stream("r1"), _stream("r1"), _stream("r1")
    streams.put("a", one)
    streams.put("b", other)
    assert [streams.get("a", "r1"), streams.get("b", "r1"), streams.get("a", "r2")] == [one, other, None]
    streams.put("a", newer)
    assert (streams.get("a", "r1"), len(streams)) == (newer, 2)
    streams.forget("a")
    streams.forget("never-there")
    assert (streams.get("a", "r1"), streams.get("b", "r1")) == (None, other)
    assert repr(streams) == f"KeptStreams(1 streams, {10 + OVERHEAD_BYTES} bytes)"


async def test_what_has_arrived_is_not_kept_but_what_took_its_key_is() -> None:
    streams = KeptStreams(lambda: 0.0)
    first, second = _stream("r1"), _stream("r1")
    streams.put("a", second)
    streams.received("a", first)
    assert streams.get("a", "r1") is second
    streams.received("a", second)
    streams.received("a", second)
    assert (len(streams), repr(streams)) == (0, "KeptStreams(0 streams, 0 bytes)")


async def test_the_oldest_of_all_sessions_go_first_and_the_newest_stays_whatever_its_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept, "KEPT_BYTES", 3 * OVERHEAD_BYTES)

    streams = KeptStreams(lambda: 0.0)
    for number in range(5):
        streams.put(f"s{number}", _stream("r1"))
    assert [streams.get(f"s{n}", "r1") is not None for n in range(5)] == [False] * 3 + [True] * 2
    huge = _stream("r2", 10 * OVERHEAD_BYTES)
    streams.put("s4", huge)
    assert (len(streams), streams.get("s4", "r2")) == (1, huge)


async def test_what_is_too_old_is_forgotten() -> None:
    clock = FakeClock()
    streams = KeptStreams(clock.clock.monotonic)
    streams.put("a", _stream("r1"))
    clock.advance(KEPT_SECONDS / 2)
    streams.put("a", _stream("r2"))
    clock.advance(KEPT_SECONDS / 2)
    streams.expire()
    assert [streams.get("a", key) is not None for key in ("r1", "r2")] == [False, True]
