"""Other listeners know of a write before it begins, and until its end is known."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

from callmux.errors import ToolCallFailed
from callmux.protocol.shapes import Result
from callmux.protocol.unanswered import Unanswered
from callmux.rings.announcing import Announcing
from callmux.rings.cache.writes import MOST_SECONDS, Writes
from callmux.rings.call import Call
from callmux.rings.stage import Cancelled
from callmux.stores.cache import CacheLimits, Key
from tests.stores.remote import FAILS, SLOW, RemoteCache
from tests.support import FakeClock, planned, until

KEY = Key("s", "read", None)
LOST = ToolCallFailed("lost", executionState="unknown")


class FakeServer:
    def __init__(self) -> None:
        self.unanswered = Unanswered()


class Scene:
    """The stage of one listener, and what another one sees of the store."""

    def __init__(self) -> None:
        self.store, self.server, self.time = RemoteCache(), FakeServer(), FakeClock()
        self.store.configure(CacheLimits(ttl_seconds=60), 0)
        self.writes = Writes(self.store)
        servers: Any = {"s": self.server}
        self.stage = Announcing(self.writes, servers, self.time.clock)
        kept = self.store.kept
        assert kept.put(KEY, b"old", 0, kept.begin("s", lambda: 0.0))

    async def begins(self, **about: Any) -> Call:
        call: Call = planned(deadline=self.time.clock.monotonic() + 5, **about)
        entering = self.stage.enter(call)
        assert entering is not None
        await entering
        return call

    async def ends(self, call: Call, outcome: Any) -> None:
        left = self.stage.leave(call, outcome)
        assert (await left if inspect.isawaitable(left) else left) is outcome

    @property
    def is_trusted(self) -> bool:
        """Whether a read that begins now at the other listener counts."""
        return self.store.kept.begin("s", self.time.clock.monotonic) is not None


async def test_what_was_read_before_is_worthless_when_a_write_begins() -> None:
    scene = Scene()
    call = await scene.begins()
    assert not scene.store.kept.has(KEY, 0)
    assert not scene.is_trusted
    await scene.ends(call, Result(b"{}"))
    assert scene.is_trusted
    await scene.writes.close()


async def test_a_listener_that_dies_meanwhile_or_loses_the_store_has_told_of_it() -> None:
    scene = Scene()
    call = await scene.begins()
    scene.store.wire.way = FAILS
    await scene.ends(call, Result(b"{}"))
    assert not scene.is_trusted
    await scene.writes.close()
    assert not scene.is_trusted


@pytest.mark.parametrize("outcome", [LOST, Cancelled(None)])
async def test_a_write_that_was_given_up_counts_until_its_late_answer(outcome: Exception) -> None:
    scene, peer = Scene(), object()
    scene.server.unanswered.given_up(peer, 7)
    call = await scene.begins(number=7)
    await scene.ends(call, outcome)
    assert not scene.is_trusted
    scene.server.unanswered.answered(peer, 7)
    await until(lambda: scene.is_trusted, "the end")
    await scene.writes.close()


async def test_where_the_store_does_not_answer_the_write_goes_on_and_its_end_is_told() -> None:
    scene = Scene()
    scene.store.wire.way = FAILS
    call = await scene.begins()
    scene.store.wire.way = SLOW
    assert scene.store.kept.has(KEY, 0)
    await scene.ends(call, Result(b"{}"))
    assert not scene.store.kept.has(KEY, 0)
    await scene.writes.close()


async def test_it_counts_for_as_long_as_it_may_take_and_no_longer_than_an_hour() -> None:
    scene = Scene()
    announced = scene.writes.announce("s", 0.0, 1e9)
    assert announced is not None
    assert await announced
    kept = scene.store.kept
    assert kept.begin("s", lambda: MOST_SECONDS + 59) is None
    assert kept.begin("s", lambda: MOST_SECONDS + 61) is not None
    await asyncio.sleep(0)
    await scene.writes.close()
