"""A server is held by whoever is in the middle of something with it."""

from __future__ import annotations

import asyncio

from callmux.upstream.holds import Holds, held
from tests.support import play, settle


def test_whoever_waits_for_none_waits_for_the_last() -> None:
    async def scene() -> None:
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

    play(scene())


def test_one_that_is_taken_anew_at_once_is_still_waited_for() -> None:
    """A pipeline between two steps: none for a moment is not none."""

    async def scene() -> None:
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

    play(scene())


def test_several_are_held_together_whatever_happens() -> None:
    async def scene() -> None:
        one, two = Holds(), Holds()
        try:
            with held([one, two]):
                assert (one.count, two.count) == (1, 1)
                raise ValueError
        except ValueError:
            assert (one.count, two.count) == (0, 0)

    play(scene())
