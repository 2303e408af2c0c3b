"""When it is known what servers list, and how long anybody waits for that."""

from __future__ import annotations

import asyncio

import pytest

from callmux.router import readiness
from callmux.upstream.inventory.offer import Suite
from tests.router.test_door import House, now
from tests.support import settle


async def test_a_listing_waits_a_moment_for_lists_that_are_read_again() -> None:
    house = House()
    for server in house.servers.values():
        server.up.set()
    reading = house.servers["a"].reading = asyncio.get_running_loop().create_future()
    listed = asyncio.ensure_future(house.ready.listable())
    await asyncio.sleep(readiness.RENEW_SECONDS - 1)
    assert not listed.done()
    await asyncio.sleep(2)
    assert listed.done(), "what was listed before is better than nothing"
    reading.set_result(None)
    await house.ready.listable()


@pytest.mark.parametrize("leaves", [True, False])
async def test_nobody_waits_on_for_a_listing_that_is_over(leaves: bool) -> None:
    """The reading itself goes on."""
    house = House()
    for server in house.servers.values():
        server.up.set()
    reading = house.servers["a"].reading = asyncio.get_running_loop().create_future()
    before = asyncio.all_tasks()
    listed = asyncio.create_task(house.ready.listable())
    await settle()
    if leaves:
        listed.cancel()
    await asyncio.wait({listed})
    await settle()
    assert asyncio.all_tasks() == before
    assert not reading.done()


async def test_a_listing_waits_for_those_of_whom_nothing_is_kept() -> None:
    """Calls wait for all the same."""

    house = House()
    house.servers["a"].recalled = True
    listed = asyncio.create_task(house.ready.listable())
    await settle()
    assert not listed.done()
    house.servers["b"].up.set()
    await listed
    called = asyncio.create_task(house.call(spelling="a__t"))
    await settle()
    assert not called.done()
    house.servers["a"].up.set()
    assert (await called).server == "a"


async def test_a_slow_server_holds_up_the_first_listing_for_a_bounded_time_only() -> None:
    """Who asks later does not wait anew."""

    house = House(8.0)
    house.servers["a"].suite = Suite(listed=True)
    house.servers["a"].up.set()
    began = now()
    await house.ready.listable()
    assert now() - began == pytest.approx(8.0)
    await house.ready.listable()
    assert now() - began == pytest.approx(8.0)
    assert not house.ready.all_settled


async def test_a_listing_with_nothing_in_it_waits_until_there_is_something() -> None:
    house = House(8.0)
    listed = asyncio.create_task(house.ready.listable())
    await asyncio.sleep(20)
    assert not listed.done()
    house.servers["b"].suite = Suite(listed=True)
    house.servers["b"].up.set()
    await listed


async def test_the_only_server_is_waited_for() -> None:
    house = House(8.0)
    del house.servers["b"]
    listed = asyncio.create_task(house.ready.listable())
    await asyncio.sleep(20)
    assert not listed.done()
    house.servers["a"].up.set()
    await listed
