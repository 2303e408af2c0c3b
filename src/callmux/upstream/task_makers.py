"""Which client made which task of MCP 2025-11-25 (basic/utilities/tasks) on one connection.

Kept by each `callmux.upstream.connection`, which asks where nothing else tells whom a notice or a question is
for; the retrying stage (`callmux.rings.retrying`) has the answers of calls that make tasks noted. A server's
ids are unique for one process only, so what one connection knows says nothing of another.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from callmux.context import ClientPort
from callmux.protocol.params import members, optional_text

MOST = 1000
"""Tasks that are remembered on one connection; the oldest are forgotten first."""
RELATED = "io.modelcontextprotocol/related-task"
"""The `_meta` key that says which task something belongs to."""

_NULL = Raw(b"null")


class _Task(msgspec.Struct, rename="camel"):
    task_id: str


class _Created(msgspec.Struct):
    task: _Task


_CREATED = msgspec.json.Decoder(_Created)


class TaskMakers:
    """The tasks of one connection."""

    def __init__(self) -> None:
        self._makers: dict[str, ClientPort] = {}

    def __repr__(self) -> str:
        return f"TaskMakers({len(self._makers)})"

    def __len__(self) -> int:
        return len(self._makers)

    def note(self, result: bytes, client: ClientPort) -> None:
        """Remembers that a call of `client` made a task."""
        try:
            id = _CREATED.decode(result).task.task_id
        except msgspec.MsgspecError:
            return
        self._makers[id] = client.session
        if len(self._makers) > MOST:
            del self._makers[next(iter(self._makers))]

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
        """Forgets a client that has left."""
        for id in [id for id, maker in self._makers.items() if maker is client]:
            del self._makers[id]
