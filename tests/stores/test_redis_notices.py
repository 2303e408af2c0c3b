"""Notices in Redis: everybody hears of each, also where Redis comes back with its clock behind."""

from __future__ import annotations

from callmux.stores.redis_connection import RedisConnection
from callmux.stores.redis_notices import START, RedisNotices
from tests.redis_server import connected
from tests.support import real_loop


def notices(redis: RedisConnection) -> RedisNotices:
    return RedisNotices(redis, "notices", 100, 60_000)


@real_loop()
async def test_everybody_hears_of_what_was_told_since_the_last_look(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        board = notices(redis)
        assert await board.told("") == (START, [])
        assert await board.told(START) == (START, [])
        await board.tell("a")
        first, found = await board.told("")
        assert (found, first != START) == ([], True)
        await board.tell(b"\xff")
        await board.tell("c")
        second, found = await board.told(first)
        assert found == [b"\xff", b"c"]
        assert await board.told(second) == (second, [])
        assert await board.told(START) == (second, [b"a", b"\xff", b"c"])
        assert 0 < await redis.run("PTTL", redis.key("notices")) <= 60_000


@real_loop()
async def test_old_ones_are_dropped_and_those_that_are_left_are_told(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        board = RedisNotices(redis, "notices", 10, 60_000)
        await board.tell("first")
        place, _ = await board.told("")
        for n in range(300):
            await board.tell(str(n))
        _, found = await board.told(place)
        assert 10 <= len(found) < 300
        assert found[-1] == b"299"


@real_loop()
async def test_a_redis_that_lost_its_notices_and_is_behind_loses_no_new_ones(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        board = notices(redis)
        # The clock was an hour ahead, and the new one is right.
        await redis.run("XADD", redis.key("notices"), f"{await _now(redis) + 3600_000}-0", "notice", "old")
        place, _ = await board.told("")
        await redis.run("DEL", redis.key("notices"))
        assert await board.told(place) == (place, [])
        await board.tell("new")
        place, found = await board.told(place)
        assert found == [b"new"]
        assert await board.told(place) == (place, [])


@real_loop()
async def test_one_that_lost_the_last_ones_tells_all_once_more(redis_url: str) -> None:
    """A replica that did not have the last notice yet, whose clock is behind, and that reaches its place."""
    async with connected(redis_url) as redis:
        board, stream = notices(redis), redis.key("notices")
        for id, notice in ((1, "a"), (5, "lost")):
            await redis.run("XADD", stream, f"{id}-0", "notice", notice)
        place, _ = await board.told("")
        await redis.run("XDEL", stream, place)
        await redis.run("XSETID", stream, "1-0")
        for id in (3, 9):
            await redis.run("XADD", stream, f"{id}-0", "notice", str(id))
        assert await board.told(place) == ("9-0", [b"a", b"3", b"9"])


async def _now(redis: RedisConnection) -> int:
    seconds, _ = await redis.run("TIME")
    return int(seconds) * 1000
