"""Strangers cause no more work than is planned for them."""

from __future__ import annotations

import asyncio

import pytest

from callmux.guard.attempts import AT_A_TIME, MOST_OF_ONE, MOST_WAITING, Attempts
from callmux.guard.gate import TurnedAway
from tests.support import FakeClock, settle


class Work:
    """Checks that last until they are told to end."""

    def __init__(self, attempts: Attempts) -> None:
        self.attempts = attempts
        self.running = self.most = self.done = 0
        self.go = asyncio.Event()
        self.refused: list[TurnedAway] = []

    async def check(self, site: str) -> None:
        try:
            async with self.attempts.turn(site):
                self.running += 1
                self.most = max(self.most, self.running)
                await self.go.wait()
                self.running -= 1
                self.done += 1
        except TurnedAway as refusal:
            self.refused.append(refusal)


async def test_few_checks_run_at_a_time_and_few_wait() -> None:
    work = Work(Attempts(FakeClock().clock.monotonic))
    tasks = [asyncio.ensure_future(work.check(f"192.0.2.{n}")) for n in range(200)]
    await settle()
    assert work.running == AT_A_TIME
    assert len(work.refused) == 200 - AT_A_TIME - MOST_WAITING
    assert {(r.status, (r.headers or {})["Retry-After"]) for r in work.refused} == {(429, "1")}
    work.go.set()
    await asyncio.gather(*tasks)
    assert (work.done, work.most) == (AT_A_TIME + MOST_WAITING, AT_A_TIME)
    await work.check("192.0.2.1")
    assert work.done == AT_A_TIME + MOST_WAITING + 1, "all places are free again"


async def test_one_address_does_not_take_the_places_of_others() -> None:
    work = Work(Attempts(FakeClock().clock.monotonic))
    tasks = [asyncio.ensure_future(work.check("192.0.2.1")) for _ in range(50)]
    await settle()
    assert len(work.refused) == 50 - MOST_OF_ONE
    tasks.append(asyncio.ensure_future(work.check("192.0.2.2")))
    await settle()
    assert len(work.refused) == 50 - MOST_OF_ONE
    work.go.set()
    await asyncio.gather(*tasks)
    assert work.done == MOST_OF_ONE + 1


async def test_a_check_that_is_given_up_leaves_its_place() -> None:
    work = Work(Attempts(FakeClock().clock.monotonic))
    for _ in range(3):
        tasks = [asyncio.ensure_future(work.check("192.0.2.1")) for _ in range(MOST_OF_ONE)]
        await settle()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert not work.refused
    work.go.set()
    await work.check("192.0.2.1")
    assert work.done == 1


async def test_too_many_failures_close_an_address_for_the_rest_of_the_minute() -> None:
    clock = FakeClock()
    attempts = Attempts(clock.clock.monotonic)
    attempts.failures_per_minute = 3
    given_back = 0

    async def give_back() -> None:
        nonlocal given_back
        given_back += 1

    attempts.when_refused = give_back
    work = Work(attempts)
    work.go.set()
    for _ in range(3):
        await work.check("192.0.2.1")
        attempts.failed("192.0.2.1")
    clock.advance(10)
    await work.check("192.0.2.1")
    await work.check("192.0.2.2")
    (refusal,) = work.refused
    assert (refusal.status, refusal.headers) == (429, {"Retry-After": "50"})
    assert (work.done, given_back) == (4, 1)
    clock.advance(50)
    await work.check("192.0.2.1")
    assert work.done == 5


@pytest.mark.parametrize("failures", [0, 10_000])
async def test_failures_count_only_as_far_as_they_are_limited(failures: int) -> None:
    attempts = Attempts(FakeClock().clock.monotonic)
    attempts.failures_per_minute = failures
    work = Work(attempts)
    work.go.set()
    for _ in range(200):
        attempts.failed("192.0.2.1")
    await work.check("192.0.2.1")
    assert work.done == 1
