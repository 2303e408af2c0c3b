"""Whoever listens hears everything once, holds nobody up, and is told what was dropped."""

from __future__ import annotations

import asyncio
from typing import Any

from callmux.library.subscribers import Subscribers
from callmux.observe.bus import Bus
from callmux.observe.facts import CallEnded, Dropped, Reloaded, ServerDown
from tests.support import settle

DOWN = ServerDown(server="a", reason="gone")


def call(n: int = 0) -> CallEnded:
    return CallEnded("a", "tools/call", f"t{n}", "t", 0.01)


def test_a_subscription_begins_before_there_is_a_bus_and_goes_on_with_the_next_one() -> None:
    subscribers, heard = Subscribers(), list[Any]()
    leave = subscribers.subscribe(ServerDown, heard.append)
    first, second = Bus(), Bus()
    subscribers.attach(first)
    first.publish(DOWN)
    subscribers.detach()
    first.publish(DOWN)
    subscribers.attach(second)
    second.publish(DOWN)
    assert heard == [DOWN, DOWN]
    leave()
    leave()
    second.publish(DOWN)
    assert heard == [DOWN, DOWN]


def test_nobody_who_left_costs_a_call_anything() -> None:
    subscribers, bus = Subscribers(), Bus()
    subscribers.attach(bus)
    assert not bus.calls
    one, two = (subscribers.subscribe(CallEnded, lambda fact: None) for _ in range(2))
    assert bus.calls
    one()
    assert bus.calls
    two()
    assert not bus.calls


def test_what_is_told_here_is_heard_without_a_bus() -> None:
    subscribers, heard = Subscribers(), list[Any]()
    subscribers.subscribe(Reloaded, heard.append)
    subscribers.tell(Reloaded())
    assert heard == [Reloaded()]


async def test_facts_are_read_in_their_order_until_the_end() -> None:
    subscribers, bus = Subscribers(), Bus()
    subscribers.attach(bus)
    events = subscribers.events((ServerDown, Reloaded), 10)
    read: list[Any] = []

    async def reader() -> None:
        async for fact in events:
            read.append(fact)

    task = asyncio.ensure_future(reader())
    await settle()
    bus.publish(DOWN)
    bus.publish(Reloaded())
    await settle()
    assert read == [DOWN, Reloaded()]
    bus.publish(Reloaded(error="bad"))
    subscribers.detach()
    await task
    assert read[2:] == [Reloaded(error="bad")]
    assert not bus.hears(ServerDown)
    assert "0 wait" in repr(events)


async def test_a_reader_who_is_slow_is_told_how_many_facts_were_dropped() -> None:
    subscribers, bus = Subscribers(), Bus()
    subscribers.attach(bus)
    events = subscribers.events((CallEnded,), 3)
    for n in range(10):
        bus.publish(call(n))
    found = [await anext(events) for _ in range(4)]
    assert found == [call(0), call(1), call(2), Dropped(count=7)]
    bus.publish(call(10))
    assert await anext(events) == call(10)
    events.close()
    events.close()
    assert not bus.calls
    assert [fact async for fact in events] == []
