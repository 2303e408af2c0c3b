"""A server that is down is tried again by itself, or by the next call once it has rested."""

from __future__ import annotations

import asyncio

import pytest

from callmux.config.traffic import ReconnectPolicy
from callmux.upstream.health import Health, State
from callmux.upstream.opening.next_attempt import SIGN_IN_SECONDS, NextAttempt
from callmux.upstream.opening.reconnect import Timing
from tests.support import loop_clock

POLICY = ReconnectPolicy(initial_delay_ms=1000, max_delay_ms=8000, jitter_ratio=0.0, max_attempts=3)
EAGER, LAZY = Timing(5.0, POLICY), Timing(5.0, POLICY, True)


class Desk:
    """Counts attempts."""

    def __init__(self) -> None:
        self.health = Health()
        self.begun: list[float] = []
        self.next = NextAttempt(self.health, loop_clock(), self.begin)

    def begin(self) -> None:
        self.next.cancel()
        self.begun.append(now())

    def fails(self, timing: Timing, *, needed: bool = True, sign_in: bool = False) -> float | None:
        self.health.attempt_failed("no", 0, sign_in)
        return self.next.plan(timing, needed=needed, was_up=False)


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_one_that_is_needed_is_tried_by_itself_until_the_policy_gives_up() -> None:
    desk, began = Desk(), now()
    assert repr(desk.next) == "NextAttempt(open)"
    assert desk.fails(EAGER) == 2
    assert repr(desk.next) == "NextAttempt(due)"
    assert (desk.next.waits, desk.health.state) == (True, State.RECONNECTING)
    await asyncio.sleep(3)
    assert desk.begun == [pytest.approx(began + 2)]
    assert desk.fails(EAGER) == 4
    desk.next.cancel()
    await asyncio.sleep(10)
    assert len(desk.begun) == 1
    assert desk.fails(EAGER) is None
    assert (desk.next.waits, desk.health.state) == (False, State.FAILED)


@pytest.mark.parametrize("needed", [True, False])
async def test_one_that_only_calls_start_rests_and_is_tried_by_nobody_meanwhile(needed: bool) -> None:
    desk = Desk()
    desk.health.step = 5
    assert desk.fails(LAZY, needed=needed) is None
    assert repr(desk.next) == "NextAttempt(resting)"
    assert (desk.next.waits, desk.health.state) == (True, State.FAILED)
    assert "nextRetryAt" in desk.health.record()
    await asyncio.sleep(7.9)
    assert desk.next.waits
    await asyncio.sleep(0.2)
    assert not desk.next.waits
    assert desk.begun == []


async def test_where_a_person_must_sign_in_asking_more_often_is_of_no_use() -> None:
    desk = Desk()
    assert desk.fails(EAGER, sign_in=True) == SIGN_IN_SECONDS
    desk.next.cancel()
    assert "nextRetryAt" not in desk.health.record()
