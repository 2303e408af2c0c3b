"""Waits for tasks on behalf of those who cannot: the call ends with what came of its task. A call stage.

A tool of a server of MCP 2025-11-25 may be callable as a task alone (`execution.taskSupport`), and a server
of 2026-07-28 may answer a call with a task to whoever declares the extension for that. A caller that asked
for a task, or declares the extension, is told of it and follows it. For all others, and for calls inside a
meta-tool, the task is followed here, what its server wants to know included.
`callmux.rings.order` puts it only around tools of servers that have tasks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
from msgspec import Raw

from callmux.context import ClientPort
from callmux.errors import CallmuxError, ToolCallFailed
from callmux.plan import ToolCall
from callmux.protocol import tasks
from callmux.protocol.jsonrpc import RpcError, read_error
from callmux.protocol.params import present
from callmux.protocol.shapes import Result
from callmux.protocol.tasks import Task
from callmux.protocol.versions import MODERN
from callmux.rings.call import Call
from callmux.rings.stage import Outcome
from callmux.rings.visiting import anew
from callmux.upstream import failures
from callmux.upstream.connection import Connection
from callmux.upstream.failures import CallFailure, Category, to_error
from callmux.upstream.server import Server

PAUSE_SECONDS = 1.0
"""Between two looks at a task whose server does not say how often it wants to be asked."""
SHORTEST, LONGEST = 0.05, 30.0
"""Bounds of what it may say."""
CANCEL_SECONDS = 5.0
"""How long a server may take to hear that a task is not wanted any more."""


class Declaring:
    """A client that has the extension for tasks, whatever it says: callmux follows tasks for it.

    Args:
        client: The client.
    """

    def __init__(self, client: ClientPort) -> None:
        self._client = client
        self.capabilities = tasks.declared(client.capabilities)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


class _OurTask(ToolCall, frozen=True):
    """A call that was made a task here."""


class Following:
    """Call stage: follows the tasks of a server.

    Args:
        server: The server.
        plain: Whether this is the transparent mode, where clients of 2025-11-25 follow their own.
    """

    def __init__(self, server: Server, *, plain: bool) -> None:
        self._server = server
        self._plain = plain

    def enter(self, call: Call) -> None:
        tool = call.route.tool
        if "task" in call.asked.extra or tool is None or tasks.support(tool.raw) != tasks.REQUIRED:
            return
        if self._plain and call.context.client.version not in MODERN:
            return
        asked = call.asked
        extra = {**asked.extra, "task": Raw(b"{}")}
        call.asked = _OurTask(
            spelling=asked.spelling, arguments=asked.arguments, meta=asked.meta, extra=extra
        )
        call.makes_task = True

    def leave(self, call: Call, outcome: Outcome) -> Outcome | Coroutine[Any, Any, Outcome]:
        if isinstance(outcome, Result):
            if type(call.asked) is _OurTask:
                task = tasks.made(outcome.raw)
                return outcome if task is None else self._fetched(call, task)
            if (task := tasks.handle(outcome.raw)) is not None and not self._follows(call):
                return self._followed(call, task)
        elif isinstance(outcome, ToolCallFailed) and not self._speaks(call) and _wants_tasks(outcome):
            return self._as_task(call)
        return outcome

    def _speaks(self, call: Call) -> bool:
        """Whether the caller is one to whom its server may say what it lacks."""
        client = call.context.client
        return client.version in MODERN and client.doing == call.asked.spelling

    def _follows(self, call: Call) -> bool:
        """Whether the caller follows its tasks itself."""
        return self._speaks(call) and tasks.declares(call.context.client.capabilities)

    async def _as_task(self, call: Call) -> Outcome:
        """What comes of a call that its server takes only from those who have the extension."""
        call.context = msgspec.structs.replace(call.context, client=Declaring(call.context.client))
        outcome = await anew(call)
        task = tasks.handle(outcome.raw) if isinstance(outcome, Result) else None
        return outcome if task is None else await self._followed(call, task)

    # A task of 2025-11-25.

    async def _fetched(self, call: Call, task: Task) -> Outcome:
        """What came of a task; its server answers once it is over."""
        params = msgspec.json.encode({"taskId": task.task_id})
        client = call.context.client
        progress = None if call.context.progress_token is None else call.context.progressed
        async with self._connection(call) as connection, self._wanted(connection, task):
            try:
                found = await connection.request(tasks.RESULT, params, call.seconds, client, progress)
            except CallFailure as failure:
                return self._failed(call, failure)
        return Result(found)

    # A task of the extension.

    async def _followed(self, call: Call, task: Task) -> Outcome:
        client: Any = Declaring(call.context.client)
        end = asyncio.get_running_loop().time() + call.seconds
        asked: set[str] = set()
        async with self._connection(call) as connection, self._wanted(connection, task, client):
            params = msgspec.json.encode({"taskId": task.task_id})
            try:
                while task.status not in tasks.DONE:
                    if task.input_requests:
                        await self._answer(connection, client, task, asked)
                    await asyncio.sleep(_pause(task))
                    now, thought = asyncio.get_running_loop().time(), client.thought(end - call.seconds)
                    if now > end + thought:
                        raise failures.timed_out(f"a task of {call.target}", call.seconds * 1000)
                    task = tasks.read(await connection.request(tasks.GET, params, call.seconds, client))
            except CallFailure as failure:
                return self._failed(call, failure)
            except ValueError as error:
                return self._failed(call, CallFailure(Category.PROTOCOL, str(error)))
        if isinstance(task.result, Raw) and task.status == "completed":
            return Result(bytes(task.result))
        if isinstance(task.error, Raw):
            return self._failed(call, failures.refused(task.error))
        why = task.status_message or f"the task ended as {task.status}"
        return self._failed(call, CallFailure(Category.UNKNOWN, why))

    async def _answer(self, connection: Connection, client: ClientPort, task: Task, asked: set[str]) -> None:
        """Asks the client what the server of a task wants to know, each thing once."""
        new = {name: raw for name, raw in task.input_requests.items() if name not in asked}
        asked.update(new)
        if not new:
            return
        answers = await asyncio.gather(*(_ask(connection, client, *one) for one in new.items()))
        told = {"taskId": task.task_id, "inputResponses": dict(zip(new, answers, strict=True))}
        await connection.request(tasks.UPDATE, msgspec.json.encode(told), CANCEL_SECONDS, client)

    # Both.

    @asynccontextmanager
    async def _connection(self, call: Call) -> AsyncIterator[Connection]:
        """The connection that a task was made on, or another one to its server."""
        connection, server = call.connection, self._server
        if connection is not None and connection.live:
            yield connection
            return
        taken = await server.acquire(call.target, call.context.client, scope=call.scope)
        try:
            yield taken
        finally:
            if call.scope is not None:
                server.leave(taken)

    @asynccontextmanager
    async def _wanted(
        self, connection: Connection, task: Task, client: ClientPort | None = None
    ) -> AsyncIterator[None]:
        """Tells the server where nobody waits for the task any more; nobody else can reach it."""
        try:
            yield
        except asyncio.CancelledError:
            params = msgspec.json.encode({"taskId": task.task_id})
            connection.spawn(_cancelled(connection, params, client))
            raise
        finally:
            connection.makers.over(task.task_id)

    def _failed(self, call: Call, failure: CallFailure) -> CallmuxError:
        return to_error(failure, call.asked.spelling, call.server, safe=call.safe, retried=False)


def _wants_tasks(failure: ToolCallFailed) -> bool:
    return failure.rpc is not None and tasks.is_wanted(read_error(Raw(failure.rpc)))


async def _cancelled(connection: Connection, params: bytes, client: ClientPort | None) -> None:
    with suppress(CallFailure):
        await connection.request(tasks.CANCEL, params, CANCEL_SECONDS, client)


class _Question(msgspec.Struct):
    method: str
    params: Raw = Raw(b"null")


_QUESTION = msgspec.json.Decoder(_Question)


async def _ask(connection: Connection, client: ClientPort, name: str, raw: Raw) -> Raw:
    """The client's answer.

    Raises:
        CallFailure: It cannot be asked, or refuses.
    """
    try:
        question = _QUESTION.decode(raw)
        return Raw(bytes(await connection.ask(question.method, present(question.params), client, name)))
    except msgspec.MsgspecError as error:
        raise CallFailure(Category.PROTOCOL, f"what its task asks cannot be read: {error}") from None
    except RpcError as error:
        raise failures.refused(Raw(error.encoded())) from None


def _pause(task: Task) -> float:
    said = PAUSE_SECONDS if task.poll_interval_ms is None else task.poll_interval_ms / 1000
    return min(max(said, SHORTEST), LONGEST)
