"""A server is held by whoever is in the middle of something with it."""

from __future__ import annotations

import asyncio

from callmux.upstream.in_use import InUse, using
from tests.support import settle


async def test_whoever_waits_for_none_waits_for_the_last() -> None:
    in_use = InUse()
    await in_use.none()
    in_use.take()
    in_use.take()
    assert repr(in_use) == "InUse(2)"
    waiting = asyncio.ensure_future(in_use.none())
    await settle()
    in_use.give()
    await settle()
    assert not waiting.done()
    in_use.give()
    await waiting


async def test_one_that_is_taken_anew_at_once_is_still_waited_for() -> None:
    """A pipeline between two steps: none for a moment is not none."""

    in_use = InUse()
    in_use.take()
    waiting = asyncio.ensure_future(in_use.none())
    await settle()
    in_use.give()
    in_use.take()
    await settle()
    assert not waiting.done()
    in_use.give()
    await waiting


async def test_several_are_held_together_whatever_happens() -> None:
    one, two = InUse(), InUse()
    try:
        with using([one, two]):
            assert (one.count, two.count) == (1, 1)
            raise ValueError
    except ValueError:
        assert (one.count, two.count) == (0, 0)
