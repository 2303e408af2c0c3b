"""Whoever cannot follow a task gets what came of it; whoever can is told of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from msgspec import Raw

from callmux.context import Scope
from callmux.errors import ToolCallFailed
from callmux.plan import ToolCall
from callmux.protocol import tasks
from callmux.protocol.extensions import TASKS
from callmux.protocol.jsonrpc import RpcError
from callmux.protocol.shapes import Result, Tool
from callmux.rings.following import Declaring, Following
from callmux.rings.ring import run
from callmux.rings.stage import Stages
from callmux.upstream.failures import CallFailure, Category, refused, to_error
from callmux.upstream.task_makers import TaskMakers
from tests.support import FakeClient, context, planned, route

TASK = {"taskId": "t", "status": "working"}
HANDLE = {"resultType": "task", **TASK, "pollIntervalMs": 100}
DONE = {**TASK, "status": "completed", "result": {"content": [], "n": 1}}
EXTENDED = json.dumps({"extensions": {TASKS: {}}}).encode()
REQUIRED = Tool(b'{"name":"t","execution":{"taskSupport":"required"}}')
LACKING = {
    "code": -32021,
    "message": "no",
    "data": {"requiredCapabilities": {"extensions": {TASKS: {}}}},
}
ASKS = {"method": "elicitation/create", "params": {"q": 1}}


class Bench:
    """A server with tasks: it answers a call as told, and requests about its task from `script`."""

    def __init__(self, answer: Any, *script: Any, plain: bool = False) -> None:
        self.answer, self.script = answer, list(script)
        self.client = FakeClient()
        self.client.version, self.client.doing = "2025-11-25", "t"
        self.requests: list[tuple[str, Any]] = []
        self.sent: list[Any] = []
        self.offer = self
        self.capabilities = {"tasks": Raw(b"{}")}
        self.live, self.left, self.taken = True, 0, 0
        self.spawned: list[Any] = []
        server: Any = self
        self.stage = Following(server, plain=plain)
        self.tool: Tool | None = None
        self.has_connection = True
        self.makers = TaskMakers()

    # The connection.

    async def request(
        self, method: str, params: bytes, seconds: float, client: Any, progress: Any = None
    ) -> bytes:
        self.requests.append((method, json.loads(params)))
        assert method == "tasks/result" or client is None or tasks.declares(client.capabilities)
        answer = {} if method in ("tasks/update", "tasks/cancel") else self.script.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        if asyncio.iscoroutine(answer):
            answer = await answer
        return json.dumps(answer).encode()

    async def ask(self, method: str, params: Any, client: Any, name: Any) -> bytes:
        return bytes(await client.ask(method, params, None, name))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.spawned.append(asyncio.ensure_future(work))

    # The server.

    async def acquire(self, *given: Any, **more: Any) -> Any:
        self.taken += 1
        return self

    def leave(self, connection: Any) -> None:
        self.left += 1

    # The innermost stage.

    async def enter(self, call: Any) -> Result:
        self.sent.append((dict(call.asked.extra), tasks.declares(call.context.client.capabilities)))
        call.connection = self if self.has_connection else None
        answer = self.answer.pop(0) if isinstance(self.answer, list) else self.answer
        if isinstance(answer, BaseException):
            raise answer
        return Result(json.dumps(answer).encode())

    async def call(self, **more: Any) -> Any:
        around = route("s", self.tool, bare="t")
        stages = Stages([self.stage, self])
        call = planned(
            context=context(client=self.client),
            stages=stages,
            route=around,
            seconds=10.0,
            deadline=10.0,
            **more,
        )
        return json.loads((await run(call)).raw)

    def asked_for(self, method: str) -> list[Any]:
        return [params for name, params in self.requests if name == method]


async def test_a_tool_that_is_a_task_alone_is_called_as_one() -> None:
    bench = Bench({"task": TASK}, {"content": [], "n": 1})
    bench.tool = REQUIRED
    assert await bench.call() == {"content": [], "n": 1}
    assert bench.sent == [({"task": Raw(b"{}")}, False)]
    assert bench.requests == [("tasks/result", {"taskId": "t"})]


async def test_whoever_asks_for_a_task_gets_it_and_so_do_clients_in_the_transparent_mode() -> None:
    asked = ToolCall(spelling="t", extra={"task": Raw(b'{"ttl":5}')})
    bench = Bench({"task": TASK})
    bench.tool = REQUIRED
    assert await bench.call(asked=asked) == {"task": TASK}
    bench = Bench({"content": []}, plain=True)
    bench.tool = REQUIRED
    await bench.call()
    assert bench.sent == [({}, False)]
    bench = Bench({"task": TASK}, {"content": []}, plain=True)
    bench.tool, bench.client.version = REQUIRED, "2026-07-28"
    assert await bench.call() == {"content": []}


async def test_a_server_that_gives_no_task_after_all_has_answered() -> None:
    bench = Bench({"content": [], "n": 2})
    bench.tool = REQUIRED
    assert (await bench.call())["n"] == 2
    assert bench.requests == []


async def test_a_task_whose_result_is_refused_fails_the_call() -> None:
    bench = Bench({"task": TASK}, CallFailure(Category.TIMEOUT, "too long"))
    bench.tool = REQUIRED
    with pytest.raises(ToolCallFailed, match="too long"):
        await bench.call()


async def test_what_a_client_cannot_follow_is_followed_until_it_is_over() -> None:
    asking = {**TASK, "status": "input_required", "inputRequests": {"q": ASKS}}
    bench = Bench(HANDLE, TASK, asking, asking, DONE)
    bench.client.answers = [b'{"action":"accept"}']
    assert (await bench.call())["n"] == 1
    assert bench.client.asked == [("elicitation/create", {"q": 1})], "each thing is asked once"
    assert bench.asked_for("tasks/update") == [{"taskId": "t", "inputResponses": {"q": {"action": "accept"}}}]
    assert len(bench.asked_for("tasks/get")) == 4


async def test_a_server_that_wants_the_extension_gets_it_for_clients_of_earlier_revisions() -> None:
    refusal = to_error(refused(Raw(json.dumps(LACKING).encode())), "t", "s", safe=False, retried=False)
    bench = Bench([refusal, HANDLE], DONE)
    assert (await bench.call())["n"] == 1
    assert [declared for _, declared in bench.sent] == [False, True]
    bench = Bench([refusal, {"content": [], "n": 3}])
    assert (await bench.call())["n"] == 3
    bench = Bench([refusal])
    bench.client.version = "2026-07-28"
    with pytest.raises(ToolCallFailed):
        await bench.call()
    bench = Bench([to_error(CallFailure(Category.UNKNOWN, "no"), "t", "s", safe=False, retried=False)])
    with pytest.raises(ToolCallFailed):
        await bench.call()


async def test_a_client_that_has_the_extension_is_told_of_its_task_unless_a_meta_tool_made_it() -> None:
    bench = Bench(HANDLE, DONE)
    bench.client.version, bench.client.capabilities = "2026-07-28", EXTENDED
    assert await bench.call() == HANDLE
    bench.client.doing = "callmux_parallel"
    assert (await bench.call())["n"] == 1


@pytest.mark.parametrize(
    ("end", "message"),
    [
        ({**TASK, "status": "failed", "error": {"code": -5, "message": "broken"}}, "broken"),
        ({**TASK, "status": "cancelled"}, "the task ended as cancelled"),
        ({**TASK, "status": "cancelled", "statusMessage": "by hand"}, "by hand"),
        ({"no": "task"}, "a task cannot be read"),
        (CallFailure(Category.TRANSPORT, "gone"), "gone"),
        ({**TASK, "inputRequests": {"q": 5}}, "what its task asks cannot be read"),
        ({**TASK, "inputRequests": {"q": ASKS}}, "not me"),
    ],
)
async def test_a_task_that_fails_fails_the_call(end: Any, message: str) -> None:
    bench = Bench(HANDLE, end)
    bench.client.answers = [RpcError(-1, "not me")]
    with pytest.raises(ToolCallFailed, match=message):
        await bench.call()


async def test_a_task_has_the_time_of_its_call_and_that_of_its_thinking_client() -> None:
    bench = Bench(HANDLE, *[TASK] * 1000)
    with pytest.raises(ToolCallFailed, match="timed out"):
        await bench.call()
    first = len(bench.requests)
    assert first > 8
    bench = Bench(HANDLE, *[TASK] * 1000)
    bench.client.thinks = lambda since: 10.0
    with pytest.raises(ToolCallFailed, match="timed out"):
        await bench.call()
    assert len(bench.requests) > 1.5 * first


async def test_a_task_that_nobody_wants_any_more_is_cancelled_at_its_server() -> None:
    never: Callable[[], Any] = asyncio.Event().wait
    for bench in (Bench({"task": TASK}, never()), Bench(HANDLE, never())):
        bench.tool = REQUIRED if "task" in bench.answer else None
        calling = asyncio.ensure_future(bench.call())
        await asyncio.sleep(1)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        await asyncio.gather(*bench.spawned)
        assert bench.asked_for("tasks/cancel") == [{"taskId": "t"}]


async def test_another_connection_is_taken_where_that_of_the_call_is_gone() -> None:
    bench = Bench(HANDLE, DONE)
    bench.has_connection = False
    assert (await bench.call(scope=Scope(cwd="/x")))["n"] == 1
    assert (bench.taken, bench.left) == (1, 1)
    bench = Bench(HANDLE, DONE)
    bench.live = False
    await bench.call()
    assert (bench.taken, bench.left) == (1, 0)


def test_a_client_for_whom_tasks_are_followed_is_that_client_in_all_else() -> None:
    client = FakeClient(b'{"roots":{}}')
    declaring = Declaring(client)
    assert tasks.declares(declaring.capabilities)
    assert declaring.session is client


async def test_a_task_that_callmux_follows_itself_holds_its_server_no_longer_than_that() -> None:
    bench = Bench({"task": TASK}, {"content": []})
    bench.makers.note(b'{"task":{"taskId":"t"}}', bench.client, 0)
    bench.tool = REQUIRED
    await bench.call()
    assert not bench.makers.holds(0)
