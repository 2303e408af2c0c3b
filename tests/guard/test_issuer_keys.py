"""Keys are fetched when they are needed, kept for a while, and no flood of made-up ids hides a new one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from callmux.guard import issuer_keys as module
from callmux.guard.issuer_keys import (
    INTERVAL_SECONDS,
    STALE_SECONDS,
    UNKNOWN_SECONDS,
    IssuerKeys,
    NoDocument,
    NoKeys,
)
from callmux.tasks import TaskSet
from tests.guard.issuer import public, rsa
from tests.support import play

TTL = 300.0


class Issuer:
    """An issuer whose keys can change, and who can fail or be slow."""

    def __init__(self, ttl: float = TTL) -> None:
        self.keys = [rsa("a")]
        self.down = False
        self.seconds = 0.0
        self.fetches: list[float] = []
        self.raw: bytes | None = None
        loop = asyncio.get_running_loop()
        self.known = IssuerKeys(self._fetch, ttl, loop.time, TaskSet("test"))

    async def _fetch(self) -> bytes:
        self.fetches.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.seconds)
        if self.down:
            raise NoDocument("nobody is there")
        return self.raw if self.raw is not None else public(*self.keys)

    async def has(self, kid: str) -> bool | None:
        """Whether it has a key; None where it has none at all."""
        try:
            return bool(await self.known.find(kid))
        except NoKeys:
            return None


def scene(story: Callable[[Issuer], Awaitable[None]], ttl: float = TTL) -> None:
    async def told() -> None:
        async with asyncio.timeout(1e6):
            await story(Issuer(ttl))

    play(told())


def test_keys_are_fetched_once_for_everybody_and_kept() -> None:
    async def story(issuer: Issuer) -> None:
        issuer.seconds = 1
        assert await asyncio.gather(*(issuer.has("a") for _ in range(50))) == [True] * 50
        await asyncio.sleep(TTL - 2)
        assert await issuer.has("a")
        assert len(issuer.fetches) == 1

    scene(story)


def test_old_keys_are_fetched_anew_while_nobody_waits_and_after_a_long_pause_everybody_does() -> None:
    async def story(issuer: Issuer) -> None:
        await issuer.has("a")
        issuer.seconds = 1
        issuer.keys = [rsa("b")]
        await asyncio.sleep(TTL + 1)
        assert await issuer.has("a"), "it goes on with what there is"
        await asyncio.sleep(5)
        assert (await issuer.has("a"), await issuer.has("b")) == (False, True)
        issuer.keys = [rsa("c")]
        await asyncio.sleep(10 * TTL)
        assert await issuer.has("b") is False, "nothing that was withdrawn long ago counts once more"

    scene(story)


def test_a_key_that_is_new_is_found_at_once_and_what_it_replaced_is_withdrawn() -> None:
    async def story(issuer: Issuer) -> None:
        (old,) = await issuer.known.find("a")
        issuer.keys = [rsa("b")]
        await asyncio.sleep(INTERVAL_SECONDS)
        begun = asyncio.get_running_loop().time()
        assert await issuer.has("b")
        assert asyncio.get_running_loop().time() == begun
        assert not old.standing.valid

    scene(story)


def test_an_unknown_id_is_looked_for_once_and_not_for_each_request() -> None:
    async def story(issuer: Issuer) -> None:
        await issuer.has("a")
        await asyncio.sleep(INTERVAL_SECONDS)
        for _ in range(20):
            assert await issuer.has("made-up") is False
        assert len(issuer.fetches) == 2
        await asyncio.sleep(UNKNOWN_SECONDS)
        issuer.keys.append(rsa("made-up"))
        assert await issuer.has("made-up")

    scene(story)


@pytest.mark.parametrize("seconds", [0.0, 0.5, 3.0])
def test_a_flood_of_made_up_ids_neither_floods_the_issuer_nor_hides_a_new_key(seconds: float) -> None:
    async def story(issuer: Issuer) -> None:
        await issuer.has("a")
        issuer.seconds = seconds
        loop = asyncio.get_running_loop()
        asked: list[asyncio.Task[bool | None]] = []

        async def flood() -> None:
            for n in range(2000):
                asked.append(loop.create_task(issuer.has(f"../{n}'; --")))
                await asyncio.sleep(0.02)

        flooding = loop.create_task(flood())
        await asyncio.sleep(10)
        issuer.keys.append(rsa("b"))
        begun = loop.time()
        assert await issuer.has("b")
        assert loop.time() - begun <= 2 * (INTERVAL_SECONDS + seconds)
        assert await issuer.has("a"), "known keys never wait"
        await flooding
        assert set(await asyncio.gather(*asked)) == {False}
        took = issuer.fetches[-1] - issuer.fetches[0]
        assert len(issuer.fetches) <= took / INTERVAL_SECONDS + 2

    scene(story)


def test_those_who_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 5)

    async def story(issuer: Issuer) -> None:
        await issuer.has("a")
        await asyncio.sleep(1)
        found = asyncio.gather(*(issuer.has(f"x{n}") for n in range(100)))
        await asyncio.sleep(0)
        assert await issuer.has("a")
        assert await found == [False] * 100
        assert len(issuer.fetches) == 2

    scene(story)


def test_whoever_leaves_ends_the_fetch_for_nobody_else() -> None:
    async def story(issuer: Issuer) -> None:
        issuer.seconds = 1
        loop = asyncio.get_running_loop()
        first, second = loop.create_task(issuer.has("a")), loop.create_task(issuer.has("a"))
        await asyncio.sleep(0.5)
        first.cancel()
        assert await second
        assert len(issuer.fetches) == 1

    scene(story)


@pytest.mark.parametrize("raw", [None, b"<html>", b"{}"])
def test_in_an_outage_known_keys_go_on_for_a_while_and_then_no_more(
    raw: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(issuer: Issuer) -> None:
        (key,) = await issuer.known.find("a")
        issuer.down, issuer.raw = raw is None, raw
        until = asyncio.get_running_loop().time() + TTL + STALE_SECONDS
        while asyncio.get_running_loop().time() < until - 60:
            await asyncio.sleep(60)
            assert await issuer.has("a")
        assert key.standing.valid
        await asyncio.sleep(120)
        assert await issuer.has("a") is None
        assert not key.standing.valid, "what was found good by it ends, too"
        issuer.down, issuer.raw = False, None
        await asyncio.sleep(INTERVAL_SECONDS)
        assert await issuer.has("a")

    with caplog.at_level(logging.INFO):
        scene(story)
    told = [record.levelname for record in caplog.records if "keys of the issuer" in record.getMessage()]
    assert told == ["WARNING", "INFO"], "once when it begins, once when it ends"


def test_an_issuer_that_was_never_there_is_asked_at_intervals() -> None:
    async def story(issuer: Issuer) -> None:
        issuer.down = True
        for _ in range(100):
            assert await issuer.has("a") is None
            await asyncio.sleep(0.1)
        assert len(issuer.fetches) <= 10 / INTERVAL_SECONDS + 1
        issuer.down = False
        await asyncio.sleep(INTERVAL_SECONDS)
        assert await issuer.has("a")

    scene(story)


def test_keys_that_flip_are_found_whichever_are_there() -> None:
    """Two machines of an issuer that do not agree: each answer is believed while it is the last one."""

    async def story(issuer: Issuer) -> None:
        for n in range(20):
            issuer.keys = [rsa("a")] if n % 2 else [rsa("b")]
            await asyncio.sleep(UNKNOWN_SECONDS)
            assert await issuer.has("a" if n % 2 else "b")
            assert await issuer.has("b" if n % 2 else "a") is False

    scene(story)


def test_no_time_to_keep_them_means_as_often_as_is_allowed() -> None:
    async def story(issuer: Issuer) -> None:
        for _ in range(100):
            assert await issuer.has("a")
            await asyncio.sleep(0.1)
        assert 3 <= len(issuer.fetches) <= 10 / INTERVAL_SECONDS + 1

    scene(story, ttl=0)


def test_what_ends_while_keys_are_on_their_way_gets_none() -> None:
    async def story(issuer: Issuer) -> None:
        issuer.seconds = 1
        waiting = asyncio.get_running_loop().create_task(issuer.has("a"))
        await asyncio.sleep(0.5)
        issuer.known.close()
        assert await waiting is None
        assert await issuer.has("a") is None

    scene(story)
