"""Tasks in the two forms that MCP has for them: how each is told, and what it says. Pure.

MCP 2025-11-25 has them as an experiment (basic/utilities/tasks): the client asks for one, and fetches what
came of it. For 2026-07-28 they are the extension `io.modelcontextprotocol/tasks`: the server decides, and
tells the outcome with the status. Called by `callmux.rings.following`, `callmux.upstream.rounds` and
`callmux.session.modern.tasks`.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.protocol.extensions import TASKS
from callmux.protocol.jsonrpc import ErrorObject
from callmux.protocol.params import members
from callmux.protocol.versions import MISSING_CAPABILITY

GET, UPDATE, CANCEL, RESULT = "tasks/get", "tasks/update", "tasks/cancel", "tasks/result"
REQUIRED = "required"
TASK = "task"
"""The `resultType` of a task that stands in place of a result."""
DONE = frozenset({"cancelled", "completed", "failed"})


class Task(msgspec.Struct, frozen=True, rename="camel"):
    """A task of the extension, as far as it matters here.

    Attributes:
        input_requests: What its server wants to know, by names of its own.
        result: What came of it.
        error: The JSON-RPC error that came of it.
    """

    task_id: str
    status: str = ""
    status_message: str | None = None
    poll_interval_ms: float | None = None
    input_requests: Mapping[str, Raw] = {}
    result: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


class _Made(msgspec.Struct, rename="camel"):
    result_type: str | UnsetType | None = UNSET
    task: Task | UnsetType = UNSET


class _Execution(msgspec.Struct, rename="camel"):
    task_support: str | None = None


class _Tool(msgspec.Struct):
    execution: _Execution | None = None


_TASK = msgspec.json.Decoder(Task)
_MADE = msgspec.json.Decoder(_Made)
_TOOL = msgspec.json.Decoder(_Tool)


def read(result: bytes | Raw) -> Task:
    """A task of the extension.

    Raises:
        ValueError: It is none.
    """
    try:
        return _TASK.decode(result)
    except msgspec.MsgspecError as error:
        raise ValueError(f"a task cannot be read: {error}") from None


def handle(result: bytes) -> Task | None:
    """The task that a server of the extension gives in place of a result; None for any other result."""
    if b'"resultType"' not in result or b'"taskId"' not in result:
        return None
    try:
        if _MADE.decode(result).result_type == TASK:
            return read(result)
    except (ValueError, msgspec.MsgspecError):
        pass
    return None


def ended(status: bytes | Raw) -> str | None:
    """The id of the task that a server of the extension tells of, where it is over."""
    try:
        task = read(status)
    except ValueError:
        return None
    return task.task_id if task.status in DONE else None


def made(result: bytes) -> Task | None:
    """The task that a server of 2025-11-25 has made; None for any other result."""
    if b'"task"' not in result:
        return None
    try:
        task = _MADE.decode(result).task
    except msgspec.MsgspecError:
        return None
    return None if task is UNSET else task


def support(tool: bytes) -> str | None:
    """What a tool of a server of 2025-11-25 says of tasks (`execution.taskSupport`)."""
    if b'"taskSupport"' not in tool:
        return None
    try:
        execution = _TOOL.decode(tool).execution
    except msgspec.MsgspecError:
        return None
    return None if execution is None else execution.task_support


def declares(capabilities: bytes | Raw) -> bool:
    """Whether these capabilities have the extension."""
    # `in` would try the bytes as a number first, and drop an exception.
    if capabilities == b"{}" or bytes(capabilities).find(b'"extensions"') < 0:
        return False
    return TASKS in members(members(capabilities).get("extensions"))


def declared(capabilities: bytes) -> bytes:
    """These capabilities with the extension."""
    given = members(capabilities)
    extensions = members(given.get("extensions"))
    extensions.setdefault(TASKS, Raw(b"{}"))
    given["extensions"] = Raw(msgspec.json.encode(extensions))
    return msgspec.json.encode(given)


def is_wanted(error: ErrorObject) -> bool:
    """Whether a server refuses a request because its client does not have the extension."""
    if error.code != MISSING_CAPABILITY or not isinstance(error.data, Raw):
        return False
    return declares(members(error.data).get("requiredCapabilities", b""))
