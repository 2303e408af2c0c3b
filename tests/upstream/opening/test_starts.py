"""Servers take turns when they start: whoever a call waits for is next, and a slow one holds up nobody."""

from __future__ import annotations

import asyncio

from callmux.upstream.opening.starts import LEARNING_AT_A_TIME, SLOW_SECONDS, Start, Starts, Urgency
from tests.support import settle


class Yard:
    """Starts by name, in the order in which their turns came."""

    def __init__(self, most: int) -> None:
        self.starts = Starts()
        self.starts.most = most
        self.came: list[str] = []
        self.all: dict[str, Start] = {}
        self.tasks: list[asyncio.Task[None]] = []

    async def asks(self, name: str, urgency: Urgency = Urgency.USUAL) -> None:
        start = self.all[name] = self.starts.register(urgency)
        self.tasks.append(asyncio.create_task(self._turn(name, start)))
        await settle()

    async def _turn(self, name: str, start: Start) -> None:
        await self.starts.turn(start)
        self.came.append(name)

    async def ends(self, name: str) -> None:
        self.starts.over(self.all[name])
        await settle()


async def test_those_that_find_no_room_come_in_their_order() -> None:
    yard = Yard(2)
    for name in "abcd":
        await yard.asks(name)
    assert yard.came == ["a", "b"]
    assert repr(yard.starts) == "Starts(2 of 2, 2 waiting)"
    await yard.ends("b")
    assert yard.came == ["a", "b", "c"]
    await yard.ends("a")
    await yard.ends("a")
    assert yard.came == ["a", "b", "c", "d"]


async def test_one_that_a_call_waits_for_goes_first() -> None:
    yard = Yard(1)
    await yard.asks("a")
    await yard.asks("learns", Urgency.LEARNING)
    await yard.asks("usual")
    await yard.asks("called", Urgency.CALL)
    for name in ("a", "called", "usual"):
        await yard.ends(name)
    assert yard.came == ["a", "called", "usual", "learns"]
    assert repr(yard.all["called"]) == "Start(CALL, 4)"


async def test_a_call_that_comes_later_moves_its_server_to_the_front() -> None:
    yard = Yard(1)
    for name in "abc":
        await yard.asks(name)
    yard.starts.hurry(yard.all["c"])
    await yard.ends("a")
    assert yard.came == ["a", "c"]


async def test_few_are_started_at_a_time_only_to_learn_what_they_list() -> None:
    """A call for one of the others does not wait for those."""
    yard = Yard(20)
    names = [f"s{n}" for n in range(LEARNING_AT_A_TIME + 2)]
    for name in names:
        await yard.asks(name, Urgency.LEARNING)
    assert yard.came == names[:-2]
    await yard.asks("usual")
    assert yard.came[-1] == "usual"
    yard.starts.hurry(yard.all[names[-1]])
    await settle()
    assert yard.came[-1] == names[-1]
    await yard.ends(names[0])
    assert yard.came[-1] == names[-2]


async def test_one_that_takes_long_gives_its_turn_to_the_next() -> None:
    yard = Yard(1)
    await yard.asks("slow")
    await yard.asks("fast")
    await asyncio.sleep(SLOW_SECONDS + 0.1)
    assert yard.came == ["slow", "fast"]


async def test_one_that_is_given_up_while_it_waits_leaves_its_place() -> None:
    yard = Yard(1)
    for name in "abc":
        await yard.asks(name)
    yard.tasks[1].cancel()
    await yard.ends("b")
    await yard.ends("a")
    assert yard.came == ["a", "c"]
