"""Answers kept for clients that come back, in memory and in a store that is slow or fails."""

from __future__ import annotations

import pytest

from callmux.stores.memory_replay import KEPT_SECONDS
from callmux.transport.http.kept import KeptStreams
from callmux.transport.http.streams import Stream
from tests.stores.remote import FAILS, HANGS, RemoteReplay, Wire
from tests.support import FakeClock, until


def _stream(key: str, size: int = 10) -> Stream:
    stream = Stream(key)
    stream.push(b"{}")
    stream.push(b"x" * size, is_answer=True)
    stream.finish()
    return stream


async def _read(streams: KeptStreams, session: str, key: str) -> list[tuple[int, bytes]] | None:
    found = streams.get(session, key)
    if found is not None and not isinstance(found, Stream):
        found = await found
    return None if found is None else await found.after(0, found.take_over(), 1)


async def test_a_stream_is_read_again_under_its_session_and_key_until_the_session_is_over() -> None:
    streams = KeptStreams(lambda: 0.0)
    streams.put("a", _stream("r1"))
    streams.put("b", _stream("r1", 3))
    assert await _read(streams, "a", "r1") == [(1, b"{}"), (2, b"x" * 10)]
    assert await _read(streams, "a", "r2") is None
    streams.forget("a")
    assert await _read(streams, "a", "r1") is None
    assert await _read(streams, "b", "r1") == [(1, b"{}"), (2, b"xxx")]


async def test_what_has_arrived_is_not_kept_but_what_took_its_key_is() -> None:
    streams = KeptStreams(lambda: 0.0)
    first, second = _stream("r1"), _stream("r1", 3)
    streams.put("a", first)
    streams.put("a", second)
    streams.received("a", first)
    assert await _read(streams, "a", "r1") == [(1, b"{}"), (2, b"xxx")]
    found = streams.get("a", "r1")
    assert isinstance(found, Stream)
    streams.received("a", found)
    assert await _read(streams, "a", "r1") is None


async def test_what_is_too_old_is_forgotten() -> None:
    clock = FakeClock()
    streams = KeptStreams(clock.clock.monotonic)
    streams.put("a", _stream("r1"))
    clock.advance(KEPT_SECONDS)
    streams.expire()
    assert await _read(streams, "a", "r1") is None


async def test_answers_that_are_kept_elsewhere_are_read_again() -> None:
    store = RemoteReplay()
    streams = KeptStreams(lambda: 0.0, store)
    streams.put("a", _stream("r1"))
    await until(lambda: len(store.kept) == 1, "the answer")
    assert await _read(streams, "a", "r1") == [(1, b"{}"), (2, b"x" * 10)]
    streams.forget("a")
    await until(lambda: len(store.kept) == 0, "nothing")


@pytest.mark.parametrize("way", [FAILS, HANGS])
async def test_an_answer_in_a_store_that_fails_is_not_there_and_nobody_waits(way: str) -> None:
    streams = KeptStreams(lambda: 0.0, RemoteReplay(Wire(way)))
    stream = _stream("r1")
    streams.put("a", stream)
    assert await _read(streams, "a", "r1") is None
    streams.received("a", stream)
    await streams.close()
