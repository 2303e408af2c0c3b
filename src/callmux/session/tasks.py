"""Which server a task of MCP 2025-11-25 (basic/utilities/tasks, experimental) lives on.

Called by `callmux.session.dispatch`: the answer to a task-augmented call names a task, and later requests
name it again. A session can only reach tasks it was told of itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from callmux.protocol.shapes import Result
from callmux.session.session import Session


class _Task(msgspec.Struct, rename="camel"):
    task_id: str


class _Created(msgspec.Struct):
    task: _Task


_TASK = msgspec.json.Decoder(_Task)
_CREATED = msgspec.json.Decoder(_Created)


class RemoteTasks:
    """The tasks of all sessions."""

    def __init__(self) -> None:
        self._servers: dict[tuple[Session, str], str] = {}
        self._owners: dict[tuple[str, str], Session] = {}

    def note(self, session: Session, server: str, result: Result) -> None:
        """Remembers the task that `result` may name."""
        try:
            created = _CREATED.decode(result.raw)
        except msgspec.MsgspecError:
            return
        self._note(session, server, created.task.task_id)

    def _note(self, session: Session, server: str, id: str) -> None:
        self._servers[session, id] = server
        self._owners[server, id] = session

    def listed(self, session: Session, tasks: Sequence[tuple[str, bytes]], *, only: bool) -> list[bytes]:
        """Those of `tasks`, each with its server, that are the session's own.

        Args:
            only: There is no other session, so all are, and the session knows of them from now on.
        """
        shown = []
        for server, raw in tasks:
            try:
                id = _TASK.decode(raw).task_id
            except msgspec.MsgspecError:
                continue
            if only:
                self._note(session, server, id)
            if self._servers.get((session, id)) == server:
                shown.append(raw)
        return shown

    def server_of(self, session: Session, params: Raw | None) -> str | None:
        """The server of the task that `params` name; None where the session knows of no such task."""
        try:
            return self._servers.get((session, _TASK.decode(params if params is not None else b"").task_id))
        except msgspec.MsgspecError:
            return None

    def owner_of(self, server: str, params: Raw | None) -> Session | None:
        """The session that was told of the task that `params` of this server name."""
        try:
            return self._owners.get((server, _TASK.decode(params if params is not None else b"").task_id))
        except msgspec.MsgspecError:
            return None

    def forget(self, session: Session) -> None:
        """The session is over."""
        for key in [k for k in self._servers if k[0] is session]:
            del self._servers[key]
        for owned in [k for k, owner in self._owners.items() if owner is session]:
            del self._owners[owned]
