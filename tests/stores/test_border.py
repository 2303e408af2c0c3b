"""A store that is asked answers in a bounded time, or has failed; how is nobody else's business."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from callmux.errors import StoreUnavailable
from callmux.stores.border import REST_SECONDS, SECONDS, SILENT_SECONDS, Border
from tests.stores.remote import FAILS, HANGS, LATE_FAILS, SLOW, Wire
from tests.support import play


async def test_a_slow_answer_is_waited_for() -> None:
    border = Border("the cache")
    assert await border.answered(Wire(SLOW).carry(lambda: 7)) == 7
    assert await border.answered_or(Wire(SLOW).carry(lambda: None), 7) is None


@pytest.mark.parametrize("way", [FAILS, LATE_FAILS, HANGS])
async def test_a_failure_of_any_kind_is_one_of_the_store(way: str) -> None:
    border = Border("the cache")
    began = asyncio.get_running_loop().time()
    with pytest.raises(StoreUnavailable, match="the cache cannot be reached"):
        await border.answered(Wire(way).carry(lambda: 7))
    assert await border.answered_or(Wire(way).carry(lambda: 7), 8) == 8
    assert asyncio.get_running_loop().time() - began <= 2 * SECONDS


@pytest.mark.parametrize("raised", [asyncio.CancelledError(), MemoryError(), TimeoutError()])
async def test_what_a_driver_raises_does_not_reach_the_caller(raised: BaseException) -> None:
    async def broken() -> int:
        raise raised

    assert await Border("the cache").answered_or(broken(), 0) == 0


@pytest.mark.parametrize("way", [SLOW, HANGS, FAILS])
async def test_whoever_gives_up_need_not_wait(way: str) -> None:
    asking = asyncio.create_task(Border("the cache").answered(Wire(way).carry(lambda: 7)))
    await asyncio.sleep(0)
    asking.cancel()
    before = asyncio.get_running_loop().time()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert asyncio.get_running_loop().time() == before


def test_the_log_says_it_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        border = Border("the cache")
        fails: Callable[[], Any] = lambda: Wire(FAILS).carry(lambda: 7)  # noqa: E731
        for _ in range(20):
            await border.answered_or(fails(), 0)
        await asyncio.sleep(SILENT_SECONDS)
        await border.answered_or(fails(), 0)

    with caplog.at_level(logging.WARNING):
        play(scene())
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert all("callmux goes on without" in line and "ConnectionError" in line for line in said)


async def test_a_store_that_hangs_is_left_alone_for_a_while() -> None:
    """A read through a store that hangs would take a second for each of its questions."""

    border, wire = Border("the cache"), Wire(HANGS)
    clock = asyncio.get_running_loop().time
    assert await border.answered_or(wire.carry(lambda: 7), 0) == 0
    before = clock()
    for _ in range(10):
        assert await border.answered_or(wire.carry(lambda: 7), 0) == 0
    assert (clock(), wire.asked) == (before, 1)
    wire.way = SLOW
    await asyncio.sleep(REST_SECONDS)
    assert await border.answered(wire.carry(lambda: 7)) == 7
