"""Reads of resources are kept for as long as their servers say, and for those to whom they say it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from callmux.config.check import check_document
from callmux.plan import ToolCall
from callmux.protocol.shapes import Result
from callmux.rings.cache.holding import Holding
from callmux.rings.cache.keys import Keys, Numbers
from callmux.rings.cache.policy import ReusePolicy
from callmux.rings.cache.writes import Writes
from callmux.rings.call import Call
from callmux.rings.route import KEPT
from callmux.stores.cache import CacheLimits, SharedCache
from callmux.stores.counters import Counters
from callmux.stores.memory import MemoryCache
from callmux.upstream.questions import Questions
from tests.stores.remote import FAILS, HANGS, RemoteCache, Wire
from tests.support import FakeClient, FakeClock, context, planned, play, route, through


class FakeConnection:
    stateless: Any = "without a handshake"


class FakeServer:
    def __init__(self) -> None:
        self.questions = Questions()
        self.connection: Any = FakeConnection()


class Bench:
    """A server that numbers its answers, and what keeps them."""

    def __init__(self, store: SharedCache) -> None:
        config = check_document({"cacheTtlSeconds": 60, "servers": {"a": {"command": "x"}}}).config
        self.server, self.clock = FakeServer(), FakeClock()
        servers: Any = {"a": self.server}
        store.configure(CacheLimits(ttl_seconds=60), self.clock.now)
        self.writes, self.counters = Writes(store), Counters()
        keys = Keys(ReusePolicy(config), Numbers(), servers, lambda around: around.profile)
        given = keys, store, self.writes, self.counters, servers, self.clock.clock
        self.stage = Holding(*given)
        self.sent = 0
        self.says: dict[str, Any] = {"ttlMs": 5000, "cacheScope": "public"}
        self.meanwhile: Any = None

    async def proceed(self, call: Call, around: Any) -> Result:
        self.sent += 1
        await asyncio.sleep(0)
        if self.meanwhile is not None:
            await self.meanwhile()
        return Result(json.dumps({"contents": [], "n": self.sent, **self.says}).encode())

    def read(self, uri: str = "x:1", **around: Any) -> dict[str, Any]:
        """What a read brings."""
        call = planned(
            server="a",
            target=uri,
            key="uri",
            asked=ToolCall(spelling=uri),
            route=route("a", method="resources/read", bare="resources/read", verdict=KEPT, safe=True),
        )
        result: dict[str, Any] = json.loads(
            play(through(self.stage, call, context(**around), self.proceed)).raw
        )
        return result

    def number(self, uri: str = "x:1", **around: Any) -> int:
        return int(self.read(uri, **around)["n"])


@pytest.fixture(params=["in memory", "remote"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(MemoryCache() if request.param == "in memory" else RemoteCache())


def test_it_is_kept_for_as_long_as_the_server_says(bench: Bench) -> None:
    assert [bench.number(), bench.number(), bench.number("x:2")] == [1, 1, 2]
    assert bench.read()["ttlMs"] == 0, "how much is left of its time is not known"
    bench.clock.advance(4.9)
    assert bench.number() == 1
    bench.clock.advance(0.1)
    assert bench.number() == 3
    assert (bench.counters.hits, bench.counters.misses) == (3, 3)


def test_the_configuration_bounds_what_the_server_says(bench: Bench) -> None:
    bench.says["ttlMs"] = 3_600_000
    bench.number()
    bench.clock.advance(60)
    assert bench.number() == 2


@pytest.mark.parametrize("says", [{"ttlMs": 0, "cacheScope": "public"}, {}, {"ttlMs": 5000, "isError": True}])
def test_what_holds_for_no_time_is_not_kept(bench: Bench, says: dict[str, Any]) -> None:
    bench.says = says
    assert [bench.number(), bench.number()] == [1, 2]


def test_what_is_public_is_for_all_who_may_do_the_same(bench: Bench) -> None:
    assert bench.number(owner="ada", profile="some") == 1
    assert bench.number(owner="bob", profile="some") == 1
    assert bench.number(owner="ada", profile="all") == 2


@pytest.mark.parametrize("scope", ["private", None, "of another kind"])
def test_what_is_private_is_for_its_reader_alone(bench: Bench, scope: str | None) -> None:
    bench.says["cacheScope"] = scope
    assert [bench.number(owner="ada"), bench.number(owner="bob"), bench.number(owner="ada")] == [1, 2, 1]


def test_a_write_makes_it_worthless(bench: Bench) -> None:
    bench.number()
    play(written(bench))
    assert bench.number() == 2


def test_a_write_meanwhile_makes_it_worthless(bench: Bench) -> None:
    bench.meanwhile = lambda: written(bench)
    bench.number()
    bench.meanwhile = None
    assert bench.number() == 2


async def written(bench: Bench) -> None:
    bench.writes.wrote("a")
    await asyncio.sleep(1)


def test_what_a_client_had_a_say_in_is_not_kept(bench: Bench) -> None:
    client = FakeClient()

    async def asks() -> None:
        for heard in tuple(bench.server.questions._heard):
            heard(client)

    bench.meanwhile = asks
    assert [bench.number(client=client), bench.number(client=client)] == [1, 2]
    assert bench.server.questions._heard == set()


def test_only_servers_that_may_say_so_and_reads_that_may_be_kept_are_concerned(bench: Bench) -> None:
    assert bench.stage.concerns(route(method="resources/read", verdict=KEPT))
    assert not bench.stage.concerns(route(method="resources/read", safe=True))
    assert not bench.stage.concerns(route(verdict=KEPT))
    bench.server.connection.stateless = None
    assert [bench.number(), bench.number()] == [1, 2]
    bench.server.connection = None
    assert bench.number() == 3
    assert bench.counters.misses == 0


@pytest.mark.parametrize("way", [FAILS, HANGS])
def test_a_store_that_fails_keeps_nothing_and_hurts_nobody(way: str) -> None:
    bench = Bench(RemoteCache(Wire(way)))
    assert [bench.number(), bench.number()] == [1, 2]
