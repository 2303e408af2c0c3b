"""Which server a task of MCP 2025-11-25 (basic/utilities/tasks, experimental) lives on.

Called by `callmux.session.dispatch`: the answer to a task-augmented call names a task, and later requests
name it again. A session can only reach tasks it was told of itself.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from callmux.protocol.params import members
from callmux.protocol.shapes import Result
from callmux.session.session import Session


class _Task(msgspec.Struct, rename="camel"):
    task_id: str


class _Created(msgspec.Struct):
    task: _Task


_CREATED = msgspec.json.Decoder(_Created)


class RemoteTasks:
    """The tasks of all sessions."""

    def __init__(self) -> None:
        self._servers: dict[tuple[Session, str], str] = {}

    def note(self, session: Session, server: str, result: Result) -> None:
        """Remembers the task that `result` may name."""
        try:
            created = _CREATED.decode(result.raw)
        except msgspec.MsgspecError:
            return
        self._servers[session, created.task.task_id] = server

    def server_of(self, session: Session, method: str, params: Raw | None) -> str | None:
        """The server of the task that a `tasks/*` request names; None where there is none to tell."""
        if not method.startswith("tasks/"):
            return None
        try:
            id = msgspec.json.decode(members(params).get("taskId", b"null"), type=str)
        except msgspec.MsgspecError:
            return None
        return self._servers.get((session, id))

    def forget(self, session: Session) -> None:
        """The session is over."""
        for key in [k for k in self._servers if k[0] is session]:
            del self._servers[key]
