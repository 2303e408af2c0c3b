"""Work that may hang keeps nobody waiting."""

from __future__ import annotations

import asyncio
import threading

import pytest

from callmux.aside import aside
from tests.support import SECONDS, real_loop, run


@real_loop()
async def test_it_gives_what_the_work_gives_or_raises() -> None:
    def fail() -> int:
        raise OSError("no")

    assert await aside(threading.get_ident, SECONDS) != threading.get_ident()
    with pytest.raises(OSError, match="no"):
        await aside(fail, SECONDS)


@real_loop()
async def test_what_is_there_in_time_counts_though_the_loop_was_too_busy_to_look() -> None:
    ended = threading.Event()
    waiting = asyncio.ensure_future(aside(ended.set, 0.01))
    await asyncio.sleep(0)
    assert ended.wait(SECONDS)
    # The loop does something else until the time is up.
    threading.Event().wait(0.1)
    await waiting


def test_work_that_hangs_is_left_behind() -> None:
    go = threading.Event()
    ended = threading.Event()

    def hang() -> None:
        go.wait(SECONDS)
        ended.set()

    async def scene() -> None:
        with pytest.raises(TimeoutError):
            await aside(hang, 0.01)

    run(scene())
    go.set()
    assert ended.wait(SECONDS)
