"""What a store of finished streams promises, in memory and behind a wire (in Redis: `test_redis_replay`)."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.stores.memory_replay import MemoryReplay
from callmux.stores.replay import Replay
from tests.stores.contracts import FIRST, STREAMS, Scene, given
from tests.stores.remote import RemoteReplay


@pytest.mark.parametrize("kind", [MemoryReplay, RemoteReplay])
@pytest.mark.parametrize("scene", STREAMS)
async def test_a_store_keeps_its_promises(scene: Scene, kind: type[Any]) -> None:
    await scene(kind())


@pytest.fixture(params=[MemoryReplay, RemoteReplay])
def streams(request: pytest.FixtureRequest) -> Replay:
    made: Replay = request.param()
    return made


async def test_a_session_that_is_over_leaves_none(streams: Replay) -> None:
    await given(streams.put("a", FIRST, 0))
    await given(streams.put("b", FIRST, 0))
    await given(streams.drop("a"))
    assert await given(streams.get("a", "r1", 0)) is None
    assert await given(streams.get("b", "r1", 0)) == FIRST


async def test_a_stream_is_kept_for_a_while(streams: Replay) -> None:
    await given(streams.put("a", FIRST, 0))
    streams.expire(1e6)
    assert await given(streams.get("a", "r1", 1e6)) is None
