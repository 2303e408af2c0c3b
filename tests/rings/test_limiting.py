"""Calls wait for their turn: fairly, within the limits, and giving up leaves no trace."""

from __future__ import annotations

import asyncio
import gc
import weakref
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec import Raw

from callmux.errors import ToolCallFailed, UpstreamUnavailable
from callmux.plan import ToolCall
from callmux.protocol.shapes import Result
from callmux.rings.call import Call
from callmux.rings.limiting import MOST_PASSED, Limiting, Slots
from callmux.upstream.in_use import InUse
from callmux.upstream.questions import Questions
from callmux.upstream.server import Server
from tests.support import FakeClient, context, planned, settle, through

RESULT = Result(b"{}")


class Crowd:
    """Callers that hold a slot until they are let go."""

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self.order: list[str] = []
        self.leave: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def comes(self, who: str, server: str = "s", client: object = None) -> None:
        self.leave[who] = asyncio.Event()
        self.tasks[who] = asyncio.create_task(self._call(who, server, client))
        await settle()

    async def _call(self, who: str, server: str, client: object) -> None:
        await self.slots.acquire(server, client)
        self.order.append(who)
        try:
            await self.leave[who].wait()
        finally:
            self.slots.release(server)

    async def goes(self, who: str) -> None:
        self.leave[who].set()
        await self.tasks[who]
        await settle()

    async def gives_up(self, *who: str) -> None:
        for name in who:
            self.tasks[name].cancel()
        await asyncio.gather(*(self.tasks[name] for name in who), return_exceptions=True)
        assert all(self.tasks[name].cancelled() for name in who)
        await settle()

    async def all_go(self) -> None:
        for who in list(self.tasks):
            if not self.tasks[who].done():
                self.leave[who].set()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)


async def test_first_come_first_served() -> None:
    crowd = Crowd(Slots(2, {}))
    for who in "abcde":
        await crowd.comes(who)
    assert crowd.order == ["a", "b"]
    assert repr(crowd.slots) == "Slots(2/2 running, 3 queued)"
    await crowd.goes("b")
    await crowd.goes("a")
    assert crowd.order == ["a", "b", "c", "d"]
    await crowd.all_go()
    assert crowd.order == ["a", "b", "c", "d", "e"]
    assert repr(crowd.slots) == "Slots(0/2 running, 0 queued)"


async def test_a_crowded_server_does_not_hold_up_the_others() -> None:
    """Nobody overtakes whoever could run."""

    crowd = Crowd(Slots(3, {"slow": 1}))
    for who in ("slow1", "slow2", "slow3"):
        await crowd.comes(who, "slow")
    await crowd.comes("fast1", "fast")
    await crowd.comes("fast2", "fast")
    await crowd.comes("fast3", "fast")
    assert crowd.order == ["slow1", "fast1", "fast2"]
    await crowd.goes("fast1")
    assert crowd.order[3:] == ["fast3"]
    await crowd.goes("slow1")
    assert crowd.order[4:] == ["slow2"]
    await crowd.all_go()
    assert crowd.order[5:] == ["slow3"]
    assert repr(crowd.slots) == "Slots(0/3 running, 0 queued)"


async def test_the_oldest_of_all_queues_is_next() -> None:
    crowd = Crowd(Slots(1, {}))
    for who, server in (("a", "x"), ("b", "y"), ("c", "x"), ("d", "z")):
        await crowd.comes(who, server)
    for who in "abcd":
        await crowd.goes(who)
    assert crowd.order == ["a", "b", "c", "d"]


async def test_a_thousand_calls_of_one_client_do_not_hold_up_another() -> None:
    """Clients take turns; the calls of each stay in order. Weak spot W30 of callmux (npm)."""

    crowd = Crowd(Slots(1, {}))
    for who in ("a1", "a2", "a3", "a4"):
        await crowd.comes(who, client="a")
    for who in ("b1", "b2"):
        await crowd.comes(who, client="b")
    await crowd.comes("c1", "other", client="c")
    await crowd.goes("a1")
    await crowd.goes("a2")
    await crowd.comes("d1", client="d")
    for who in ("b1", "c1", "d1", "a3", "b2", "a4"):
        await crowd.goes(who)
    assert crowd.order == ["a1", "a2", "b1", "c1", "d1", "a3", "b2", "a4"]
    assert repr(crowd.slots) == "Slots(0/1 running, 0 queued)"


async def test_giving_up_in_the_queue_leaves_no_trace() -> None:
    crowd = Crowd(Slots(1, {}))
    for who in "abcd":
        await crowd.comes(who)
    await crowd.gives_up("b", "d")
    assert repr(crowd.slots) == "Slots(1/1 running, 1 queued)"
    await crowd.goes("a")
    assert crowd.order == ["a", "c"]
    await crowd.goes("c")
    assert repr(crowd.slots) == "Slots(0/1 running, 0 queued)"


async def test_giving_up_just_as_the_turn_comes_passes_the_turn_on() -> None:
    crowd = Crowd(Slots(1, {}))
    for who in "abc":
        await crowd.comes(who)
    crowd.slots.release("s")
    await crowd.gives_up("b")
    assert crowd.order == ["a", "c"]
    crowd.slots.take("s")
    await crowd.all_go()
    assert repr(crowd.slots) == "Slots(0/1 running, 0 queued)"


async def test_giving_up_just_as_the_time_is_up_gives_back_no_slot() -> None:
    crowd = Crowd(Slots(1, {}))
    assert crowd.slots.try_acquire("a")
    late: Any = SimpleNamespace(deadline=asyncio.get_running_loop().time() + 5)
    waiting = asyncio.create_task(crowd.slots.acquire("a", None, late))
    asyncio.get_running_loop().call_at(late.deadline, waiting.cancel)
    await asyncio.wait({waiting})
    assert repr(crowd.slots) == "Slots(1/1 running, 0 queued)"


async def test_each_call_waits_until_its_own_time_is_up() -> None:
    """One timer is set for all of them; a deadline that was put off holds."""
    slots, loop = Slots(1, {}), asyncio.get_running_loop()
    assert slots.try_acquire("a")
    began = loop.time()
    ended: dict[float, float] = {}
    calls: dict[float, Any] = {n: SimpleNamespace(deadline=began + n) for n in (3.0, 1.0, 2.0)}

    async def wait(name: float) -> None:
        with pytest.raises(TimeoutError):
            await slots.acquire("a", None, calls[name])
        ended[name] = round(loop.time() - began, 1)

    tasks = {asyncio.create_task(wait(name)) for name in calls}
    await asyncio.sleep(0.5)
    calls[2.0].deadline += 5
    await asyncio.wait(tasks)
    assert ended == {1.0: 1.0, 3.0: 3.0, 2.0: 7.0}
    assert repr(slots) == "Slots(1/1 running, 0 queued)"


async def test_a_slot_that_comes_back_just_after_giving_up_goes_to_the_next() -> None:
    """The one that gave up is still in the queue at that moment."""

    crowd = Crowd(Slots(1, {}))
    for who in "abc":
        await crowd.comes(who)
    crowd.tasks["b"].cancel()
    crowd.leave["a"].set()
    crowd.slots.release("s")
    await settle()
    assert crowd.tasks["b"].cancelled()
    assert crowd.order == ["a", "c"]
    crowd.slots.take("s")
    await crowd.all_go()
    assert repr(crowd.slots) == "Slots(0/1 running, 0 queued)"


@pytest.mark.parametrize("backwards", [True, False])
async def test_calls_that_gave_up_put_their_clients_next_call_behind_nobody(backwards: bool) -> None:
    """Others always wait, so the queue never empties."""
    crowd = Crowd(Slots(1, {}))
    for who in ("b0", "b1", "b2", "b3"):
        await crowd.comes(who, client="b")
    many = [f"a{n}" for n in range(20)]
    for who in many:
        await crowd.comes(who, client="a")
    for who in reversed(many) if backwards else many:
        await crowd.gives_up(who)
    await crowd.comes("a", client="a")
    for who in ("b0", "b1"):
        await crowd.goes(who)
    if crowd.order[-1] == "b2":
        await crowd.goes("b2")
    assert crowd.order[-1] == "a"
    await crowd.all_go()
    assert repr(crowd.slots) == "Slots(0/1 running, 0 queued)"


class Waiter:
    """A call of which the queue knows when its time is up."""

    deadline: float


@pytest.mark.parametrize("late", [True, False])
async def test_nothing_stays_of_calls_that_gave_up_while_another_one_waits(late: bool) -> None:
    """What a call holds, such as its arguments, goes with it, and its place in the queue before long."""
    slots, loop = Slots(2, {"own": 1}), asyncio.get_running_loop()
    assert slots.try_acquire("own")
    assert slots.try_acquire("a")
    waiting = [asyncio.create_task(slots.acquire(server)) for server in ("own", "a")]
    await settle()
    held: list[weakref.ref[Waiter]] = []
    for n in range(10):
        calls: list[Any] = [Waiter() for _ in range(40)]
        for each in calls:
            each.deadline = loop.time() + (1 if late else 99)
        given_up = [asyncio.create_task(slots.acquire(("own", "a")[n % 2], n, call)) for call in calls]
        await settle()
        held += [weakref.ref(call) for call in calls]
        if not late:
            assert all(task.cancel() for task in given_up)
        ended = await asyncio.gather(*given_up, return_exceptions=True)
        assert {type(how) for how in ended} == {TimeoutError if late else asyncio.CancelledError}
        del calls, each, given_up, ended
        await settle()
    gc.collect()
    assert not [one for one in held if one() is not None]
    assert repr(slots) == "Slots(2/2 running, 2 queued)"
    assert sum(map(len, slots._queues.values())) < 2 * MOST_PASSED
    slots.release("a")
    slots.release("own")
    await asyncio.gather(*waiting)
    assert repr(slots) == "Slots(2/2 running, 0 queued)"


@pytest.mark.parametrize("how", ["served", "late", "given up"])
async def test_no_client_that_has_left_is_kept_while_others_wait(how: str) -> None:
    """The queue never empties where many come and go."""
    crowd = Crowd(Slots(1, {}))
    for n in range(20):
        await crowd.comes(f"b{n}", client="b")
    left: list[weakref.ref[Waiter]] = []
    for n in range(3):
        client: Any = Waiter()
        left.append(weakref.ref(client))
        who = f"a{n}"
        if how == "late":
            late: Any = SimpleNamespace(deadline=asyncio.get_running_loop().time() + 1)
            with pytest.raises(TimeoutError):
                await crowd.slots.acquire("s", client, late)
        else:
            await crowd.comes(who, client=client)
        if how == "given up":
            await crowd.gives_up(who)
        del client
        for _ in range(4):
            await crowd.goes(crowd.order[-1])
        assert (who in crowd.order) is (how == "served")
        crowd.tasks.pop(who, None)
    gc.collect()
    assert [one() for one in left] == [None] * 3
    assert crowd.slots.queued
    await crowd.all_go()
    assert repr(crowd.slots) == "Slots(0/1 running, 0 queued)"


async def test_many_that_wait_are_not_looked_at_for_each_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    slots, loop = Slots(1, {}), asyncio.get_running_loop()
    looked: list[float] = []
    look = slots._look

    def count() -> None:
        looked.append(loop.time())
        look()

    monkeypatch.setattr(slots, "_look", count)
    assert slots.try_acquire("a")
    calls: list[Any] = [SimpleNamespace(deadline=loop.time() + 1 + n / 500) for n in range(500)]
    ended = await asyncio.gather(*(slots.acquire("a", None, call) for call in calls), return_exceptions=True)
    assert {type(how) for how in ended} == {TimeoutError}
    assert loop.time() == pytest.approx(calls[-1].deadline, abs=0.1)
    assert len(looked) < 400


class FakeServer:
    """A server that is up, or comes up when asked, or never."""

    def __init__(self, state: str = "up") -> None:
        self.in_use = InUse()
        self.questions = Questions()
        self.exclusive: Any = None
        self.main_line = SimpleNamespace(connection=None)
        self.state = state
        self.asked: list[Any] = []

    def ready(self, client: Any, scope: Any = None, target: str = "") -> Any:
        return self if self.state == "up" else None

    async def acquire(self, *args: Any) -> Any:
        self.asked.append(args)
        if self.state == "down":
            raise UpstreamUnavailable("down")
        self.state = "up"
        return self


def limiter(slots: Slots, server: FakeServer) -> Limiting:
    return Limiting(slots, "s", cast(Server, server))


def call(deadline: float = 1e9, **asked: Any) -> Call:
    return planned(
        server="s",
        method="tools/call",
        target="bare",
        asked=ToolCall(spelling="s__bare", arguments=Raw(b"{}"), **asked),
        seconds=30,
        deadline=deadline,
    )


@pytest.mark.parametrize("live", [True, False])
async def test_the_only_client_has_the_main_connection(live: bool) -> None:
    server, one = FakeServer(), call()
    server.exclusive = one.client.session
    server.main_line.connection = server if live else None
    stage = limiter(Slots(1, {}), server)
    waits = stage.enter(one)
    assert (waits is None, one.connection is None) == (live, not live)
    if waits is not None:
        await waits
    assert (bool(server.asked), server.in_use.count) == (not live, 1)


@pytest.mark.parametrize("ends", ["answered", "refused", "given up", "given up in the queue"])
async def test_others_have_the_slot_of_a_call_while_its_client_thinks(ends: str) -> None:
    slots = Slots(1, {"s": 1})
    stage = limiter(slots, FakeServer())
    answer = asyncio.get_running_loop().create_future()
    assert stage.enter(call()) is None

    async def asks() -> None:
        async with stage.lent(call().client):
            await answer

    asking = asyncio.create_task(asks())
    await settle()
    other = call()
    assert stage.enter(other) is None, "the slot is free"
    if ends == "given up":
        asking.cancel()
    elif ends == "refused":
        answer.set_exception(RuntimeError("no"))
    else:
        answer.set_result(None)
    await settle()
    assert asking.done() is (ends in ("refused", "given up"))
    if ends == "given up in the queue":
        asking.cancel()
        await settle()
    stage.leave(other, Result(b"{}"))
    await asyncio.wait({asking})
    assert slots.facts == (1, 0)
    stage.leave(call(), Result(b"{}"))
    assert slots.facts == (0, 0)
    assert slots.try_acquire("s")


async def test_a_call_holds_its_slot_until_it_is_over() -> None:
    slots = Slots(1, {})
    limiting = limiter(slots, FakeServer())
    seen: list[str] = []

    async def proceed(planned: Call, around: Any) -> Result:
        seen.append(repr(slots))
        if len(seen) == 2:
            raise ValueError("boom")
        return RESULT

    assert await through(limiting, call(), context(), proceed) is RESULT
    with pytest.raises(ValueError, match="boom"):
        await through(limiting, call(), context(), proceed)
    assert seen == ["Slots(1/1 running, 0 queued)"] * 2
    assert repr(slots) == "Slots(0/1 running, 0 queued)"


async def test_waiting_for_a_turn_counts_towards_the_time_out() -> None:
    """The server never saw the call, so it may be sent again."""

    loop = asyncio.get_running_loop()
    slots = Slots(1, {})
    await slots.acquire("other")
    began = loop.time()
    with pytest.raises(ToolCallFailed) as caught:
        await through(limiter(slots, FakeServer()), call(deadline=began + 30), context(), unreachable)
    assert loop.time() - began == pytest.approx(30, abs=0.01)
    assert caught.value.message == 'waiting for a turn on "s" timed out after 30000 ms'
    assert caught.value.details["executionState"] == "not_started"
    assert caught.value.details["safeToRetry"] is True
    assert caught.value.details["tool"] == "s__bare"
    assert repr(slots) == "Slots(1/1 running, 0 queued)"


async def test_a_caller_that_joins_gives_the_wait_more_time() -> None:
    """The place in the queue is kept meanwhile."""

    loop = asyncio.get_running_loop()
    slots = Slots(1, {})
    await slots.acquire("other")
    began = loop.time()
    shared = call(deadline=began + 30)
    loop.call_later(20, shared.extend, began + 50, 30)
    with pytest.raises(ToolCallFailed):
        await through(limiter(slots, FakeServer()), shared, context(), unreachable)
    assert loop.time() - began == pytest.approx(50, abs=0.01)
    assert shared.moved is None
    assert repr(slots) == "Slots(1/1 running, 0 queued)"


async def unreachable(planned: Call, around: Any) -> Result:
    raise AssertionError("nothing must be sent")


async def test_a_server_is_connected_before_a_slot_is_taken() -> None:
    """A server that takes its time to start holds no slot."""

    slots = Slots(1, {})
    server = FakeServer("coming")

    async def proceed(planned: Call, around: Any) -> Result:
        return RESULT

    around = context()
    limiting = limiter(slots, server)
    await through(limiting, call(force_reconnect=True), around, proceed)
    await through(limiting, call(), around, proceed)
    assert len(server.asked) == 1
    assert server.asked[0][0] == "bare"
    assert server.asked[0][-1] is True


async def test_a_server_that_is_down_fails_the_call_without_a_slot() -> None:
    slots = Slots(1, {})
    with pytest.raises(UpstreamUnavailable):
        await through(limiter(slots, FakeServer("down")), call(), context(), unreachable)
    assert repr(slots) == "Slots(0/1 running, 0 queued)"


class OneSlot:
    """One slot for a client and others.

    Attributes:
        client: The client.
        started: Whose calls were begun, in that order: `it` or `other`.
    """

    def __init__(self) -> None:
        self.slots = Slots(1, {})
        self.client = FakeClient()
        self.started: list[str] = []
        self._limiting = limiter(self.slots, FakeServer())

    async def calls(self, whose: str) -> None:
        around = context(client=self.client) if whose == "it" else context()

        async def proceed(planned: Call, around: Any) -> Result:
            self.started.append(whose)
            return RESULT

        await through(self._limiting, call(), around, proceed)


async def test_a_client_that_does_not_read_holds_its_calls_back() -> None:
    """What it does not take would pile up here; calls of others go on."""
    scene = OneSlot()
    scene.client.stops_reading()
    held = asyncio.create_task(scene.calls("it"))
    await settle()
    assert repr(scene.slots) == "Slots(0/1 running, 0 queued)"
    await scene.calls("other")
    assert scene.started == ["other"]
    scene.client.reads_again()
    await held
    assert scene.started == ["other", "it"]
    assert repr(scene.slots) == "Slots(0/1 running, 0 queued)"


async def test_a_client_that_stops_reading_in_the_queue_passes_its_turn_on() -> None:
    scene = OneSlot()
    await scene.slots.acquire("s")
    held = asyncio.create_task(scene.calls("it"))
    await settle()
    other = asyncio.create_task(scene.calls("other"))
    await settle()
    scene.client.stops_reading()
    scene.slots.release("s")
    await other
    assert scene.started == ["other"]
    scene.client.reads_again()
    await held
    assert scene.started == ["other", "it"]
    assert repr(scene.slots) == "Slots(0/1 running, 0 queued)"
