"""Whoever waits for a lull waits until nothing is under way."""

from __future__ import annotations

import asyncio

from callmux.lull import Lull
from tests.support import settle


async def test_whoever_waits_goes_on_once_nothing_is_under_way() -> None:
    busy = {1}
    lull = Lull(lambda: busy)
    assert (lull.is_set(), lull.awaited, repr(lull)) == (False, False, "Lull(not yet)")
    waiting = [asyncio.ensure_future(lull.wait()) for _ in range(3)]
    await settle()
    assert (lull.awaited, repr(lull)) == (True, "Lull(not yet, awaited)")
    busy.clear()
    lull.come()
    await asyncio.gather(*waiting)
    assert (lull.is_set(), lull.awaited, repr(lull)) == (True, False, "Lull(now)")


async def test_nobody_waits_where_nothing_is_under_way() -> None:
    lull = Lull(lambda: 0)
    await lull.wait()
    assert not lull.awaited
    lull.come()


async def test_what_begins_anew_at_once_is_waited_for_too() -> None:
    busy = {1}
    lull = Lull(lambda: busy)
    waiting = asyncio.ensure_future(lull.wait())
    await settle()
    lull.come()
    await settle()
    assert not waiting.done()
    assert lull.awaited
    busy.clear()
    lull.come()
    await waiting


async def test_one_of_several_that_gives_up_takes_nobody_along() -> None:
    busy = {1}
    lull = Lull(lambda: busy)
    leaving, staying = asyncio.ensure_future(lull.wait()), asyncio.ensure_future(lull.wait())
    await settle()
    leaving.cancel()
    await settle()
    assert leaving.cancelled()
    assert not staying.done()
    busy.clear()
    lull.come()
    await staying
