"""Which client made which task on one connection, and until when its server keeps the task.

Kept by each `callmux.upstream.connection`, which asks where nothing else tells whom a notice or a question is
for, and whether the process may be ended. Tasks of MCP 2025-11-25 (basic/utilities/tasks) are noted by the
retrying stage (`callmux.rings.retrying`), those of the extension by `callmux.upstream.rounds`; whoever has
fetched what came of one says so (`callmux.rings.following`). A server's ids are unique for one process only,
so what one connection knows says nothing of another. Pure.
"""

from __future__ import annotations

from math import inf

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.context import ClientPort
from callmux.protocol.params import members, optional_text

MOST = 1000
"""Tasks that are remembered on one connection; the oldest are forgotten first."""
RELATED = "io.modelcontextprotocol/related-task"
"""The `_meta` key that says which task something belongs to."""

_NULL = Raw(b"null")


class _Task(msgspec.Struct, rename="camel"):
    task_id: str
    ttl: Raw | UnsetType = UNSET
    ttl_ms: Raw | UnsetType = UNSET


class _Created(msgspec.Struct):
    task: _Task


_CREATED = msgspec.json.Decoder(_Created)
_TASK = msgspec.json.Decoder(_Task)
_NUMBER = msgspec.json.Decoder(float)


class TaskMakers:
    """The tasks of one connection."""

    def __init__(self) -> None:
        self._makers: dict[str, ClientPort] = {}
        self._until: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"TaskMakers({len(self._makers)}, {len(self._until)} kept)"

    def holds(self, now: float) -> bool:
        """Whether the server may be at work on one, or keep what came of it: it must not be ended."""
        if self._until:
            for id in [id for id, until in self._until.items() if until <= now]:
                del self._until[id]
        return bool(self._until)

    def note(self, result: bytes, client: ClientPort, now: float) -> None:
        """Remembers that a call of `client` made a task.

        Args:
            now: The time, by the loop's clock: the server keeps the task for as long as it says.
        """
        try:
            task = _CREATED.decode(result).task
        except msgspec.MsgspecError:
            return
        self._makers[task.task_id] = client.session
        if len(self._makers) > MOST:
            del self._makers[next(iter(self._makers))]
        self._keep(task, now)

    def note_handle(self, result: bytes | Raw, now: float) -> None:
        """Remembers a task of the extension, whoever made it: any client that knows its id may follow it."""
        try:
            self._keep(_TASK.decode(result), now)
        except msgspec.MsgspecError:
            return

    def _keep(self, task: _Task, now: float) -> None:
        self._until[task.task_id] = now + _seconds(task)
        if len(self._until) > MOST:
            del self._until[next(iter(self._until))]

    def fetched(self, id: str) -> None:
        """What came of a task has been fetched: where its server sets no time, nobody needs it any more."""
        if self._until.get(id) == inf:
            del self._until[id]

    def over(self, id: str) -> None:
        """A task that nobody but callmux knows is over."""
        self._until.pop(id, None)

    def maker(self, params: Raw | None) -> ClientPort | None:
        """Who made the task that the params of a notice or a question name; None where nobody is known."""
        if params is None or not self._makers:
            return None
        given = members(params)
        if "taskId" not in given:
            given = members(members(given.get("_meta")).get(RELATED))
        id = optional_text(given.get("taskId", _NULL))
        return None if id is None else self._makers.get(id)

    def forget(self, client: ClientPort) -> None:
        """Forgets a client that has left: nobody else can reach its tasks."""
        for id in [id for id, maker in self._makers.items() if maker is client]:
            del self._makers[id]
            self._until.pop(id, None)


def _seconds(task: _Task) -> float:
    """How long a server keeps a task, from when it was made; for ever where it does not say."""
    said = task.ttl if task.ttl_ms is UNSET else task.ttl_ms
    try:
        return inf if said is UNSET else max(_NUMBER.decode(said) / 1000, 0.0)
    except msgspec.MsgspecError:
        return inf
