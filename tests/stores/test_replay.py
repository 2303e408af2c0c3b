"""What a store of finished streams promises, in memory and behind a wire."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from callmux.stores.memory_replay import MemoryReplay
from callmux.stores.replay import FinishedStream, Replay
from tests.stores.remote import RemoteReplay

FIRST, SECOND = FinishedStream("r1", ((1, b"a"),)), FinishedStream("r1", ((1, b"a"), (2, b"b")))


async def given(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


@pytest.fixture(params=[MemoryReplay, RemoteReplay])
def streams(request: pytest.FixtureRequest) -> Replay:
    made: Replay = request.param()
    return made


async def test_a_stream_is_found_under_its_session_and_key_until_the_session_is_over(streams: Replay) -> None:
    await given(streams.put("a", FIRST, 0))
    await given(streams.put("b", FIRST, 0))
    assert await given(streams.get("a", "r1", 0)) == FIRST
    assert await given(streams.get("a", "r2", 0)) is None
    await given(streams.drop("a"))
    await given(streams.drop("never-there"))
    assert await given(streams.get("a", "r1", 0)) is None
    assert await given(streams.get("b", "r1", 0)) == FIRST


async def test_what_took_the_key_of_another_stream_stays(streams: Replay) -> None:
    await given(streams.put("a", FIRST, 0))
    await given(streams.put("a", SECOND, 0))
    await given(streams.drop("a", FIRST))
    assert await given(streams.get("a", "r1", 0)) == SECOND
    await given(streams.drop("a", SECOND))
    assert await given(streams.get("a", "r1", 0)) is None


async def test_a_stream_is_kept_for_a_while(streams: Replay) -> None:
    await given(streams.put("a", FIRST, 0))
    streams.expire(1e6)
    assert await given(streams.get("a", "r1", 1e6)) is None
