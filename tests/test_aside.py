"""Work that may hang keeps nobody waiting."""

from __future__ import annotations

import threading

import pytest

from callmux.aside import aside
from tests.support import real_loop, run


@real_loop()
async def test_it_gives_what_the_work_gives_or_raises() -> None:
    def fail() -> int:
        raise OSError("no")

    assert await aside(threading.get_ident, 20) != threading.get_ident()
    with pytest.raises(OSError, match="no"):
        await aside(fail, 20)


def test_work_that_hangs_is_left_behind() -> None:
    go = threading.Event()
    ended = threading.Event()

    def hang() -> None:
        go.wait(20)
        ended.set()

    async def scene() -> None:
        with pytest.raises(TimeoutError):
            await aside(hang, 0.01)

    run(scene())
    go.set()
    assert ended.wait(20)
