"""Equal reads at the same time are one call, and nobody loses anything by it."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import Any

import pytest
from msgspec import Raw

from callmux import names
from callmux.clock import Clock
from callmux.config.check import check_document
from callmux.context import CallContext, Scope
from callmux.errors import ToolCallFailed
from callmux.plan import ToolCall
from callmux.protocol.shapes import Result, Tool
from callmux.protocol.unanswered import Unanswered
from callmux.rings.cache.keys import Keys, Numbers
from callmux.rings.cache.policy import ReusePolicy
from callmux.rings.cache.writes import Writes
from callmux.rings.call import Call
from callmux.rings.coalescing import Coalescing
from callmux.rings.writing import Writing
from callmux.stores.cache import CacheLimits, SharedCache
from callmux.stores.counters import Counters
from callmux.stores.memory import MemoryCache
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.questions import Questions
from tests.stores.remote import RemoteCache
from tests.support import FakeClient, context, planned, play, route, settle, through

READER = Tool(b'{"name":"get","annotations":{"readOnlyHint":true}}')
WRITER = Tool(b'{"name":"set","annotations":{"idempotentHint":true}}')


class FakeServer:
    def __init__(self) -> None:
        self.questions = Questions()
        self.unanswered = Unanswered()

    def asks(self, client: FakeClient | None) -> None:
        for heard in tuple(self.questions._heard):
            heard(client)


class Bench:
    """Callers in front of a server that answers when it is told to.

    Attributes:
        sent: The calls that reached the server, each with its circumstances and its answer to come.
        gone: Numbers of the calls that were given up.
    """

    remote = False

    def __init__(self, **document: Any) -> None:
        servers: Any = {"a": FakeServer(), "b": FakeServer()}
        config = check_document(
            {"servers": {"a": {"command": "x"}, "b": {"command": "x"}}, **document}
        ).config
        self.servers = servers
        self.now = 100.0
        self.store: SharedCache = RemoteCache() if self.remote else MemoryCache()
        policy = self.policy = ReusePolicy(config)
        self.writes, self.counters = Writes(self.store), Counters()
        self.stage = Coalescing(
            Keys(policy, Numbers(), servers), self.writes, self.counters, servers, Clock(lambda: self.now)
        )
        self.sent: list[tuple[Call, CallContext, asyncio.Future[Any]]] = []
        self.gone: list[int] = []

    async def _proceed(self, call: Call, around: CallContext) -> Result:
        number = len(self.sent)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        call.number = number + 1
        self.sent.append((call, around, answer))
        try:
            return Result(await answer)
        except asyncio.CancelledError:
            self.gone.append(number)
            raise

    async def comes(
        self,
        tool: Tool = READER,
        server: str = "a",
        *,
        seconds: float = 30,
        around: CallContext | None = None,
        scope: Scope | None = None,
        **asked: Any,
    ) -> asyncio.Task[Result]:
        """A caller begins to wait."""
        arguments = Raw(b'{"id":1}')
        verdict = self.policy.verdict(server, tool, names.spellings(server, tool.name))
        call = planned(
            route=route(server, tool, bare=tool.name, safe=tool is READER, verdict=verdict),
            target=tool.name,
            asked=ToolCall(spelling=asked.pop("spelled", tool.name), arguments=arguments, **asked),
            arguments=arguments,
            seconds=seconds,
            deadline=asyncio.get_running_loop().time() + seconds,
            scope=scope,
        )
        task = asyncio.create_task(self._enter(call, around or context()))
        await self.settle()
        return task

    async def settle(self) -> None:
        """Until everything has come as far as it can, the store's answers included."""
        if self.remote:
            await asyncio.sleep(STORE_SECONDS)
        await settle()

    async def _enter(self, call: Call, around: CallContext) -> Result:
        for stage in (self.stage, Writing(self.writes, self.servers, Clock(lambda: self.now))):
            if stage.concerns(call.route):
                return await through(stage, call, around, self._proceed)
        return await self._proceed(call, around)

    async def answers(self, number: int = 0, raw: bytes = b'{"content":[]}') -> None:
        self.sent[number][2].set_result(raw)
        await self.settle()

    def is_empty(self) -> bool:
        return repr(self.stage) == "Coalescing([])" and self.counters.in_flight == 0


STORE_SECONDS = 0.5
"""Longer than any answer of the remote store."""


@pytest.fixture(params=["in memory", "remote"], autouse=True)
def _where(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs with a store in memory and with one that must be asked."""
    monkeypatch.setattr(Bench, "remote", request.param == "remote")


async def test_equal_reads_at_the_same_time_are_one_call() -> None:
    bench = Bench()
    callers = [await bench.comes() for _ in range(4)]
    assert bench.counters.in_flight == 1
    await bench.answers()
    results = await asyncio.gather(*callers)
    assert [r.raw for r in results] == [b'{"content":[]}'] * 4
    assert len(bench.sent) == 1
    assert bench.counters.coalesced == 3
    assert bench.is_empty()


async def test_the_next_read_is_a_call_of_its_own() -> None:
    """Nothing is kept here: that is the cache's business."""

    bench = Bench()
    first = await bench.comes()
    await bench.answers(0)
    second = await bench.comes()
    await bench.answers(1)
    await asyncio.gather(first, second)
    assert len(bench.sent) == 2


@pytest.mark.parametrize(
    ("document", "tool", "sent"),
    [
        ({}, WRITER, 2),
        ({"cachePolicy": {"allowTools": ["set"]}}, WRITER, 1),
        ({"cachePolicy": {"denyTools": ["get"]}}, READER, 2),
        ({"cachePolicy": {"allowTools": ["other"]}}, READER, 1),
    ],
    ids=["write", "allowed", "denied", "another is allowed"],
)
async def test_only_what_reads_is_shared(document: dict[str, Any], tool: Tool, sent: int) -> None:
    bench = Bench(**document)
    callers = [await bench.comes(tool) for _ in range(2)]
    assert len(bench.sent) == sent
    for number in range(sent):
        await bench.answers(number)
    await asyncio.gather(*callers)
    assert bench.is_empty()


async def test_sessions_share_where_their_credentials_are_the_same() -> None:
    bench = Bench()
    names = ["", "", "alice", "bob", "alice"]
    scopes = [Scope(headers=(("authorization", name),)) if name else None for name in names]
    callers = [await bench.comes(scope=scope) for scope in scopes]
    assert len(bench.sent) == 3
    for number in range(3):
        await bench.answers(number)
    await asyncio.gather(*callers)


async def test_nobody_joins_a_read_that_began_before_a_write_had_finished() -> None:
    """Weak spot W17 of callmux (npm)."""
    bench = Bench()
    before = await bench.comes()
    write = await bench.comes(WRITER)
    during = await bench.comes()
    assert len(bench.sent) == 2, "a write that goes on ends nothing yet"
    await bench.answers(1)
    after = await bench.comes()
    assert len(bench.sent) == 3
    later = await bench.comes()
    assert len(bench.sent) == 3, "those after the write share again"
    await bench.answers(0, b'{"old":1}')
    await bench.answers(2, b'{"new":1}')
    await write
    assert [json.loads((await t).raw) for t in (before, during)] == [{"old": 1}] * 2
    assert [json.loads((await t).raw) for t in (after, later)] == [{"new": 1}] * 2
    assert bench.is_empty()


@pytest.mark.parametrize("end", ["fails", "is given up"])
def test_a_write_that_ends_badly_may_have_written(end: str) -> None:
    async def scene() -> None:
        bench = Bench()
        read = await bench.comes()
        write = await bench.comes(WRITER)
        if end == "fails":
            bench.sent[1][2].set_exception(ToolCallFailed("no"))
        else:
            write.cancel()
        await asyncio.gather(write, return_exceptions=True)
        second = await bench.comes()
        assert len(bench.sent) == 3
        await bench.answers(0)
        await bench.answers(2)
        await asyncio.gather(read, second)

    play(scene())


UNKNOWN = ToolCallFailed("timed out", executionState="unknown")
NOTHING_SENT = ToolCallFailed("refused", executionState="not_started")
REFUSED = ToolCallFailed("no", executionState="unknown")
REFUSED.rpc = b"{}"


@pytest.mark.parametrize("end", [UNKNOWN, None])
async def test_after_a_write_of_unknown_end_nothing_is_shared_until_its_answer_comes(
    end: ToolCallFailed | None,
) -> None:
    """It may be carried out between two reads, of which the second would get what the first saw."""

    bench = Bench()
    unanswered = bench.servers["a"].unanswered
    write = await bench.comes(WRITER)
    unanswered.given_up("peer", 7)
    bench.sent[0][2].set_exception(end) if end is not None else write.cancel()
    await asyncio.gather(write, return_exceptions=True)
    reads = [await bench.comes() for _ in range(2)]
    assert len(bench.sent) == 3
    unanswered.answered("peer", 7)
    await bench.settle()
    reads += [await bench.comes() for _ in range(2)]
    assert len(bench.sent) == 4, "those after the late answer share again"
    for number in (1, 2, 3):
        await bench.answers(number)
    await asyncio.gather(*reads)
    assert bench.is_empty()


async def test_an_answer_that_never_comes_is_waited_for_as_long_as_a_result_lives() -> None:
    bench = Bench()
    bench.store.configure(CacheLimits(ttl_seconds=30), 0)
    bench.writes.lasts = 30
    write = await bench.comes(WRITER)
    bench.sent[0][2].set_exception(UNKNOWN)
    await asyncio.gather(write, return_exceptions=True)
    for seconds, calls in ((0, 3), (25, 5), (6, 6)):
        await asyncio.sleep(seconds)
        bench.now += seconds
        reads = [await bench.comes() for _ in range(2)]
        assert len(bench.sent) == calls
        for _, _, answer in bench.sent[1:]:
            if not answer.done():
                answer.set_result(b"{}")
        await asyncio.gather(*reads)


@pytest.mark.parametrize("end", [NOTHING_SENT, REFUSED])
async def test_a_write_whose_end_is_known_keeps_nobody_from_sharing(end: ToolCallFailed) -> None:
    bench = Bench()
    write = await bench.comes(WRITER)
    bench.sent[0][2].set_exception(end)
    await asyncio.gather(write, return_exceptions=True)
    reads = [await bench.comes() for _ in range(2)]
    assert len(bench.sent) == 2
    await bench.answers(1)
    await asyncio.gather(*reads)


async def test_a_write_that_was_sent_twice_may_still_be_carried_out() -> None:
    bench = Bench()
    write = await bench.comes(WRITER)
    bench.sent[0][0].first = CallFailure(Category.TIMEOUT, "late")
    await bench.answers(0)
    await write
    reads = [await bench.comes() for _ in range(2)]
    assert len(bench.sent) == 3
    await bench.answers(1)
    await bench.answers(2)
    await asyncio.gather(*reads)


async def test_a_write_to_one_server_says_nothing_about_another() -> None:
    bench = Bench()
    read = await bench.comes(server="b")
    write = await bench.comes(WRITER)
    await bench.answers(1)
    again = await bench.comes(server="b")
    assert len(bench.sent) == 2
    await bench.answers(0)
    await asyncio.gather(read, write, again)


async def test_the_call_goes_on_when_its_first_caller_gives_up() -> None:
    bench = Bench()
    first, second = await bench.comes(), await bench.comes()
    first.cancel()
    await settle()
    assert first.cancelled()
    assert bench.gone == []
    await bench.answers()
    assert (await second).raw == b'{"content":[]}'


async def test_the_call_is_cancelled_when_all_have_gone() -> None:
    bench = Bench()
    callers = [await bench.comes() for _ in range(3)]
    for caller in callers:
        assert bench.gone == []
        caller.cancel()
        await settle()
    assert bench.gone == [0]
    assert all(caller.cancelled() for caller in callers)
    assert bench.is_empty()
    fresh = await bench.comes()
    await bench.answers(1)
    await fresh


async def test_a_failure_reaches_everybody_in_their_own_words() -> None:
    bench = Bench()
    first = await bench.comes(spelled="get")
    second = await bench.comes(spelled="a__get")
    bench.sent[0][2].set_exception(ToolCallFailed("lost", tool="get", category="transport"))
    errors = await asyncio.gather(first, second, return_exceptions=True)
    assert [type(e) for e in errors] == [ToolCallFailed, ToolCallFailed]
    assert [e.details for e in errors] == [  # type: ignore[union-attr]
        {"tool": "get", "category": "transport"},
        {"tool": "a__get", "category": "transport"},
    ]
    assert bench.is_empty()


async def test_an_error_result_is_shared_too() -> None:
    bench = Bench()
    callers = [await bench.comes(), await bench.comes()]
    await bench.answers(0, b'{"content":[],"isError":true}')
    assert all(r.is_error for r in await asyncio.gather(*callers))
    assert len(bench.sent) == 1


async def test_the_most_patient_callers_deadline_rules_and_the_others_keep_their_own() -> None:
    bench = Bench()
    loop = asyncio.get_running_loop()
    began = loop.time()
    hasty = await bench.comes(seconds=5)
    patience = loop.time() + 60
    patient = await bench.comes(seconds=60)
    haste = loop.time() + 1
    hastier = await bench.comes(seconds=1)
    sent = bench.sent[0][0]
    assert sent.deadline == pytest.approx(patience)
    assert sent.seconds == 60
    with pytest.raises(ToolCallFailed, match="timed out after 1000 ms") as caught:
        await hastier
    assert loop.time() == pytest.approx(haste, abs=0.1)
    assert caught.value.details["category"] == "timeout"
    with pytest.raises(ToolCallFailed, match="timed out after 5000 ms"):
        await hasty
    assert loop.time() == pytest.approx(began + 5, abs=0.1)
    await bench.answers()
    assert (await patient).raw == b'{"content":[]}'
    assert len(bench.sent) == 1
    assert bench.is_empty()


async def test_callers_with_equal_time_wait_together() -> None:
    bench = Bench()
    first = await bench.comes(seconds=5)
    await asyncio.sleep(2)
    came = asyncio.get_running_loop().time()
    second = await bench.comes(seconds=5)
    assert bench.sent[0][0].deadline == pytest.approx(came + 5, abs=0.1)
    await asyncio.sleep(4)
    assert not first.done()
    await bench.answers()
    await asyncio.gather(first, second)


async def test_who_waits_longest_alone_has_time_as_before() -> None:
    """A caller with nobody beside it gets no timer here: limits and the second attempt are further in."""

    bench = Bench()
    caller = await bench.comes(seconds=5)
    await asyncio.sleep(50)
    assert not caller.done()
    await bench.answers()
    await caller


async def test_if_the_server_asks_for_input_the_first_keeps_it_and_the_others_run_alone() -> None:
    bench = Bench()
    client = FakeClient()
    first = await bench.comes(around=context(client=client))
    others = [await bench.comes(), await bench.comes()]
    bench.servers["a"].asks(client)
    await settle()
    assert len(bench.sent) == 3
    late = await bench.comes()
    assert len(bench.sent) == 4, "nobody joins a call that asked its client"
    for number in range(4):
        await bench.answers(number, b'{"n":%d}' % number)
    raw = [(await task).raw for task in (first, *others, late)]
    assert raw == [b'{"n":0}', b'{"n":1}', b'{"n":2}', b'{"n":3}']
    assert bench.is_empty()


async def test_if_the_first_has_left_before_the_server_asks_nobody_waits_for_that_call() -> None:
    """The others make calls of their own: the one that asks is given up."""

    bench = Bench()
    client = FakeClient()
    first = await bench.comes(around=context(client=client))
    other = await bench.comes()
    first.cancel()
    await settle()
    assert bench.gone == []
    bench.servers["a"].asks(client)
    await settle()
    assert bench.gone == [0]
    assert len(bench.sent) == 2
    await bench.answers(1)
    assert (await other).raw == b'{"content":[]}'
    assert bench.is_empty()


@pytest.mark.parametrize("early", [0, 1e-12])
async def test_nobody_joins_a_call_whose_time_is_up(early: float) -> None:
    """It is about to fail, or waits whether its server lives: who comes now has just begun. Timers may come
    early by the resolution of the clock."""

    bench = Bench()
    first = await bench.comes(seconds=30)
    bench.now = asyncio.get_running_loop().time() + 30 - early
    late = await bench.comes(seconds=30)
    assert len(bench.sent) == 2
    await bench.answers(0)
    await bench.answers(1)
    await asyncio.gather(first, late)
    assert bench.is_empty()


async def test_a_question_for_somebody_else_disturbs_nobody() -> None:
    bench = Bench()
    callers = [await bench.comes(), await bench.comes()]
    bench.servers["a"].asks(FakeClient())
    await settle()
    assert len(bench.sent) == 1
    bench.servers["a"].asks(None)
    await settle()
    assert len(bench.sent) == 2
    await bench.answers(0)
    await bench.answers(1)
    await asyncio.gather(*callers)


async def test_children_of_one_request_share_though_their_circumstances_are_the_same_object() -> None:
    bench = Bench()
    around = context()
    callers = [await bench.comes(around=around) for _ in range(3)]
    assert len(bench.sent) == 1
    bench.servers["a"].asks(around.client)
    await settle()
    assert len(bench.sent) == 3
    for number in range(3):
        await bench.answers(number)
    await asyncio.gather(*callers)


async def test_a_promise_of_an_answer_is_for_the_first_alone() -> None:
    bench = Bench()
    first, second = await bench.comes(), await bench.comes()
    await bench.answers(0, b'{"resultType":"input_required"}')
    assert b"input_required" in (await first).raw
    await bench.answers(1)
    assert (await second).raw == b'{"content":[]}'


async def test_progress_goes_to_everybody_under_their_own_tokens() -> None:
    bench = Bench()
    one, two, three = FakeClient(), FakeClient(), FakeClient()
    callers = [
        await bench.comes(around=context(client=one, progress_token=Raw(b'"one"'))),
        await bench.comes(around=context(client=two, progress_token=Raw(b"2"))),
        await bench.comes(around=context(client=three)),
    ]
    assert len(bench.sent) == 1
    progress = bench.sent[0][0].progress
    assert progress is not None
    progress(Raw(b'{"progressToken":99,"progress":0.5}'))
    callers[0].cancel()
    await settle()
    progress(Raw(b'{"progressToken":99,"progress":0.7}'))
    assert one.notes == [("notifications/progress", {"progressToken": "one", "progress": 0.5})]
    assert [note["progress"] for _, note in two.notes] == [0.5, 0.7]
    assert [note["progressToken"] for _, note in two.notes] == [2, 2]
    assert three.notes == []
    await bench.answers()
    await asyncio.gather(*callers, return_exceptions=True)


async def test_who_wants_progress_does_not_join_a_call_that_gives_none() -> None:
    bench = Bench()
    wanting = [context(progress_token=Raw(b"%d" % n)) for n in range(2)]
    callers = [await bench.comes(), await bench.comes(around=wanting[0])]
    assert len(bench.sent) == 2
    callers += [await bench.comes(around=wanting[1]), await bench.comes()]
    assert len(bench.sent) == 2, "from now on there is a call that gives progress"
    await bench.answers(0)
    await bench.answers(1)
    await asyncio.gather(*callers)
    assert bench.is_empty()


async def test_nobody_waits_for_a_client_that_does_not_read() -> None:
    bench = Bench()
    slow = FakeClient()
    first = await bench.comes(around=context(client=slow))
    slow.stops_reading()
    second = await bench.comes()
    assert len(bench.sent) == 2
    await bench.answers(0)
    await bench.answers(1)
    await asyncio.gather(first, second)


async def test_a_server_that_keeps_its_clients_apart_is_asked_by_each() -> None:
    bench = Bench()
    bench.servers["a"].questions.apart = True
    client = FakeClient()
    callers = [
        await bench.comes(around=context(client=client)),
        await bench.comes(around=context(client=client)),
        await bench.comes(),
    ]
    assert len(bench.sent) == 2
    await bench.answers(0)
    await bench.answers(1)
    await asyncio.gather(*callers)


async def test_an_answer_and_a_change_of_mind_at_the_same_time_leave_no_complaint() -> None:
    """The failure nobody waits for any more is no defect; pytest would report it."""

    bench = Bench()
    caller = await bench.comes()
    bench.sent[0][2].set_exception(ToolCallFailed("late"))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    assert repr(bench.stage) == "Coalescing([])"


async def test_a_stage_that_is_no_more_hears_no_questions() -> None:
    """A server may outlive many configurations."""
    bench = Bench()
    caller = await bench.comes()
    await bench.answers()
    await caller
    questions = bench.servers["a"].questions
    assert repr(questions) == "Questions(shared, 1 listeners)"
    bench.sent.clear()
    del bench.stage, caller
    gc.collect()
    assert repr(questions) == "Questions(shared, 0 listeners)"
