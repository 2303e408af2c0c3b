"""A failed call is sent again where that can do no harm, and never otherwise."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, cast

import pytest
from msgspec import Raw

from callmux.errors import CallmuxError, ToolCallFailed, UpstreamUnavailable
from callmux.observe.bus import Bus
from callmux.observe.facts import CallRetried
from callmux.plan import ToolCall
from callmux.protocol.jsonrpc import ErrorObject
from callmux.protocol.shapes import Result
from callmux.protocol.unanswered import Unanswered
from callmux.rings.call import Call
from callmux.rings.retrying import Retrying
from callmux.rings.ring import cancel, run
from callmux.rings.stage import Stages
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.server import Server
from callmux.upstream.task_makers import TaskMakers
from tests.support import FakeClient, context, loop_clock, planned, play

Answer = bytes | BaseException


class FakeConnection:
    """A connection that answers from a script."""

    def __init__(self, answers: list[Answer]) -> None:
        self.answers = answers
        self.sent: list[tuple[str, Any, float]] = []
        self.progress: list[Callable[[Raw], None] | None] = []
        self.abandoned: list[str | None] = []
        self.makers = TaskMakers()

    def send(self, call: Call) -> None:
        line = json.loads(call.line(1))
        loop = asyncio.get_running_loop()
        self.sent.append((line["method"], line["params"], call.deadline - loop.time()))
        self.progress.append(call.progress)
        answer = self.answers.pop(0)
        if isinstance(answer, asyncio.CancelledError):
            loop.call_soon(cancel, call, "no longer wanted")
        elif isinstance(answer, CallFailure):
            loop.call_soon(call.failed, answer)
        else:
            assert isinstance(answer, bytes)
            loop.call_soon(call.answered, Raw(answer))

    def abandon(self, call: Call, reason: str | None) -> None:
        self.abandoned.append(reason)


class FakeServer:
    """A server with one connection; `down_after` acquisitions it is down."""

    def __init__(self, *answers: Answer, down_after: int = 9) -> None:
        self.connection = FakeConnection(list(answers))
        self.acquired: list[tuple[Any, ...]] = []
        self.down_after = down_after
        self.is_ready = False
        self.unanswered = Unanswered()
        self.examined: list[str] = []

    def ready(self, client: Any, scope: Any = None, target: str = "") -> FakeConnection | None:
        return self.connection if self.is_ready else None

    async def acquire(self, *args: Any, scope: Any = None) -> FakeConnection:
        if len(self.acquired) >= self.down_after:
            raise UpstreamUnavailable("down")
        self.acquired.append(args)
        return self.connection

    async def examine(self, connection: FakeConnection) -> None:
        assert connection is self.connection
        self.examined.append("waiting")

    def examine_soon(self, connection: FakeConnection) -> None:
        assert connection is self.connection
        self.examined.append("soon")


def attempt(
    server: FakeServer, *, safe: bool = False, left: float = 30, shared: float | None = None, **more: Any
) -> Result:
    """The outcome of one call with 30 s per attempt, of which `left` are left; or `shared` seconds."""
    bus = more.pop("bus", None)
    around = more.pop("context", None) or context()
    progress = more.pop("progress", None)
    asked = ToolCall(spelling="s__t", arguments=Raw(b'{"n": 1.50}'), **more)

    async def scene() -> Result:
        call = planned(
            server="s",
            method="tools/call",
            target="t",
            asked=asked,
            makes_task="task" in asked.extra,
            arguments=asked.arguments,
            seconds=30,
            deadline=asyncio.get_running_loop().time() + left,
            safe=safe,
            context=around,
            progress=progress,
            stages=Stages([Retrying({"s": cast(Server, server)}, loop_clock(), bus)]),
        )
        if shared is not None:
            call.extend(asyncio.get_running_loop().time() + shared, shared)
        return await run(call)

    return play(scene())


def failed(server: FakeServer, *, safe: bool = False, left: float = 30, **more: Any) -> CallmuxError:
    with pytest.raises(ToolCallFailed) as caught:
        attempt(server, safe=safe, left=left, **more)
    return caught.value


def failure(category: Category, started: bool = True) -> CallFailure:
    rpc = ErrorObject(code=-1, message="no") if category is Category.UNKNOWN else None
    return CallFailure(category, f"{category.value} trouble", started=started, rpc=rpc)


RETRYABLE = [Category.TIMEOUT, Category.PROTOCOL, Category.SESSION, Category.TRANSPORT]
FINAL = [Category.AUTHORIZATION, Category.UNKNOWN]


def test_the_lists_name_every_category() -> None:
    assert set(RETRYABLE) | set(FINAL) == set(Category)


def test_a_call_that_works_is_sent_once() -> None:
    server = FakeServer(b'{"content":[]}')
    assert attempt(server, force_reconnect=True).raw == b'{"content":[]}'
    ((method, params, seconds),) = server.connection.sent
    assert (method, params) == ("tools/call", {"name": "t", "arguments": {"n": 1.5}})
    assert seconds == pytest.approx(30)
    assert server.acquired[0][0] == "t"
    assert server.acquired[0][-1] is True


def test_a_result_that_reports_an_error_is_a_result() -> None:
    """The tool ran: it is not for us to run it again."""
    server = FakeServer(b'{"isError":true}')
    assert attempt(server, safe=True).is_error
    assert len(server.connection.sent) == 1


@pytest.mark.parametrize("category", RETRYABLE)
def test_a_safe_call_is_sent_again(category: Category) -> None:
    server = FakeServer(failure(category), b"{}")
    assert attempt(server, safe=True).raw == b"{}"
    assert len(server.connection.sent) == 2
    assert server.connection.sent[0] == server.connection.sent[1]
    assert server.examined == (["waiting"] if category is Category.TIMEOUT else [])


def test_whoever_listens_is_told_that_a_call_is_sent_again_and_why() -> None:
    bus, told = Bus(), list[CallRetried]()
    bus.subscribe(CallRetried, told.append)
    attempt(FakeServer(failure(Category.TRANSPORT), b"{}"), safe=True, bus=bus)
    attempt(FakeServer(b"{}"), safe=True, bus=bus)
    failed(FakeServer(failure(Category.TRANSPORT), b"{}"), bus=bus)
    assert told == [
        CallRetried(server="s", target="t", category="transport", reason="transport trouble"),
    ]


@pytest.mark.parametrize("category", RETRYABLE)
def test_a_call_that_reached_nobody_is_sent_again(category: Category) -> None:
    """Whatever the tool does, it did not do it."""
    server = FakeServer(failure(category, started=False), b"{}")
    assert attempt(server).raw == b"{}"


@pytest.mark.parametrize("category", Category)
def test_an_unsafe_call_that_may_have_begun_is_never_sent_again(category: Category) -> None:
    server = FakeServer(failure(category), b"{}")
    error = failed(server)
    assert len(server.connection.sent) == 1
    assert error.details["category"] == category.value
    assert error.details["executionState"] == "unknown"
    assert error.details["safeToRetry"] is False
    assert "retryAttempted" not in error.details
    assert server.examined == (["soon"] if category is Category.TIMEOUT else [])


@pytest.mark.parametrize("category", FINAL)
@pytest.mark.parametrize("started", [True, False])
def test_a_refusal_is_never_sent_again(category: Category, started: bool) -> None:
    """A server that said no says no again."""
    server = FakeServer(failure(category, started), b"{}")
    assert failed(server, safe=True).details["retryable"] is False
    assert len(server.connection.sent) == 1


@pytest.mark.parametrize("second", Category)
def test_there_is_no_third_attempt(second: Category) -> None:
    server = FakeServer(failure(Category.TRANSPORT), failure(second), b"{}")
    error = failed(server, safe=True)
    assert len(server.connection.sent) == 2
    assert error.details["category"] == second.value
    assert error.details["retryAttempted"] is True
    assert server.examined == (["soon"] if second is Category.TIMEOUT else [])


@pytest.mark.parametrize(("first", "second", "state"), [
    (True, True, "unknown"),
    (True, False, "unknown"),
    (False, True, "unknown"),
    (False, False, "not_started"),
])  # fmt: skip
def test_after_two_attempts_either_may_have_begun(first: bool, second: bool, state: str) -> None:
    server = FakeServer(failure(Category.TRANSPORT, first), failure(Category.PROTOCOL, second))
    error = failed(server, safe=True)
    assert error.details["executionState"] == state
    assert error.details["category"] == "protocol"


def test_a_server_that_stays_down_shows_the_first_failure() -> None:
    server = FakeServer(failure(Category.TRANSPORT), down_after=1)
    error = failed(server, safe=True)
    assert error.details["rootCause"] == "transport trouble"
    assert "retryAttempted" not in error.details


def test_a_server_that_is_down_gets_nothing() -> None:
    server = FakeServer(down_after=0)
    with pytest.raises(UpstreamUnavailable):
        attempt(server)
    assert server.connection.sent == []


def test_a_call_whose_time_is_up_before_it_is_sent_gets_one_attempt() -> None:
    """It waited for its server; nothing was sent, so the second attempt has the whole time."""
    server = FakeServer(b"{}")
    assert attempt(server, left=0).raw == b"{}"
    assert [seconds for _, _, seconds in server.connection.sent] == [pytest.approx(30)]


def test_the_first_attempt_has_what_is_left_the_second_all() -> None:
    server = FakeServer(failure(Category.PROTOCOL), b"{}")
    attempt(server, safe=True, left=10)
    assert [seconds for _, _, seconds in server.connection.sent] == [pytest.approx(10), pytest.approx(30)]


def test_a_shared_call_has_the_time_of_its_most_patient_caller_in_both_attempts() -> None:
    server = FakeServer(failure(Category.PROTOCOL), b"{}")
    attempt(server, safe=True, left=10, shared=90)
    assert [seconds for _, _, seconds in server.connection.sent] == [pytest.approx(90), pytest.approx(90)]


def test_other_members_of_the_request_travel_along() -> None:
    server = FakeServer(b"{}")
    attempt(server, extra={"_meta": Raw(b'{"k":1}'), "task": Raw(b'{"ttl":5}')})
    assert server.connection.sent[0][1] == {
        "name": "t",
        "arguments": {"n": 1.5},
        "_meta": {"k": 1},
        "task": {"ttl": 5},
    }


def test_the_connection_notes_who_made_a_task() -> None:
    server, client = FakeServer(b'{"task":{"taskId":"1"}}'), FakeClient()
    attempt(server, context=context(client=client), extra={"task": Raw(b"{}")})
    assert server.connection.makers.maker(Raw(b'{"taskId":"1"}')) is client


def test_progress_comes_back_under_the_token_of_the_client() -> None:
    client = FakeClient()
    server = FakeServer(b"{}")
    attempt(server, context=context(client=client, progress_token=Raw(b'"mine"')))
    progress = server.connection.progress[0]
    assert progress is not None
    progress(Raw(b'{"progressToken":7,"progress":0.5,"message":"half"}'))
    assert client.notes == [
        ("notifications/progress", {"progressToken": "mine", "progress": 0.5, "message": "half"})
    ]


def test_whoever_shares_a_call_passes_its_progress_on_itself() -> None:
    heard: list[Raw] = []
    server = FakeServer(b"{}")
    attempt(server, context=context(progress_token=Raw(b"1")), progress=heard.append)
    assert server.connection.progress == [heard.append]


def test_without_a_token_nobody_listens_to_progress() -> None:
    server = FakeServer(b"{}")
    attempt(server)
    assert server.connection.progress == [None]


def test_cancellation_is_not_retried() -> None:
    server = FakeServer(asyncio.CancelledError(), b"{}")
    with pytest.raises(asyncio.CancelledError):
        attempt(server, safe=True)
    assert len(server.connection.sent) == 1
    assert server.connection.abandoned == ["no longer wanted"]


def test_a_connection_that_is_open_is_taken_at_once() -> None:
    server = FakeServer(b"{}")
    server.is_ready = True
    attempt(server)
    assert server.acquired == []
