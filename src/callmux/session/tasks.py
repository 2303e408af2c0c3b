"""Which server a task of MCP 2025-11-25 (basic/utilities/tasks, experimental) lives on.

Called by `callmux.session.dispatch`: the answer to a task-augmented call names a task, and later requests
name it again. A session can only reach tasks it was told of itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from callmux.protocol.params import members, optional_text
from callmux.protocol.shapes import with_member
from callmux.session.request import SessionPort
from callmux.upstream.task_makers import RELATED


class _Task(msgspec.Struct, rename="camel"):
    task_id: str


class _Created(msgspec.Struct):
    task: _Task


_ENCODER = msgspec.json.Encoder()
_TASK = msgspec.json.Decoder(_Task)
_CREATED = msgspec.json.Decoder(_Created)


class RemoteTasks:
    """The tasks of all sessions.

    A task keeps the id that its server gave it unless the session knows a task of another server by that id;
    then it becomes `SERVER:ID` for this session.
    """

    def __init__(self) -> None:
        self._places: dict[tuple[SessionPort, str], tuple[str, str]] = {}
        self._tools: dict[tuple[SessionPort, str], str] = {}
        self._shown: dict[tuple[SessionPort, str, str], str] = {}
        self._renamed = False

    def note(self, session: SessionPort, server: str, raw: bytes, tool: str | None = None) -> bytes:
        """Remembers the task that the result of a call names; gives the result as the session sees it.

        Args:
            tool: The tool that made it, by its own name.
        """
        try:
            id = _CREATED.decode(raw).task.task_id
        except msgspec.MsgspecError:
            return raw
        shown = self._note(session, server, id)
        if tool is not None:
            self._tools[session, shown] = tool
        if shown == id:
            return raw
        task = self.shown(session, server, members(raw)["task"])
        return with_member(raw, "task", task)

    def _note(self, session: SessionPort, server: str, id: str) -> str:
        known = self._shown.get((session, server, id))
        if known is not None:
            return known
        shown = id
        while (session, shown) in self._places:
            shown, self._renamed = f"{server}:{shown}", True
        self._places[session, shown] = server, id
        self._shown[session, server, id] = shown
        return shown

    def listed(self, session: SessionPort, tasks: Sequence[tuple[str, bytes]], *, only: bool) -> list[bytes]:
        """The ones among `tasks` that are the session's own, each with its server.

        Args:
            only: Whether there is no other session, so all are, and the session knows of them from now on.
        """
        found = []
        for server, raw in tasks:
            try:
                id = _TASK.decode(raw).task_id
            except msgspec.MsgspecError:
                continue
            if only:
                self._note(session, server, id)
            if (session, server, id) in self._shown:
                found.append(bytes(self.shown(session, server, Raw(raw))))
        return found

    def find(self, session: SessionPort, params: Raw | None) -> tuple[str, Raw, str | None] | None:
        """The server of the task that `params` name, the params as it knows them, and the tool that made it;
        None where the session knows of no such task."""
        try:
            id = _TASK.decode(params if params is not None else b"").task_id
        except msgspec.MsgspecError:
            return None
        place = self._places.get((session, id))
        if place is None or params is None:
            return None
        server, own = place
        theirs = params if own == id else Raw(with_member(bytes(params), "taskId", own))
        return server, theirs, self._tools.get((session, id))

    def tool_of(self, session: SessionPort, server: str, raw: bytes) -> str | None:
        """The tool that made a task of this server, as it lists it; None where that is not known."""
        try:
            shown = self._shown.get((session, server, _TASK.decode(raw).task_id))
        except msgspec.MsgspecError:
            return None
        return None if shown is None else self._tools.get((session, shown))

    def shown(self, session: SessionPort, server: str, body: Raw) -> Raw:
        """`body` of this server with the ids of tasks as the session knows them: its own `taskId`, and that
        of the task it says it belongs to."""
        if not self._renamed:
            return body
        given = members(body)
        changed = self._renames(session, server, given)
        meta = members(given.get("_meta"))
        related = members(meta.get(RELATED))
        if self._renames(session, server, related):
            meta[RELATED] = Raw(_ENCODER.encode(related))
            given["_meta"] = Raw(_ENCODER.encode(meta))
            changed = True
        return Raw(_ENCODER.encode(given)) if changed else body

    def _renames(self, session: SessionPort, server: str, given: dict[str, Raw]) -> bool:
        id = optional_text(given.get("taskId", Raw(b"null")))
        shown = self._shown.get((session, server, id)) if id is not None else None
        if shown is None or shown == id:
            return False
        given["taskId"] = Raw(_ENCODER.encode(shown))
        return True

    def forget(self, session: SessionPort) -> None:
        """Forgets a session that is over."""
        for place in [key for key in self._places if key[0] is session]:
            del self._places[place]
            self._tools.pop(place, None)
        for own in [key for key in self._shown if key[0] is session]:
            del self._shown[own]
