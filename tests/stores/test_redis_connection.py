"""A connection to a Redis that goes and comes: nothing hangs, nobody asks in vain, and its return is told."""

from __future__ import annotations

import asyncio

import pytest

from callmux.errors import StoreUnavailable
from callmux.stores.redis_connection import CommandRefused, RedisConnection, Script
from tests.redis_server import PATIENT, RedisServer, connected, connection, stopped
from tests.support import SECONDS, real_loop, until

ADD = Script("return redis.call('INCRBY', KEYS[1], ARGV[1])")


@real_loop()
async def test_commands_and_scripts_are_answered_under_keys_of_our_own(redis_url: str) -> None:
    async with connected(redis_url) as redis, connected(redis_url) as other:
        assert await redis.run("SET", redis.key("a", "b"), b"\0x") is True
        assert await redis.run("GET", redis.key("a", "b")) == b"\0x"
        assert await other.run("GET", other.key("a", "b")) is None
        assert ":1:" in redis.key("a")
        assert await redis.evaluate(ADD, [redis.key("n")], 2) == 2
        assert await redis.evaluate(ADD, [redis.key("n")], 3) == 5


@real_loop()
async def test_a_script_that_redis_has_forgotten_is_sent_again(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        await redis.evaluate(ADD, [redis.key("n")], 1)
        await redis.run("SCRIPT FLUSH")
        assert await redis.evaluate(ADD, [redis.key("n")], 1) == 2


@real_loop()
async def test_a_command_that_is_refused_fails_alone(redis_url: str) -> None:
    async with connected(redis_url) as redis:
        await redis.run("SET", redis.key("text"), "x")
        with pytest.raises(StoreUnavailable, match="refuses INCR"):
            await redis.run("INCR", redis.key("text"))
        assert redis.is_up
        assert await redis.run("GET", redis.key("text")) == b"x"


@real_loop()
async def test_where_nobody_is_there_it_is_said_once_and_nobody_waits(
    tmp_path: object, caplog: pytest.LogCaptureFixture
) -> None:
    redis = connection(f"unix://{tmp_path}/none")
    try:
        assert not await redis.open()
        for _ in range(5):
            with pytest.raises(StoreUnavailable, match=r"/none: .*No such file or directory$"):
                await redis.run("GET", "x")
        assert caplog.text.count("could not reach Redis") == 1
    finally:
        await redis.close()


@real_loop()
async def test_it_comes_back_by_itself_and_what_was_lost_is_told(
    own_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[bool] = []
    async with connected(own_redis.url) as redis:
        redis.when_returned(lambda: told.append(redis.is_up))
        await redis.run("SET", redis.key("a"), "x")
        own_redis.kill()
        with pytest.raises(StoreUnavailable):
            await redis.run("GET", redis.key("a"))
        await until(lambda: "could not reach Redis" in caplog.text, "that it is away")
        own_redis.start()
        await until(lambda: told, "its return")
        assert told == [True]
        assert redis.problem == ""
        assert await redis.run("GET", redis.key("a")) is None
        assert "is lost" in caplog.text


@real_loop()
async def test_one_that_is_stopped_costs_each_caller_a_bounded_time_and_goes_on(
    own_redis: RedisServer,
) -> None:
    async with connected(own_redis.url) as redis:
        await redis.run("SET", redis.key("a"), "x")
        with stopped(own_redis, redis):
            ask = asyncio.get_running_loop().create_task
            asked = [ask(redis.run("GET", redis.key("a"))) for _ in range(50)]
            await asyncio.wait(asked)
            assert all(isinstance(task.exception(), StoreUnavailable) for task in asked)
            assert not redis.is_up
        await until(lambda: redis.is_up, "its return")
        assert await redis.run("GET", redis.key("a")) == b"x"


@real_loop()
async def test_an_end_that_nobody_asked_about_is_noticed(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callmux.stores.redis_connection.PAUSE_SECONDS", 0.05)
    async with connected(own_redis.url) as redis:
        own_redis.kill()
        await until(lambda: not redis.is_up, "the end")


@real_loop()
@pytest.mark.parametrize(
    ("hindrance", "remedy", "why"),
    [
        (
            ("ACL", "SETUSER", "default", "-eval"),
            ("ACL", "SETUSER", "default", "+eval"),
            "no permissions to run the 'eval'",
        ),
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE"), "read only replica"),
        (
            ("CONFIG", "SET", "min-replicas-to-write", "1"),
            ("CONFIG", "SET", "min-replicas-to-write", "0"),
            "Not enough good replicas",
        ),
    ],
)
async def test_one_that_answers_and_takes_nothing_is_not_there_and_says_why(
    hindrance: tuple[str, ...],
    remedy: tuple[str, ...],
    why: str,
    own_redis: RedisServer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("callmux.stores.redis_connection.PAUSE_SECONDS", 0.02)
    monkeypatch.setattr("callmux.stores.redis_connection.LONGEST_DELAY", 0.02)
    async with connected(own_redis.url) as redis, connected(own_redis.url, seconds=5) as admin:
        await admin.run("GET", redis.key("mark"))
        await admin._client.execute_command(*hindrance)
        await until(lambda: not redis.is_up, "that it is of no use")
        assert why in redis.problem
        assert "script:" not in redis.problem
        with pytest.raises(StoreUnavailable, match=why):
            await redis.run("GET", "a")
        await until(lambda: why in caplog.text, "a line in the log")
        await admin._client.execute_command(*remedy)
        await until(lambda: redis.is_up, "that it is of use again")


@real_loop()
async def test_one_without_room_still_gives_what_it_has(own_redis: RedisServer) -> None:
    async with connected(own_redis.url) as redis:
        await redis.run("SET", redis.key("a"), "x")
        await redis.run("CONFIG", "SET", "maxmemory", 1)
        assert not await redis._is_emptied()
        with pytest.raises(CommandRefused, match="maxmemory"):
            await redis.run("SET", redis.key("b"), "x")
        assert await redis.run("GET", redis.key("a")) == b"x"


@real_loop()
async def test_who_gives_up_never_leaves_an_answer_for_somebody_else(redis_url: str) -> None:
    """A connection whose answer is still to come must not serve the next command."""
    async with connected(redis_url) as redis:
        await asyncio.gather(*(redis.run("SET", redis.key(str(n)), str(n)) for n in range(20)))

        async def gives_up(n: int) -> None:
            task = asyncio.get_running_loop().create_task(redis.run("GET", redis.key(str(n))))
            for _ in range(n % 7):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait({task})

        async def reads(n: int) -> None:
            assert await redis.run("GET", redis.key(str(n))) == str(n).encode()

        for _ in range(10):
            await asyncio.gather(*(f(n) for n in range(20) for f in (gives_up, reads)))
        assert (redis.is_up, redis.failures) == (True, 0)


def test_what_it_prints_says_how_it_is() -> None:
    async def scene() -> RedisConnection:
        return connection("redis://me:hush@nowhere")

    shown = repr(asyncio.run(scene()))
    assert "nowhere" in shown
    assert "hush" not in shown


class _Stubborn:
    """A client that goes on when it is cancelled, as one may in the middle of its own trouble."""

    def __init__(self) -> None:
        self.asked = 0
        self.busy = asyncio.Event()

    async def execute_command(self, *command: object, **options: object) -> object:
        self.asked += 1
        if self.asked == 1:
            return b"mark"
        self.busy.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return b"mark"
        return b"late"

    async def aclose(self) -> None:
        """Nothing is open."""


@real_loop()
async def test_a_command_that_was_given_up_ends_before_the_connections_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may be in the middle of opening another one, which nobody would close."""
    monkeypatch.setattr("callmux.stores.redis_connection.END_SECONDS", 0.05)
    order: list[str] = []
    asked = asyncio.Event()

    class Slow(_Stubborn):
        async def execute_command(self, *command: object, **options: object) -> object:
            if command[0] == "EVAL":
                return b"mark"
            asked.set()
            try:
                await asyncio.sleep(60)
            finally:
                order.append("command")
            return b"late"

        async def aclose(self) -> None:
            order.append("connections")

    redis = RedisConnection(Slow(), "there", "x:", 30.0, 5.0)
    assert await redis.open()
    task = asyncio.get_running_loop().create_task(redis.run("GET", "x"))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (order, len(redis._given_up)) == ([], 1)
    await redis.close()
    assert (order, redis._given_up) == (["command", "connections"], set())


@real_loop()
async def test_it_ends_even_where_its_client_swallows_that_it_is_cancelled() -> None:
    client = _Stubborn()
    redis = RedisConnection(client, "there", "x:", 5.0, 5.0)
    assert await redis.open()
    redis._doubt.set()
    await asyncio.wait_for(client.busy.wait(), SECONDS)
    await redis.close()
    assert not len(redis._tasks)
    assert client.asked == 2


@real_loop()
async def test_who_finds_no_turn_in_time_is_told_so_and_nobody_thinks_that_redis_is_away(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callmux.stores.redis_connection.CONNECTIONS", 0)
    async with connected(redis_url) as redis:
        redis._seconds = 0.01
        for _ in range(3):
            with pytest.raises(StoreUnavailable, match="too much is asked"):
                await redis.run("GET", redis.key("a"))
        assert redis.is_up
        redis._seconds = PATIENT
        waiting = [asyncio.get_running_loop().create_task(redis.run("PING")) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        redis._turns.give_back()
        assert await asyncio.gather(*waiting[1:]) == [True, True]
