"""Every request that waits on a connection ends, and each answer finds its own."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from msgspec import Raw

from callmux.plan import ToolCall
from callmux.upstream.connection import Connection
from callmux.upstream.failures import CallFailure, Category, lost
from callmux.upstream.hooks import Hooks
from callmux.upstream.reading.copying import LARGE, PIECE
from tests.support import FakeClient, planned, settle
from tests.upstream.fake_link import SILENCE, FakeLink


class Ears:
    """Everything a connection tells."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.lost: list[str] = []
        self.noise: list[str] = []
        self.asked: list[Any] = []
        self.answer: Any = b"{}"

    def hooks(self) -> Hooks:
        return Hooks(told=self._told, asked=self._ask, lost=self._lost, noise=self._noise)

    def _told(self, connection: Connection, method: str, params: Any, client: Any) -> None:
        self.told.append((method, params and json.loads(bytes(params)), client))

    def _lost(self, connection: Connection, reason: str) -> None:
        self.lost.append(reason)

    def _noise(self, connection: Connection, what: str) -> None:
        self.noise.append(what)

    async def _ask(self, connection: Connection, method: str, params: Any, client: Any, name: Any) -> bytes:
        self.asked.append((method, params and json.loads(bytes(params)), client))
        answer = self.answer
        if isinstance(answer, asyncio.Future):
            answer = await answer
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, bytes)
        return answer


async def opened(**script: Any) -> tuple[Connection, FakeLink, Ears]:
    link, ears = FakeLink(**script), Ears()
    connection = Connection("s", link, ears.hooks())
    await connection.open(b'{"name":"callmux"}', b"{}", 5)
    return connection, link, ears


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_the_handshake() -> None:
    connection, link, _ = await opened()
    assert link.methods() == ["initialize", "notifications/initialized"]
    assert link.versions == ["2025-11-25"]
    assert connection.init is not None
    assert list(connection.init.capabilities) == ["tools"]
    assert repr(connection) == "Connection('s', live, UpstreamPeer(ready, 0 waiting))"


@pytest.mark.parametrize(
    ("answer", "category", "cause"),
    [
        (SILENCE, Category.TIMEOUT, '"s" connect timed out after 5000 ms'),
        (ValueError("not now"), Category.UNKNOWN, "not now"),
        ({"protocolVersion": "1999-01-01"}, Category.PROTOCOL, "1999-01-01"),
        ({}, Category.PROTOCOL, "cannot be read"),
    ],
)
async def test_a_handshake_that_fails(answer: Any, category: Category, cause: str) -> None:
    with pytest.raises(CallFailure) as caught:
        await opened(initialize=answer)
    assert caught.value.category is category
    assert cause in caught.value.cause


async def test_opening_is_bounded_as_a_whole() -> None:
    link = FakeLink()
    link.opening = asyncio.Event().wait()
    began = now()
    with pytest.raises(CallFailure, match="timed out after 5000 ms") as caught:
        await Connection("s", link, Ears().hooks()).open(b"{}", b"{}", 5)
    assert not caught.value.started
    assert now() - began == pytest.approx(5, abs=0.01)


async def test_a_link_that_cannot_be_opened_says_why() -> None:
    link = FakeLink()
    link.opening = lost("no such command", started=False)
    with pytest.raises(CallFailure, match="no such command"):
        await Connection("s", link, Ears().hooks()).open(b"{}", b"{}", 5)


async def test_a_large_result_is_copied_between_the_turns_of_others() -> None:
    connection, link, _ = await opened(tools__call=SILENCE)
    call = asyncio.create_task(connection.request("tools/call", None, 60))
    await settle()
    text = "x" * (2 * LARGE)
    link.answers("tools/call", {"text": text})
    turns = 0
    while not call.done():
        await asyncio.sleep(0)
        turns += 1
    assert json.loads(await call) == {"text": text}
    assert turns >= 2 * LARGE // PIECE


async def test_a_server_that_ends_during_the_handshake_is_not_waited_for() -> None:
    link, ears = FakeLink(initialize=SILENCE), Ears()
    opening = asyncio.create_task(Connection("s", link, ears.hooks()).open(b"{}", b"{}", 5))
    await settle()
    link.dies("exit code 3")
    began = now()
    with pytest.raises(CallFailure, match="exit code 3"):
        await opening
    assert now() == began


async def test_a_server_that_ends_while_the_link_opens_is_not_waited_for() -> None:
    link = FakeLink()

    async def open(listener: Any) -> None:
        listener.lost(lost("exit code 3", started=False))

    link.open = open  # type: ignore[method-assign]
    with pytest.raises(CallFailure, match="exit code 3"):
        await Connection("s", link, Ears().hooks()).open(b"{}", b"{}", 5)


async def test_answers_find_their_requests_in_any_order() -> None:
    connection, link, _ = await opened(a=SILENCE, b=SILENCE)
    first = asyncio.create_task(connection.request("a", b'{"x":1}', 5))
    second = asyncio.create_task(connection.request("b", None, 5))
    await settle()
    assert connection.in_flight == 2
    link.answers("b", {"is": "b"})
    assert json.loads(await second) == {"is": "b"}
    link.answers("a", {"is": "a"})
    assert json.loads(await first) == {"is": "a"}
    assert link.heard[2:] == [("a", {"x": 1}), ("b", None)]
    assert connection.in_flight == 0
    await connection.drained()


async def test_a_refusal_fails_its_request_only() -> None:
    connection, _, _ = await opened()
    with pytest.raises(CallFailure, match="unknown: x") as caught:
        await connection.request("x", None, 5)
    assert caught.value.rpc is not None
    assert caught.value.rpc.code == -32601
    assert await connection.request("ping", None, 5) == b"{}"


async def test_an_unreadable_answer_fails_its_request() -> None:
    connection, link, _ = await opened(x=SILENCE)
    waiting = asyncio.create_task(connection.request("x", None, 5))
    await settle()
    link.says(b'{"id":%d,"result":{,}}' % link.ids["x"])
    with pytest.raises(CallFailure, match="cannot be read") as caught:
        await waiting
    assert caught.value.category is Category.PROTOCOL


def exchange(seconds: float, told: list[Any], **more: Any) -> Any:
    """A call as a connection has it; what becomes of it goes to `told`."""
    return planned(
        target="t",
        seconds=seconds,
        deadline=now() + seconds,
        done=lambda call, outcome: told.append((now(), outcome)),
        **more,
    )


async def test_a_request_waits_as_long_as_its_most_patient_caller() -> None:
    """Whoever shares it may give it more time while it is under way; less never counts."""

    connection, link, _ = await opened(**{"tools/call": SILENCE})
    began = now()
    told: list[Any] = []
    call = exchange(7, told)
    connection.send(call)
    asyncio.get_running_loop().call_later(3, call.extend, began + 20, 17)
    asyncio.get_running_loop().call_later(10, call.extend, began + 12, 2)
    await asyncio.sleep(30)
    ((at, failure),) = told
    assert at - began == pytest.approx(20, abs=0.01)
    assert failure.category is Category.TIMEOUT
    assert link.abandoned == [link.ids["tools/call"]]


async def test_each_call_ends_at_its_own_time_by_one_timer() -> None:
    connection, _, _ = await opened(**{"tools/call": SILENCE})
    began = now()
    told: list[Any] = []
    for seconds in (9, 3, 30, 3, 5):
        connection.send(exchange(seconds, told))
    assert connection.in_flight == 5
    await asyncio.sleep(100)
    assert [at - began for at, _ in told] == pytest.approx([3, 3, 5, 9, 30], abs=0.01)
    assert connection.in_flight == 0
    await connection.drained()


async def test_a_call_that_is_abandoned_is_told_nothing() -> None:
    connection, link, _ = await opened(**{"tools/call": SILENCE})
    told: list[Any] = []
    call = exchange(5, told)
    connection.send(call)
    connection.abandon(call, "enough")
    connection.abandon(call, "enough")
    link.says({"id": call.number, "result": {}})
    await asyncio.sleep(9)
    assert told == []
    assert link.abandoned == [call.number]
    await connection.drained()


async def test_what_cannot_be_sent_does_not_wait() -> None:
    connection, _, _ = await opened()
    call = exchange(5, [], arguments=Raw(b"{}"), asked=ToolCall(spelling="t", extra={"x": object()}))  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        connection.send(call)
    assert connection.in_flight == 0
    await connection.drained()


async def test_a_request_times_out_and_the_server_is_told() -> None:
    """The late answer is dropped."""

    connection, link, _ = await opened(x=SILENCE)
    began = now()
    with pytest.raises(CallFailure, match='x on "s" timed out after 7000 ms') as caught:
        await connection.request("x", None, 7)
    assert now() - began == pytest.approx(7, abs=0.01)
    assert caught.value.started
    cancel = {"requestId": link.ids["x"], "reason": "timed out"}
    assert link.heard[-1] == ("notifications/cancelled", cancel)
    assert link.abandoned == [link.ids["x"]]
    link.answers("x", {})
    assert connection.live


async def test_the_time_in_which_a_client_thinks_does_not_count() -> None:
    connection, _, _ = await opened(x=SILENCE, y=SILENCE)
    began, client = now(), FakeClient()
    client.thinks = lambda since: max(0.0, min(now(), began + 105) - max(since, began + 5))
    asked = asyncio.create_task(connection.request("x", None, 7, client))
    other = asyncio.create_task(connection.request("y", None, 60, FakeClient()))
    with pytest.raises(CallFailure, match="timed out after 60000 ms"):
        await other
    assert now() - began == pytest.approx(60, abs=0.01)
    with pytest.raises(CallFailure, match="timed out after 7000 ms"):
        await asked
    assert now() - began == pytest.approx(107, abs=0.5)


async def test_a_cancelled_request_tells_the_server() -> None:
    connection, link, _ = await opened(x=SILENCE)
    waiting = asyncio.create_task(connection.request("x", None, 7))
    await settle()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert link.methods()[-1] == "notifications/cancelled"
    assert connection.in_flight == 0


async def test_when_the_link_ends_every_request_ends() -> None:
    connection, link, ears = await opened(x=SILENCE)
    waiting = [asyncio.create_task(connection.request("x", None, 5)) for _ in range(3)]
    await settle()
    link.dies("exit code 3")
    for task in waiting:
        with pytest.raises(CallFailure, match="exit code 3") as caught:
            await task
        assert caught.value.started
    with pytest.raises(CallFailure, match="exit code 3") as caught:
        await connection.request("x", None, 5)
    assert not caught.value.started
    assert ears.lost == ["exit code 3"]
    connection.notify("late", None)
    assert link.methods()[-1] == "x"


async def test_the_link_is_closed_though_whoever_closes_it_is_cancelled() -> None:
    connection, link, _ = await opened()

    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(1)

    connection.spawn(slow())
    await settle()
    closing = asyncio.ensure_future(connection.close())
    await settle()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert link.closed == 1


async def test_closing_ends_every_request_and_is_not_a_loss() -> None:
    connection, link, ears = await opened(x=SILENCE)
    waiting = asyncio.create_task(connection.request("x", None, 5))
    await settle()
    await connection.close()
    with pytest.raises(CallFailure, match="the connection was closed"):
        await waiting
    assert (link.closed, ears.lost) == (1, [])


async def test_a_request_may_fail_on_its_way() -> None:
    """Over HTTP each request has an exchange of its own."""

    connection, link, _ = await opened(x=SILENCE)
    waiting = asyncio.create_task(connection.request("x", None, 5))
    await settle()
    link.fails(link.ids["x"], CallFailure(Category.SESSION, "404"))
    link.fails(99, CallFailure(Category.SESSION, "404"))
    with pytest.raises(CallFailure, match="404"):
        await waiting
    assert connection.live


async def test_progress_reaches_its_request_under_our_token() -> None:
    connection, link, _ = await opened(x=SILENCE)
    seen: list[Any] = []
    body = b'{"_meta":{"progressToken":"theirs","k":1}}'
    note = lambda params: seen.append(json.loads(bytes(params)))  # noqa: E731
    waiting = asyncio.create_task(connection.request("x", body, 5, None, note))
    await settle()
    id = link.ids["x"]
    assert link.heard[-1] == ("x", {"_meta": {"progressToken": id, "k": 1}})
    for token in (id, id + 1, "theirs"):
        params = {"progressToken": token, "progress": 1}
        link.says({"method": "notifications/progress", "params": params})
    link.answers("x", {})
    await waiting
    link.says({"method": "notifications/progress", "params": {"progressToken": id, "progress": 2}})
    assert seen == [{"progressToken": id, "progress": 1}]


async def test_what_it_says_is_for_the_only_client_whose_calls_it_had_or_for_that_of_the_stream() -> None:
    """A call in flight says nothing: the server may speak of one that is over."""

    connection, link, ears = await opened(x=SILENCE, y=SILENCE)
    a, b = FakeClient(), FakeClient()
    note = {"method": "notifications/message"}
    link.says(note)
    calls = []
    for method, client in (("x", a), ("y", b)):
        connection.audience.calls(client)
        calls.append(asyncio.create_task(connection.request(method, None, 5, client)))
        await settle()
        link.says(note)
    link.answers("x", {})
    await settle()
    link.says(note)
    link.says(note, about=link.ids["y"])
    link.says(note, about=link.ids["x"])
    assert [client for _, _, client in ears.told] == [None, a, None, None, b, None]
    await connection.close()
    await asyncio.gather(*calls, return_exceptions=True)


class Port:
    """One request of a client."""

    def __init__(self, client: FakeClient) -> None:
        self.session = client


async def test_what_is_for_a_client_goes_the_way_of_its_latest_request() -> None:
    """That may have a stream of its own."""

    connection, link, ears = await opened(x=SILENCE)
    a = FakeClient()
    ports: list[Any] = [Port(a), Port(a)]
    connection.audience.calls(a)
    calls = [asyncio.create_task(connection.request("x", None, 5, port)) for port in ports]
    await settle()
    link.says({"method": "a"})
    link.answers("x", {})
    await settle()
    link.says({"method": "b"})
    assert [client for _, _, client in ears.told] == [ports[1], ports[0]]
    await connection.close()
    await asyncio.gather(*calls, return_exceptions=True)


async def test_what_names_a_task_is_for_who_made_it() -> None:
    connection, link, ears = await opened(x={"task": {"taskId": "t1"}})
    a, b = FakeClient(), FakeClient()
    for client in (a, b):
        connection.audience.calls(client)
    connection.makers.note(await connection.request("x", None, 5, a), a, 0)
    status = {"method": "notifications/tasks/status", "params": {"taskId": "t1"}}
    link.says(status)
    connection.forget(a)
    link.says(status)
    assert [client for _, _, client in ears.told] == [a, None]
    await connection.close()


async def test_a_batch_is_taken_apart_and_noise_is_told() -> None:
    _, link, ears = await opened()
    link.says([{"method": "a"}, {"method": "b"}])
    link.says(b"listening on 3000")
    assert [method for method, _, _ in ears.told] == ["a", "b"]
    assert ears.noise == ["the message is not valid JSON"]


async def test_draining_waits_for_what_is_under_way() -> None:
    connection, link, _ = await opened(x=SILENCE)
    waiting = asyncio.create_task(connection.request("x", None, 50))
    await settle()
    closing = asyncio.create_task(connection.close_when_drained())
    await settle()
    assert link.closed == 0
    link.answers("x", {})
    await waiting
    await closing
    assert link.closed == 1


async def test_draining_that_is_given_up_still_ends_the_link() -> None:
    """Or its process would be left behind."""

    connection, link, _ = await opened(x=SILENCE)
    waiting = asyncio.create_task(connection.request("x", None, 50))
    await settle()
    closing = asyncio.create_task(connection.close_when_drained())
    await settle()
    closing.cancel()
    await asyncio.gather(closing, waiting, return_exceptions=True)
    assert link.closed == 1


async def test_notifications_pass_as_they_are() -> None:
    connection, link, _ = await opened()
    connection.notify("notifications/x", Raw(b'{"a":1}'))
    assert link.heard[-1] == ("notifications/x", {"a": 1})


async def test_a_lone_request_is_sent_at_once_and_others_may_wait_for_the_end_of_the_turn() -> None:
    """Waiting for the end of the turn would make a lone call slower, and save nothing."""

    connection, link, _ = await opened(a__b=SILENCE)
    link.lasts.clear()
    waiting = [asyncio.ensure_future(connection.request("a/b", None, 5)) for _ in range(3)]
    await settle()
    assert link.lasts == [True, False, False]
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    await connection.close()
