"""When a broken stream is asked for again, and when that is given up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callmux.bridge.failures import LinkFailure, Reason
from callmux.bridge.resuming import resume
from callmux.protocol.sse import EventBuffer


class Part:
    """A stream that ends at once."""

    def __init__(self, *, cut: bool = False, is_events: bool = True) -> None:
        self.finished, self.was_cut, self.is_events = True, cut, is_events

    def when_ended(self, tell: Any) -> None:
        tell()


class Owner:
    """Gives what it is told to give, one after the other; the last one for ever."""

    def __init__(self, *parts: Any, events: EventBuffer | None = None) -> None:
        self.closed = False
        self.at: list[float] = []
        self._parts = list(parts)
        self.new = events

    async def open_stream(self, events: EventBuffer, waiter: Any) -> Any:
        self.at.append(asyncio.get_running_loop().time())
        part = self._parts.pop(0) if len(self._parts) > 1 else self._parts[0]
        if isinstance(part, Exception):
            raise part
        if part == "answer":
            waiter.set_result("it")
            return Part()
        if part == "news":
            events.last_id += "x"
            return Part()
        return part

    def watch(self, stream: Any) -> None: ...


async def outcome(owner: Owner, retry_ms: int | None = None) -> Any:
    events = EventBuffer()
    events.last_id, events.retry_ms = "e", retry_ms
    waiter: Any = asyncio.get_running_loop().create_future()
    await resume(owner, events, waiter, "it broke")
    return waiter.exception() or waiter.result()


def pauses(owner: Owner) -> list[float]:
    return [round(b - a, 3) for a, b in zip(owner.at, owner.at[1:], strict=False)]


@pytest.mark.parametrize("retry_ms", [100, 500, 3000])
async def test_polling_keeps_the_pace_that_the_listener_asks_for(retry_ms: int) -> None:
    owner = Owner(*[Part()] * 9, "answer")
    assert await outcome(owner, retry_ms) == "it"
    assert pauses(owner) == [retry_ms / 1000] * 9


@pytest.mark.parametrize(("retry_ms", "least"), [(None, 0.1), (0, 0.05)])
async def test_polling_is_never_a_storm(retry_ms: int | None, least: float) -> None:
    owner = Owner(*[Part()] * 9, "answer")
    assert await outcome(owner, retry_ms) == "it"
    assert min(pauses(owner)) == least
    assert max(pauses(owner)) <= 1.0


async def test_what_brings_something_new_is_asked_for_at_once() -> None:
    owner = Owner(*["news"] * 5, "answer")
    assert await outcome(owner) == "it"
    assert pauses(owner) == [0.0] * 5


async def test_what_breaks_time_and_again_is_given_up() -> None:
    owner = Owner(Part(cut=True))
    failure = await outcome(owner)
    assert (failure.reason, failure.started, failure.untaken) == (Reason.BROKEN, True, False)
    assert len(owner.at) == 5


async def test_what_is_no_event_stream_is_given_up_at_once() -> None:
    owner = Owner(Part(is_events=False))
    assert "other than an event stream" in (await outcome(owner)).message
    assert len(owner.at) == 1


@pytest.mark.parametrize("reason", list(Reason))
async def test_a_listener_that_is_away_is_waited_for_and_one_that_refuses_is_not(reason: Reason) -> None:
    owner = Owner(LinkFailure(reason, "no"), LinkFailure(reason, "no"), "answer")
    waits = reason in (Reason.UNREACHABLE, Reason.BUSY, Reason.BROKEN)
    answer = await outcome(owner)
    assert (answer == "it") is waits
    if not waits:
        assert (answer.started, "could not be resumed: no" in answer.message) == (True, True)


async def test_nobody_is_waited_for_without_end() -> None:
    owner = Owner(LinkFailure(Reason.UNREACHABLE, "no"))
    assert (await outcome(owner)).started
    assert 30 < owner.at[-1] - owner.at[0] < 31


async def test_a_link_that_ends_asks_no_further() -> None:
    owner = Owner(LinkFailure(Reason.UNREACHABLE, "no"))
    owner.closed = True
    assert (await outcome(owner)).started
    assert len(owner.at) == 1


async def test_a_fault_of_ours_leaves_nobody_waiting() -> None:
    events = EventBuffer()
    events.last_id = "e"
    waiter: Any = asyncio.get_running_loop().create_future()
    with pytest.raises(MemoryError):
        await resume(Owner(MemoryError()), events, waiter, "it broke")
    assert waiter.exception().reason is Reason.BROKEN
