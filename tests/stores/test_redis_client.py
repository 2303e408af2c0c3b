"""Clients of every kind of Redis."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from callmux.config.redis_url import read_redis_url
from callmux.config.state import StateSection
from callmux.errors import ConfigError, StoreUnavailable
from callmux.nodes.journal import Journal
from callmux.nodes.register import NodeFacts, Register
from callmux.server_orders import ServerOrder
from callmux.stores.redis_cache import RedisCache
from callmux.stores.redis_client import failures, make_client
from callmux.stores.redis_configuration import RedisConfiguration
from callmux.stores.redis_connection import RedisConnection
from callmux.stores.redis_counts import RedisInFlight, RedisRates
from callmux.stores.redis_listeners import RedisListeners
from callmux.stores.redis_notices import START, RedisNotices
from callmux.stores.redis_overlay import RedisOverlay
from callmux.stores.redis_parked import RedisParkedCalls
from callmux.stores.redis_replay import RedisReplay
from callmux.stores.redis_results import RedisResults
from callmux.stores.redis_sessions import RedisSessions
from tests.certificates import Authority
from tests.redis_server import PATIENT, RedisServer, connected, own_prefix
from tests.stores.contracts import (
    FIRST,
    a_token_is_good_once,
    given,
    hits_can_be_taken_back,
    no_more_than_so_many_are_in_flight,
    results_keep_within_their_bytes,
    what_is_put_is_got_and_cleared,
)
from tests.stores.test_redis_sessions import KEPT as SESSION
from tests.support import SECONDS, free_port, real_loop, until

OPTIONS = StateSection(url="redis://a", timeout_ms=12_340, connect_timeout_ms=23_450)


@real_loop()
@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://me:hush@a:7/2", "Redis"),
        ("rediss://a", "Redis"),
        ("unix:///run/x", "Redis"),
        ("redis+sentinel://a,b/main", "Redis"),
        ("rediss+cluster://a,b", "RedisCluster"),
    ],
)
async def test_each_kind_of_url_has_its_client_and_none_waits_for_ever(url: str, kind: str) -> None:
    client = make_client(read_redis_url(url), OPTIONS, ca_file="/ca.pem", sentinel_password="hush")
    assert type(getattr(client, "primary", client)).__name__ == kind
    pool = getattr(getattr(client, "primary", client), "connection_pool", None)
    if pool is not None:
        assert pool.connection_kwargs["socket_timeout"] == 12.34
        assert pool.connection_kwargs.get("socket_connect_timeout", 23.45) == 23.45
    await client.aclose()


@real_loop()
async def test_who_signs_in_where_is_taken_from_the_address() -> None:
    client = make_client(read_redis_url("redis://me:hush@a:7/2"), OPTIONS)
    told = client.connection_pool.connection_kwargs  # type: ignore[attr-defined]
    assert (told["host"], told["port"], told["db"]) == ("a", 7, 2)
    assert (told["username"], told["password"]) == ("me", "hush")


def test_where_the_package_is_missing_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(ConfigError, match=r"pip install 'callmux\[redis\]'"):
        make_client(read_redis_url("redis://a"), OPTIONS)


def test_a_connection_that_cannot_be_made_means_that_it_is_away() -> None:
    away, refused = failures()
    assert issubclass(ConnectionRefusedError, away)
    assert issubclass(TimeoutError, away)
    assert not any(issubclass(AssertionError, kind) for kind in (*away, *refused))


async def asked(server: RedisServer, words: str) -> bytes:
    """What a server answers, as it comes."""
    reader, writer = await asyncio.open_unix_connection(str(server.socket))
    writer.write(words.encode() + b"\r\n")
    answer = await reader.read(65536)
    writer.close()
    return answer


NODE = NodeFacts(id="n", name="n", address="http://n:1", version="1")
ORDER = ServerOrder(action="stop", server="s", token="t")


@real_loop()
async def test_a_cluster_runs_every_script_of_ours(tmp_path: Path) -> None:
    """Keys of one script stand in one place."""
    port, bus = free_port(), free_port()
    words = ("--port", str(port), "--cluster-enabled", "yes", "--cluster-port", str(bus))
    server = RedisServer(*words)
    try:
        await asked(server, "CLUSTER ADDSLOTSRANGE 0 16383")
        async with asyncio.timeout(SECONDS):
            while b"cluster_state:ok" not in await asked(server, "CLUSTER INFO"):
                await asyncio.sleep(0.01)
        async with connected(f"redis+cluster://127.0.0.1:{port}") as redis:
            assert await RedisSessions(redis).put("id", SESSION, 60)
            assert await RedisSessions(redis).get("id") == SESSION
            await what_is_put_is_got_and_cleared(RedisCache(redis))
            await results_keep_within_their_bytes(RedisResults(redis))
            await a_token_is_good_once(RedisParkedCalls(redis))
            await hits_can_be_taken_back(RedisRates(redis, strict=True))
            flights = RedisInFlight(redis, strict=True)
            await no_more_than_so_many_are_in_flight(flights)
            await flights.close()
            streams = RedisReplay(redis)
            streams.put("a", FIRST, 0)
            await streams.close()
            assert await given(RedisReplay(redis).get("a", "r1", 0)) == FIRST
            assert (await RedisListeners(redis, lambda: 1.0).meet("aaaaaaaa", "one", "1")).same == []
            board, register = RedisNotices(redis, "notices", 10, 60_000), Register(redis)
            await board.tell("a")
            assert (await board.told(START))[1] == [b"a"]
            assert (await register.beat(NODE, 60_000, first=True)).nodes == {"n": NODE}
            assert await register.claim("s", "n", "", absent=True) == ("n", 1)
            for step in (register.release, register.forget):
                await step("s", "n")
            await register.tell(ORDER)
            assert (await register.told())[1] == [ORDER]
            await register.lapse("n")
            await register.remove("n")
            journal = Journal(redis)
            await journal.begin("s", "r1", b"{}")
            assert await journal.take("s", "r1") == b"{}"
            assert [await journal.claim("s", "name") for _ in range(2)] == [True, False]
            configuration = RedisConfiguration(redis)
            configuration.takes_effect({})
            await configuration.look()
            assert configuration.facts()["configuration"] == {"version": 1, "isNewest": True}
            assert await RedisOverlay(redis, bytes(32)).write(b"{}", 0) == 1
            server.kill()
            with pytest.raises(StoreUnavailable):
                await redis.run("GET", redis.key("a"))
    finally:
        server.close()


@real_loop()
async def test_sentinels_lead_to_the_server_that_takes_the_place_of_another(tmp_path: Path) -> None:
    one, other, watch = free_port(), free_port(), free_port()
    written = tmp_path / "sentinel.conf"
    written.write_text(
        f"port {watch}\nunixsocket {tmp_path}/s\nsentinel monitor main 127.0.0.1 {one} 1\n"
        "sentinel down-after-milliseconds main 200\nsentinel failover-timeout main 1000\n"
    )
    servers = [RedisServer("--port", str(one), "--repl-diskless-sync-delay", "0")]
    try:
        servers.append(RedisServer("--port", str(other), "--replicaof", f"127.0.0.1 {one}"))
        async with asyncio.timeout(SECONDS):
            # A sentinel that comes first hears of its replica ten seconds later.
            while b"state=online" not in await asked(servers[0], "INFO replication"):
                await asyncio.sleep(0.01)
            servers.append(RedisServer(sentinel=written, at=tmp_path / "s"))
            while b"127.0.0.1" not in await asked(servers[2], "SENTINEL REPLICAS main"):
                await asyncio.sleep(0.01)
        async with connected(f"redis+sentinel://127.0.0.1:{watch}/main") as redis:
            key = redis.key("a")
            await redis.run("SET", key, "x")
            servers[0].kill()
            with pytest.raises(StoreUnavailable):
                await redis.run("GET", key)
            await until(lambda: redis.is_up, "the other server")
            await redis.run("SET", key, "y")
    finally:
        for server in servers:
            server.close()


@real_loop()
async def test_a_server_with_tls_is_checked(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    (cert, key), port = authority.issue(), free_port()
    tls = ("--tls-cert-file", str(cert), "--tls-key-file", str(key))
    server = RedisServer("--tls-port", str(port), *tls, "--tls-auth-clients", "no")
    try:
        address = read_redis_url(f"rediss://localhost:{port}/0")
        for ca_file, answer in ((str(authority.file), b"x"), (None, None)):
            client = make_client(address, OPTIONS, ca_file=ca_file)
            redis = RedisConnection(client, address.shown, own_prefix(), PATIENT, PATIENT)
            assert await redis.open() is (answer is not None)
            if answer is not None:
                await redis.run("SET", redis.key("a"), answer)
                assert await redis.run("GET", redis.key("a")) == answer
            await redis.close()
    finally:
        server.close()
