"""What a cache promises, in memory and behind a wire."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from callmux.stores.cache import CacheLimits, Key, SharedCache
from callmux.stores.memory import MemoryCache
from tests.stores.remote import RemoteCache
from tests.support import play

KEY, OTHER = Key("a", "t", b"{}"), Key("b", "t", b"{}")


async def given(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


def now() -> float:
    return 0.0


@pytest.fixture(params=[MemoryCache, RemoteCache])
def cache(request: pytest.FixtureRequest) -> SharedCache:
    made: SharedCache = request.param()
    made.configure(CacheLimits(ttl_seconds=60), 0)
    return made


def played(scene: Callable[[], Any]) -> None:
    play(scene())


async def put(cache: SharedCache, key: Key, raw: bytes = b"1") -> bool:
    kept: bool = await given(cache.put(key, raw, 0, await given(cache.begin(key.server, now))))
    return kept


def test_what_is_put_is_got_and_cleared(cache: SharedCache) -> None:
    async def scene() -> None:
        assert await put(cache, KEY)
        assert await put(cache, OTHER)
        assert await given(cache.get(KEY, 0)) == b"1"
        assert await given(cache.has(KEY, 0)) is True
        assert await given(cache.clear(lambda server, tool: server == "a", 0)) == 1
        assert await given(cache.get(KEY, 0)) is None
        assert await given(cache.has(OTHER, 0)) is True
        assert await given(cache.clear(None, 0)) == 1

    played(scene)


def test_a_write_makes_worthless_what_was_read_before(cache: SharedCache) -> None:
    async def scene() -> None:
        began = await given(cache.begin("a", now))
        await put(cache, KEY)
        await given(cache.wrote("a"))
        assert await given(cache.get(KEY, 0)) is None
        assert await given(cache.put(KEY, b"old", 0, began)) is False
        assert await put(cache, KEY, b"new")
        doubt = await given(cache.doubt("a", 0))
        assert await given(cache.begin("a", now)) is None
        assert await put(cache, KEY) is False
        await given(cache.sure("a", doubt))
        assert await put(cache, KEY)

    played(scene)
