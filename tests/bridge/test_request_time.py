"""A request's time stands still while a person is asked, and is whole again afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from msgspec import Raw

from callmux.bridge.budget import MARGIN_MS
from callmux.bridge.failures import LinkFailure, Reason
from callmux.bridge.request_time import RequestTime, RequestTimes

MARGIN = MARGIN_MS / 1000


class Request:
    """A request of ten seconds."""

    def __init__(self, *, hard: bool = True, alive: bool = True) -> None:
        self.loop = asyncio.get_running_loop()
        self.waiter: asyncio.Future[Any] = self.loop.create_future()
        self.alive = alive
        self.pings = 0
        self.tasks: list[asyncio.Task[Any]] = []
        self.time = RequestTime(self.waiter, 10.0, hard, self._ping, self._spawn)
        self.began = self.loop.time()

    async def _ping(self) -> None:
        self.pings += 1
        if not self.alive:
            raise LinkFailure(Reason.UNREACHABLE, "gone")

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        self.tasks.append(self.loop.create_task(work))

    def told(self, seconds: float) -> None:
        self.time.told(Raw(b'{"seconds":%d}' % seconds))

    async def ends(self) -> float:
        """When it was given up, in seconds from its beginning."""
        with pytest.raises(LinkFailure) as caught:
            await self.waiter
        assert caught.value.reason is Reason.LATE
        return round(self.loop.time() - self.began, 3)


async def test_without_a_question_it_ends_in_its_time() -> None:
    assert await Request().ends() == 10


async def test_while_a_person_is_asked_it_stands_still_and_begins_anew() -> None:
    request = Request()
    await asyncio.sleep(9)
    request.told(300)
    await asyncio.sleep(200)
    assert not request.waiter.done()
    assert repr(request.time) == "RequestTime(10 s, standing still)"
    request.told(0)
    assert await request.ends() == 219
    assert request.time.stood == 200


async def test_a_listener_that_never_says_that_it_is_over_is_not_believed_for_ever() -> None:
    request = Request()
    request.told(300)
    assert await request.ends() == 300 + MARGIN
    request.time.end()
    assert request.time.stood == 300 + MARGIN


async def test_of_several_questions_the_last_to_end_counts() -> None:
    request = Request()
    request.told(300)
    request.told(300)
    await asyncio.sleep(100)
    request.told(0)
    await asyncio.sleep(100)
    assert not request.waiter.done()
    request.told(0)
    # One end too many means nothing.
    request.told(0)
    assert await request.ends() == 210
    assert request.time.stood == 200


@pytest.mark.parametrize("params", [None, b"{}", b"[]", b'{"seconds":"many"}', b'{"seconds":-1}'])
async def test_what_says_nothing_changes_nothing(params: bytes | None) -> None:
    request = Request()
    request.time.told(None if params is None else Raw(params))
    assert await request.ends() == 10


@pytest.mark.parametrize("alive", [True, False])
async def test_where_it_has_no_hard_end_the_listener_is_asked_whether_it_is_there(alive: bool) -> None:
    request = Request(hard=False, alive=alive)
    if alive:
        await asyncio.sleep(100)
        assert request.pings > 2
        assert not request.waiter.done()
        request.waiter.set_result("an answer")
        await asyncio.sleep(100)
    else:
        assert await request.ends() == 10
    assert all(task.done() for task in request.tasks)


async def test_an_answer_in_time_is_left_alone() -> None:
    request = Request()
    request.waiter.set_result("an answer")
    await asyncio.sleep(20)
    request.time.end()
    assert request.waiter.result() == "an answer"


class Several:
    """The times of requests that are sent."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.times = RequestTimes(self._ping, lambda work: None)

    async def _ping(self) -> None:
        """Nobody asks here."""

    def begin(self, id: int, seconds: float) -> asyncio.Future[Any]:
        waiter: asyncio.Future[Any] = self.loop.create_future()
        self.times.begin(id, waiter, seconds, True)
        return waiter


@pytest.mark.parametrize("seconds", [0.5, 2.0, 2.5, 30.0])
async def test_each_request_has_its_own_time_whenever_it_gets_its_timer(seconds: float) -> None:
    several = Several()
    await asyncio.sleep(0.3)
    several.begin(1, 100.0)
    await asyncio.sleep(0.4)
    began = several.loop.time()
    waiter = several.begin(2, seconds)
    with pytest.raises(LinkFailure):
        await waiter
    assert round(several.loop.time() - began, 3) == seconds
    several.times.end(1)
    several.times.end(2)
    several.times.close()
    assert repr(several.times) == "RequestTimes(0 new, 0 with timers)"


async def test_requests_that_are_answered_soon_get_no_timer() -> None:
    several = Several()
    for id in range(10):
        several.begin(id, 30.0)
        await asyncio.sleep(0.4)
        assert several.times.end(id) == 0.0
    assert repr(several.times) == "RequestTimes(0 new, 0 with timers)"
    await asyncio.sleep(2)
    assert several.times._timer is None


async def test_a_question_at_once_stops_the_time_too() -> None:
    several = Several()
    waiter = several.begin(1, 10.0)
    several.times.told(1, Raw(b'{"seconds":300}'))
    several.times.told(2, Raw(b'{"seconds":300}'))
    several.times.told(None, None)
    await asyncio.sleep(200)
    assert not waiter.done()
    several.times.told(1, Raw(b'{"seconds":0}'))
    await asyncio.sleep(9)
    assert not waiter.done()
    assert several.times.end(1) == 200.0
