"""Requests that are answered by a stream, kept for whoever takes their session over."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from callmux.nodes.journal import ANSWERED_SECONDS, MOST_BYTES, Journal
from callmux.stores.redis_connection import Script, Word
from tests.redis_server import RedisServer, connected, own_prefix
from tests.support import real_loop


@real_loop()
async def test_another_node_takes_a_request_up_once(redis_url: str) -> None:
    prefix = own_prefix()
    async with connected(redis_url, prefix) as one, connected(redis_url, prefix) as other:
        await Journal(one).begin("s", "r5", b"{}")
        assert await Journal(other).take("s", "r6") is None
        assert await Journal(other).take("t", "r5") is None
        assert await Journal(other).take("s", "r5") == b"{}"
        assert await Journal(other).take("s", "r5") is None
        keys = await one.run("KEYS", one.key("*"))
        assert all(b"begun" not in key for key in keys)


@real_loop()
async def test_what_its_client_has_is_not_kept(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        journal = Journal(redis)
        await journal.begin("s", "r5", b"{}")
        await journal.end("s", "r5")
        await journal.begin("s", "r6", b"x" * (MOST_BYTES + 1))
        assert await journal.take("s", "r5") is None
        assert await journal.take("s", "r6") is None


@real_loop()
async def test_nothing_fails_because_redis_is_away(own_redis: RedisServer) -> None:
    async with connected(own_redis.url) as redis:
        own_redis.kill()
        journal = Journal(redis)
        await journal.begin("s", "r5", b"{}")
        await journal.end("s", "r5")
        assert await journal.take("s", "r5") is None
        assert await journal.claim("s", "n"), "nobody can take it elsewhere"
        await journal.answered("s", "n")


@real_loop()
async def test_a_name_is_taken_once_at_all_nodes(redis_url: str) -> None:
    prefix = own_prefix()
    async with connected(redis_url, prefix) as one, connected(redis_url, prefix) as other:
        assert await Journal(one).claim("s", "n")
        assert not await Journal(one).claim("s", "n")
        assert not await Journal(other).claim("s", "n")
        assert await Journal(other).claim("t", "n"), "it is another session's"
        await Journal(one).answered("s", "n")
        assert not await Journal(other).claim("s", "n"), "it stays taken for a moment"
        lives = [await one.run("TTL", key) for key in await one.run("KEYS", one.key("once", "*"))]
        assert sorted(life <= ANSWERED_SECONDS for life in lives) == [False, True]


@real_loop()
async def test_a_claim_that_is_sent_twice_is_its_own(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected(redis_url) as redis:
        asked = redis.evaluate

        async def twice(script: Script, keys: Sequence[str], *arguments: Word) -> object:
            await asked(script, keys, *arguments)
            return await asked(script, keys, *arguments)

        monkeypatch.setattr(redis, "evaluate", twice)
        assert await Journal(redis).claim("s", "n")
