"""A read that was made before is answered without its server; nothing else is."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from callmux.config.check import check_document
from callmux.context import Scope
from callmux.errors import ToolCallFailed
from callmux.plan import ToolCall
from callmux.protocol.shapes import Result, Tool
from callmux.rings.cache.keys import Keys, Numbers
from callmux.rings.cache.policy import ReusePolicy
from callmux.rings.cache.stage import Caching
from callmux.rings.cache.writes import Writes
from callmux.rings.call import Call
from callmux.stores.cache import CacheLimits, SharedCache
from callmux.stores.counters import Counters
from callmux.stores.memory import MemoryCache
from callmux.upstream.questions import Questions
from tests.stores.remote import FAILS, HANGS, LATE_FAILS, SLOW, RemoteCache, Wire
from tests.support import FakeClient, FakeClock, context, planned, play, through

READER = Tool(b'{"name":"get","annotations":{"readOnlyHint":true}}')
WRITER = Tool(b'{"name":"set"}')


class FakeServer:
    def __init__(self) -> None:
        self.questions = Questions()


class Bench:
    """A cache in front of a server that numbers its answers.

    Args:
        store: Where they are kept.
        kept: The same, where `store` is on another machine.
    """

    def __init__(self, store: SharedCache, kept: MemoryCache) -> None:
        config = check_document({"cacheTtlSeconds": 60, "servers": {"a": {"command": "x"}}}).config
        self.server = FakeServer()
        self.store, self.kept = store, kept
        self.store.configure(CacheLimits(ttl_seconds=60), 0)
        self.writes, self.counters = Writes(self.store), Counters()
        servers: Any = {"a": self.server}
        policy = ReusePolicy(config)
        self.clock = FakeClock()
        keys = Keys(policy, Numbers(), servers)
        self.stage = Caching(keys, self.store, self.writes, self.counters, servers, self.clock.clock)
        self.sent = 0
        self.answer: Any = None

    async def proceed(self, call: Call, around: Any) -> Result:
        self.sent += 1
        if callable(self.answer):
            told = self.answer()
            if told is not None:
                await told
        if isinstance(self.answer, Exception):
            raise self.answer
        if isinstance(self.answer, bytes):
            return Result(self.answer)
        return Result(b'{"content":[],"n":%d}' % self.sent)

    def call(self, arguments: Any = None, tool: Tool = READER, anew: bool = False, **around: Any) -> int:
        """The number of the answer to a call."""
        call = msgspec.structs.replace(self.planned(arguments, tool), scope=around.pop("scope", None))
        call.asked = msgspec.structs.replace(call.asked, force_reconnect=anew)
        given = around.pop("context", None) or context(**around)
        if not self.stage.concerns(call.route):
            return int(json.loads(play(self.proceed(call, given)).raw).get("n", 0))
        result = play(through(self.stage, call, given, self.proceed))
        return int(json.loads(result.raw).get("n", 0))

    def planned(self, arguments: Any = None, tool: Tool = READER, around: Any = None) -> Call:
        raw = None if arguments is None else Raw(json.dumps(arguments).encode())
        asked = ToolCall(spelling=tool.name, arguments=raw)
        return planned(
            context=around or context(),
            server="a",
            method="tools/call",
            target=tool.name,
            asked=asked,
            arguments=raw,
            tool=tool,
            seconds=1,
            deadline=1,
        )


@pytest.fixture(params=["in memory", "remote"])
def bench(request: pytest.FixtureRequest) -> Bench:
    if request.param == "in memory":
        return Bench(kept := MemoryCache(), kept)
    remote = RemoteCache()
    return Bench(remote, remote.kept)


def bench_of(way: str) -> Bench:
    """One whose store goes wrong."""
    remote = RemoteCache(Wire(way))
    return Bench(remote, remote.kept)


def test_the_second_equal_read_is_answered_from_the_cache(bench: Bench) -> None:
    assert [bench.call({"id": 1}), bench.call({"id": 1}), bench.call({"id": 2}), bench.call()] == [1, 1, 2, 3]
    assert (bench.counters.hits, bench.counters.misses, len(bench.kept)) == (1, 3, 3)


def test_what_was_asked_anew_takes_the_place_of_what_was_kept(bench: Bench) -> None:
    """Else somebody who has seen the new state would be shown the old one after it."""
    assert [bench.call({"id": 1}), bench.call({"id": 1}, anew=True), bench.call({"id": 1})] == [1, 2, 2]
    assert (bench.counters.hits, bench.counters.misses, len(bench.kept)) == (1, 1, 1)
    bench.answer = b'{"isError":true,"content":[]}'
    bench.call({"id": 1}, anew=True)
    bench.answer = None
    assert bench.call({"id": 1}) == 2, "a failure takes nobody's place"


def test_after_its_time_it_is_asked_again(bench: Bench) -> None:
    bench.call()
    bench.clock.advance(59)
    assert bench.call() == 1
    bench.clock.advance(1)
    assert bench.call() == 2


def test_where_it_is_to_be_told_a_result_that_was_kept_says_how_old_it_is(bench: Bench) -> None:
    def told(*, aged: bool) -> Any:
        call = bench.planned()
        verdict = msgspec.structs.replace(call.route.verdict, aged=aged)
        call = msgspec.structs.replace(call, route=msgspec.structs.replace(call.route, verdict=verdict))
        return json.loads(play(through(bench.stage, call, call.context, bench.proceed)).raw)

    assert told(aged=True) == {"content": [], "n": 1}
    bench.clock.advance(0.5)
    assert told(aged=True) == {"content": [], "n": 1}
    bench.clock.advance(40)
    assert told(aged=True)["_meta"] == {"callmux/cache": {"ageSeconds": 40}}
    # After a reload it may be another wish; what is kept serves both.
    assert told(aged=False) == {"content": [], "n": 1}
    bench.clock.advance(20)
    assert told(aged=False) == {"content": [], "n": 2}
    bench.clock.advance(5)
    assert told(aged=True) == {"content": [], "n": 2}


def test_a_write_goes_through(bench: Bench) -> None:
    assert [bench.call(tool=WRITER), bench.call(tool=WRITER)] == [1, 2]
    assert (bench.counters.hits, bench.counters.misses) == (0, 0)


@pytest.mark.parametrize(
    "answer",
    [b'{"content":[],"isError":true}', b'{"resultType":"input_required"}', ToolCallFailed("no")],
    ids=["error", "question", "failure"],
)
def test_what_is_no_answer_is_not_kept(bench: Bench, answer: Any) -> None:
    bench.answer = answer
    for _ in range(2):
        try:
            bench.call()
        except ToolCallFailed:
            continue
    assert bench.sent == 2
    assert len(bench.kept) == 0


def test_credentials_and_directories_do_not_share(bench: Bench) -> None:
    """Weak spot W17 of callmux (npm)."""
    alice, bob = (Scope(headers=(("authorization", name),)) for name in ("alice", "bob"))
    assert bench.call(scope=alice) == 1
    assert bench.call(scope=bob) == 2
    assert bench.call(scope=Scope(cwd="/x")) == 3
    assert bench.call(scope=Scope(cwd="/y")) == 4
    assert bench.call() == 5
    assert bench.call(scope=alice) == 1
    assert bench.call(scope=Scope(cwd="/x")) == 3


def test_a_write_during_a_read_leaves_nothing_behind(bench: Bench) -> None:
    """Weak spot W17 of callmux (npm)."""
    bench.answer = lambda: bench.writes.wrote("a")
    assert bench.call() == 1
    bench.answer = None
    assert bench.call() == 2


def test_what_a_client_was_asked_for_is_true_for_that_call_alone(bench: Bench) -> None:
    client = FakeClient()

    def asks() -> None:
        client.answers.append(b"{}")
        for heard in tuple(bench.server.questions._heard):
            heard(client)

    bench.answer = asks
    assert [bench.call(client=client), bench.call(client=client)] == [1, 2]
    assert bench.call(context=context()) == 3
    assert bench.call(context=context()) == 3


def test_a_question_of_which_nobody_knows_whose_it_is_spoils_every_read(bench: Bench) -> None:
    def asks() -> None:
        for heard in tuple(bench.server.questions._heard):
            heard(None)

    bench.answer = asks
    assert [bench.call(), bench.call()] == [1, 2]
    assert repr(bench.server.questions) == "Questions(shared, 0 listeners)"


def test_a_preview_says_what_would_be_found_and_leaves_no_trace(bench: Bench) -> None:
    def would_hit(arguments: Any = None, tool: Tool = READER) -> bool:
        async def asked() -> bool:
            found = bench.stage.would_hit(bench.planned(arguments, tool))
            return found if isinstance(found, bool) else await found

        return play(asked())

    assert not would_hit()
    bench.call()
    before = bench.store.facts(bench.clock.now), bench.counters.facts()
    assert would_hit()
    assert not would_hit({"id": 1})
    assert not would_hit(tool=WRITER)
    assert (bench.store.facts(bench.clock.now), bench.counters.facts()) == before


@pytest.mark.parametrize("way", [FAILS, LATE_FAILS, HANGS])
def test_a_store_that_fails_is_a_miss(way: str) -> None:
    bench = bench_of(way)
    assert [bench.call(), bench.call()] == [1, 2]
    assert (bench.counters.hits, bench.counters.misses) == (0, 2)
    assert repr(bench.server.questions) == "Questions(shared, 0 listeners)"


def test_what_is_kept_is_no_answer_while_the_store_does_not_know_of_a_write() -> None:
    """It may have been kept before the write, whatever the store would say."""

    async def scene() -> list[int]:
        remote = RemoteCache(wire := Wire())
        bench = Bench(remote, remote.kept)
        found = []
        for way in (SLOW, SLOW, FAILS, SLOW):
            wire.way = way
            if way == FAILS:
                told = bench.writes.wrote("a")
                assert told is not None
                await told
                wire.way = SLOW
            result = await through(bench.stage, bench.planned(), context(), bench.proceed)
            found.append(int(json.loads(result.raw)["n"]))
        await asyncio.sleep(10)
        for _ in range(2):
            result = await through(bench.stage, bench.planned(), context(), bench.proceed)
            found.append(int(json.loads(result.raw)["n"]))
        return found

    assert play(scene()) == [1, 1, 2, 3, 4, 4]
