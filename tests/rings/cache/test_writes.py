"""A write that the store does not know of yet makes this process trust nothing that is kept."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

from callmux.rings.cache.writes import PAUSE_SECONDS, SHARING_SECONDS, Writes
from callmux.stores.border import REST_SECONDS, SECONDS
from callmux.stores.memory import MemoryCache
from tests.stores.remote import FAILS, HANGS, LATE_FAILS, SLOW, RemoteCache, Wire


def clock() -> float:
    return asyncio.get_running_loop().time()


async def begun(writes: Writes) -> int | None:
    epoch = writes.begin("a", clock)
    return await epoch if inspect.isawaitable(epoch) else epoch


async def test_in_memory_nothing_is_waited_for() -> None:
    writes = Writes(MemoryCache())
    before = await begun(writes)
    assert writes.wrote("a") is None
    after = await begun(writes)
    assert before is not None
    assert after == before + 1
    sure = writes.doubt("a", clock())
    assert await begun(writes) is None
    sure()
    assert await begun(writes) is not None
    assert writes.unsure == {}
    assert repr(writes) == "Writes([] unsure)"


async def test_until_the_store_knows_of_a_write_no_read_counts() -> None:
    writes = Writes(RemoteCache())
    told = writes.wrote("a")
    assert told is not None
    assert await begun(writes) is None
    assert await begun(writes) is None
    await told
    await asyncio.sleep(0)
    assert await begun(writes) is not None


async def test_a_read_that_begins_while_a_write_ends_does_not_count() -> None:
    """The store may have given its epoch before it heard of the write."""

    writes = Writes(RemoteCache())
    reading = asyncio.create_task(begun(writes))
    await asyncio.sleep(0)
    writes.wrote("a")
    writes.wrote("a")
    assert await reading is None


@pytest.mark.parametrize("way", [FAILS, LATE_FAILS, HANGS])
async def test_a_store_that_fails_is_told_again_and_nobody_waits_for_that(way: str) -> None:
    remote = RemoteCache(wire := Wire(way))
    writes = Writes(remote)
    began = clock()
    told = writes.wrote("a")
    assert told is not None
    await told
    assert clock() - began <= SECONDS
    await asyncio.sleep(4 * (SECONDS + REST_SECONDS + PAUSE_SECONDS))
    assert wire.asked > 2
    assert await begun(writes) is None
    wire.way = SLOW
    await asyncio.sleep(2 * (SECONDS + REST_SECONDS + PAUSE_SECONDS))
    assert writes.unsure == {}
    assert remote.kept.epoch("a") > 0
    assert await begun(writes) == remote.kept.epoch("a")


async def test_what_is_told_in_vain_ends_when_all_from_before_has_run_out() -> None:
    writes = Writes(RemoteCache(wire := Wire(FAILS)))
    writes.lasts = 2 * SHARING_SECONDS
    writes.wrote("a")
    await asyncio.sleep(writes.lasts - 5)
    assert writes.unsure == {"a": 1}
    await asyncio.sleep(10)
    assert writes.unsure == {}
    asked = wire.asked
    await asyncio.sleep(60)
    assert wire.asked == asked


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("way", [SLOW, FAILS, HANGS])
async def test_a_write_of_unknown_end_is_one_until_it_ends_or_its_time_is_up(way: str, ends: bool) -> None:
    remote = RemoteCache(wire := Wire(way))
    writes = Writes(remote)
    sure = writes.doubt("a", clock())
    await asyncio.sleep(SHARING_SECONDS / 2)
    assert await begun(writes) is None
    wire.way = SLOW
    if ends:
        sure()
        await asyncio.sleep(5)
    else:
        await asyncio.sleep(SHARING_SECONDS / 2 + 5)
    assert writes.unsure == {}
    assert await begun(writes) is not None


async def test_writes_of_several_calls_do_not_hide_each_other() -> None:
    writes = Writes(RemoteCache())
    told: list[Any] = [writes.wrote("a") for _ in range(3)]
    await told[0]
    assert await begun(writes) is None
    await asyncio.gather(*told)
    await asyncio.sleep(0)
    assert await begun(writes) is not None


async def test_at_the_end_nothing_more_is_told() -> None:
    writes = Writes(RemoteCache(wire := Wire(FAILS)))
    told = writes.wrote("a")
    await asyncio.sleep(0.001)
    await writes.close()
    assert told is not None
    assert told.done()
    asked = wire.asked
    await asyncio.sleep(60)
    assert wire.asked == asked
