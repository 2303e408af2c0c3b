"""Requests that are answered by a stream, kept for whoever takes their session over."""

from __future__ import annotations

from callmux.nodes.journal import MOST_BYTES, Journal
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
