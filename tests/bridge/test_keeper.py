"""One session at a time, taken up again after every kind of trouble; no hurry where nobody waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any, cast

import pytest

from callmux.bridge.failures import LinkFailure, Reason
from callmux.bridge.keeper import Keeper, Patience, delay_seconds
from callmux.bridge.link import Link
from tests.support import settle

REFUSED = LinkFailure(Reason.UNREACHABLE, "refused")
UNKNOWN = LinkFailure(Reason.SESSION, "unknown session")
FORBIDDEN = LinkFailure(Reason.REFUSED, "401", status=401)


class Scene:
    """A keeper whose links do what `outcomes` says, one entry for each handshake (`open`) or GET (`listen`).

    Attributes:
        log: What was tried, with the loop's time since the start.
    """

    def __init__(self, *outcomes: Any, revive: Any = None) -> None:
        self.outcomes = list(outcomes)
        self.log: list[tuple[float, str]] = []
        self.told: list[str] = []
        self.links: list[ScriptedLink] = []
        self._began = asyncio.get_running_loop().time()
        self.keeper = Keeper(self._dial, self, Patience(outage=30.0, never=1.0), revive)

    def now(self) -> float:
        return round(asyncio.get_running_loop().time() - self._began, 2)

    def _dial(self, ended: Callable[[Link], None]) -> Link:
        self.links.append(ScriptedLink(self, ended))
        return cast(Link, self.links[-1])

    async def step(self, what: str) -> None:
        self.log.append((self.now(), what))
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if isinstance(outcome, Exception):
            raise outcome
        if isinstance(outcome, asyncio.Event):
            await outcome.wait()

    async def restore(self, link: Link) -> None:
        self.told.append("restore")

    def returned(self, fresh: bool) -> None:
        self.told.append("fresh" if fresh else "again")

    def gone(self, link: Link) -> None:
        self.told.append("gone")

    async def get(self, seconds: float = 60.0, **more: Any) -> Link:
        return await self.keeper.get(asyncio.get_running_loop().time() + seconds, **more)


class ScriptedLink:
    pause_seconds = 0.0

    def __init__(self, scene: Scene, ended: Callable[[Link], None]) -> None:
        self._scene = scene
        self._ended = ended
        self.greeting = b""
        self.closed = False

    async def open(self, greeting: bytes) -> None:
        self.greeting = greeting
        await self._scene.step("open")

    async def listen(self) -> None:
        await self._scene.step("listen")

    def ends(self) -> None:
        self._ended(cast(Link, self))

    def abandon(self) -> None:
        pass

    async def close(self) -> None:
        self.closed = True


async def test_the_first_request_gets_a_link() -> None:
    s = Scene()
    s.keeper.start(b'{"a":1}')
    assert await s.get() is cast(Any, s.links[0])
    await settle()
    assert s.links[0].greeting == b'{"a":1}'
    assert [what for _, what in s.log] == ["open", "listen"]
    assert s.told == ["restore", "fresh"]
    assert repr(s.keeper) == "Keeper(up, 0 waiting)"
    await s.keeper.close()
    assert s.links[0].closed
    assert s.keeper.link is None


async def test_a_lost_stream_is_opened_again_in_the_same_session() -> None:
    """Requests go on meanwhile: only a refused connection stops them."""

    s = Scene()
    link = await s.get()
    await asyncio.sleep(5)
    s.links[0].ends()
    assert await s.get() is link
    await settle()
    assert [what for _, what in s.log] == ["open", "listen", "listen"]
    assert s.told[-2:] == ["restore", "again"], "another process may be there now"
    await s.keeper.close()


async def test_a_forgotten_session_is_begun_anew_at_once() -> None:
    s = Scene(None, None, UNKNOWN)
    await s.get()
    await asyncio.sleep(5)
    s.links[0].ends()
    await settle()
    assert s.log[2:] == [(5.0, "listen"), (5.0, "open"), (5.0, "listen")]
    assert s.told[-3:] == ["gone", "restore", "fresh"]
    s.keeper.expire(await s.get())
    assert s.keeper.link is None
    assert await s.get() is cast(Any, s.links[2])
    await s.keeper.close()


async def test_attempts_slow_down_while_nobody_waits() -> None:
    s = Scene(*[REFUSED] * 20)
    s.keeper.start(b"{}")
    await asyncio.sleep(60)
    times = [at for at, _ in s.log]
    gaps = [round(b - a, 2) for a, b in pairwise(times)]
    assert gaps[:8] == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    await s.keeper.close()


async def test_attempts_are_quick_while_somebody_waits() -> None:
    """And they do not slow down the ones after."""

    s = Scene(None, None, *[REFUSED] * 60)
    link = await s.get()
    await asyncio.sleep(5)
    s.keeper.doubt(link)
    began = s.now()
    assert await s.get() is link
    assert 2.8 < s.now() - began < 3.2
    assert s.told[-2:] == ["restore", "again"], "another process may be there now"
    await s.keeper.close()


async def test_a_listener_that_never_was_is_waited_for_shortly() -> None:
    s = Scene(*[REFUSED] * 500)
    with pytest.raises(LinkFailure, match="refused"):
        await s.get()
    assert s.now() == 1.0
    with pytest.raises(LinkFailure):
        await s.get(0.3)
    assert s.now() == 1.3
    with pytest.raises(LinkFailure):
        await s.get(hasty=True)
    assert s.now() < 1.4
    await s.keeper.close()


async def test_a_listener_that_was_there_is_waited_for_longer() -> None:
    """Each request 30 s after the loss; those that come later only for a moment."""

    s = Scene(None, None, *[REFUSED] * 2000)
    link = await s.get()
    await asyncio.sleep(5)
    s.keeper.doubt(link)
    with pytest.raises(LinkFailure, match="refused"):
        await s.get()
    assert s.now() == 35.0
    with pytest.raises(LinkFailure):
        await s.get()
    assert s.now() == 36.0
    await s.keeper.close()


async def test_a_handshake_that_takes_long_is_waited_for() -> None:
    slow = asyncio.Event()
    s = Scene(slow)
    asyncio.get_running_loop().call_later(5, slow.set)
    await s.get()
    assert s.now() == 5.0
    await s.keeper.close()


async def test_a_handshake_that_never_ends_is_given_up() -> None:
    """Weak spot L39 of callmux (npm)."""
    s = Scene(asyncio.Event())
    with pytest.raises(LinkFailure, match="does not answer"):
        await s.get()
    assert s.now() == 20.0
    await s.keeper.close()


async def test_a_refusal_is_told_at_once_and_tried_again_slowly() -> None:
    s = Scene(FORBIDDEN, FORBIDDEN)
    with pytest.raises(LinkFailure, match="401"):
        await s.get()
    assert s.now() == 0.0
    await asyncio.sleep(5)
    assert s.keeper.link is not None
    await s.keeper.close()


async def test_a_stream_that_ends_at_once_is_not_opened_without_end() -> None:
    """The requests do not mind."""

    s = Scene()
    link = await s.get()
    for _ in range(5):
        s.links[0].ends()
        assert await s.get() is link
        await asyncio.sleep(0.1)
    assert len(s.log) < 5
    await s.keeper.close()


async def test_whoever_can_start_a_listener_is_asked_where_there_is_none() -> None:
    asked: list[float] = []

    async def revive() -> None:
        asked.append(s.now())

    s = Scene(REFUSED, revive=revive)
    await s.get()
    assert len(asked) == 2
    await asyncio.sleep(5)
    s.links[0].ends()
    await settle()
    assert len(asked) == 2
    await s.keeper.close()


async def test_another_greeting_begins_another_session() -> None:
    s = Scene()
    s.keeper.start(b"1")
    link = await s.get()
    s.keeper.start(b"1")
    assert await s.get() is link
    s.keeper.start(b"2")
    assert await s.get() is not link
    await settle()
    assert (s.links[0].closed, s.links[1].greeting) == (True, b"2")
    await s.keeper.close()


def test_delays() -> None:
    assert [delay_seconds(n, False) for n in (0, 1, 5, 99)] == [0.25, 0.5, 8.0, 10.0]
    assert delay_seconds(9, True) == 0.05
