"""Tasks that clients of MCP 2026-07-28 follow (extension `io.modelcontextprotocol/tasks`).

Kept by `callmux.session.modern.serving`. A call may end with a task; it is told under an id that says where
it lives (`callmux.router.task_ids`), and later requests with that id go there. Whoever does not declare the
extension is refused (draft of the extension, "Error Handling").
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from msgspec import Raw

from callmux.context import CallContext
from callmux.protocol import modern, tasks
from callmux.protocol.extensions import TASKS
from callmux.protocol.jsonrpc import INVALID_PARAMS, RpcError
from callmux.protocol.params import members, optional_text
from callmux.protocol.shapes import with_member
from callmux.router.task_ids import TaskIds, TaskPlace

if TYPE_CHECKING:
    from callmux.router.offers import Offers

_NULL = Raw(b"null")


class ExtendedTasks:
    """The tasks of one process."""

    def __init__(self) -> None:
        self._ids = TaskIds(secrets.token_bytes(32))

    def told(self, result: bytes, server: str, tool: str, owner: str) -> bytes:
        """A result as its client is told it: with an id of ours, where it is a task.

        Args:
            tool: The tool that made it, by its own name.
            owner: Whose request it answers.
        """
        task = tasks.handle(result)
        if task is None:
            return result
        return with_member(result, "taskId", self._ids.shown(TaskPlace(server, tool, task.task_id), owner))

    async def answer(
        self, method: str, params: Raw | None, context: CallContext, owner: str, offers: Offers
    ) -> bytes:
        """The result of a request about one task.

        Raises:
            RpcError: There is none, or its server refuses.
        """
        if not tasks.declares(context.client.capabilities):
            why = f"{method} needs a client that declares the extension {TASKS}"
            raise modern.lacking({"extensions": {TASKS: {}}}, why)
        shown = optional_text(members(params).get("taskId", _NULL))
        if params is None or shown is None:
            raise RpcError(INVALID_PARAMS, f"{method}: taskId is required and must be a string")
        place = self._ids.read(shown, owner)
        if place is None or place.server not in offers.servers:
            raise RpcError(INVALID_PARAMS, f"{method}: there is no such task", {"taskId": shown})
        asked = Raw(with_member(bytes(params), "taskId", place.id))
        result = await offers.other(method, asked, context, place.server, place.tool)
        if "taskId" not in members(result):
            return result
        return with_member(result, "taskId", shown)
