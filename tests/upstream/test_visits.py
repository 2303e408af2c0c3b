"""Who waits for a person hears that he is done, and nobody else does."""

from __future__ import annotations

import asyncio

from msgspec import Raw

from callmux.upstream.visits import Visits


async def test_a_visit_ends_for_everybody_who_waits_for_it() -> None:
    visits = Visits()
    waiting = [asyncio.ensure_future(visits.wait(ids, 60)) for ids in ({"a", "b"}, {"a"}, {"c"})]
    await asyncio.sleep(0)
    assert repr(visits) == "Visits(3 waited for)"
    visits.told(Raw(b'{"elicitationId":"a"}'))
    assert await asyncio.gather(*waiting[:2]) == [True, True]
    assert not waiting[2].done()
    visits.over("c")
    assert await waiting[2]
    assert repr(visits) == "Visits(0 waited for)"


async def test_a_wait_has_its_end() -> None:
    visits = Visits()
    assert not await visits.wait({"a"}, 5)
    for odd in (None, Raw(b"{}"), Raw(b'{"elicitationId":"a"}')):
        visits.told(odd)
    assert repr(visits) == "Visits(0 waited for)"
