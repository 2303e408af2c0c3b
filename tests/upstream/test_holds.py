"""A server is held by whoever is in the middle of something with it."""

from __future__ import annotations

import asyncio

from callmux.upstream.holds import Holds, held
from tests.support import settle


async def test_whoever_waits_for_none_waits_for_the_last() -> None:
    holds = Holds()
    await holds.none()
    holds.take()
    holds.take()
    assert repr(holds) == "Holds(2)"
    waiting = asyncio.ensure_future(holds.none())
    await settle()
    holds.give()
    await settle()
    assert not waiting.done()
    holds.give()
    await waiting


async def test_one_that_is_taken_anew_at_once_is_still_waited_for() -> None:
    """A pipeline between two steps: none for a moment is not none."""

    holds = Holds()
    holds.take()
    waiting = asyncio.ensure_future(holds.none())
    await settle()
    holds.give()
    holds.take()
    await settle()
    assert not waiting.done()
    holds.give()
    await waiting


async def test_several_are_held_together_whatever_happens() -> None:
    one, two = Holds(), Holds()
    try:
        with held([one, two]):
            assert (one.count, two.count) == (1, 1)
            raise ValueError
    except ValueError:
        assert (one.count, two.count) == (0, 0)
