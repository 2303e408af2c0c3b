"""The gate asks its checks in order, and leaves those that let a request in, once each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from callmux.guard.gate import GONE, Caller, Gate, TurnedAway
from tests.guard.callers import FakeCaller, enter
from tests.support import play


class Watched:
    """A check that writes down what it is told."""

    is_left = True

    def __init__(self, name: str, log: list[str], refuses: bool = False, waits: bool = False) -> None:
        self.name, self.log, self.refuses, self.waits = name, log, refuses, waits
        self.go = asyncio.Event()

    def enter(self, caller: Caller) -> Awaitable[None] | None:
        if self.waits:
            return self._enter()
        self._decide()
        return None

    async def _enter(self) -> None:
        await self.go.wait()
        self._decide()

    def _decide(self) -> None:
        self.log.append(f"{self.name} asked")
        if self.refuses:
            raise TurnedAway(403, "no", {"x": "y"}, {"reason": "because"})

    def leave(self, caller: Caller, status: int) -> None:
        self.log.append(f"{self.name} left with {status}")


def test_who_passes_every_check_leaves_them_from_the_last_to_the_first() -> None:
    log: list[str] = []

    async def scene() -> None:
        gate = Gate([Watched("first", log), Watched("second", log)])
        caller = FakeCaller()
        await enter(gate, caller)
        gate.leave(caller, 200)

    play(scene())
    assert log == ["first asked", "second asked", "second left with 200", "first left with 200"]


@pytest.mark.parametrize("waits", [False, True])
def test_a_check_that_refuses_ends_it_and_only_those_before_it_are_left(waits: bool) -> None:
    log: list[str] = []

    async def scene() -> None:
        refusing = Watched("second", log, refuses=True, waits=waits)
        refusing.go.set()
        with pytest.raises(TurnedAway) as refused:
            await enter(Gate([Watched("first", log), refusing, Watched("third", log)]), FakeCaller())
        assert (refused.value.status, refused.value.headers) == (403, {"x": "y"})

    play(scene())
    assert log == ["first asked", "second asked", "first left with 403"]


def test_a_check_that_is_given_up_while_it_waits_leaves_nobody_inside() -> None:
    log: list[str] = []

    async def scene() -> None:
        gate = Gate([Watched("first", log), Watched("second", log, waits=True)])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await enter(gate, FakeCaller())

    play(scene())
    assert log == ["first asked", f"first left with {GONE}"]


def test_a_check_that_need_not_hear_of_an_end_is_not_told() -> None:
    log: list[str] = []
    deaf = Watched("first", log)
    deaf.is_left = False
    gate = Gate([deaf, Watched("second", log)])
    caller = FakeCaller()
    assert gate.enter(caller) is None
    gate.leave(caller, 200)
    assert log == ["first asked", "second asked", "second left with 200"]
