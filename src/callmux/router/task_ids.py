"""Ids of tasks as clients of MCP 2026-07-28 know them (extension `io.modelcontextprotocol/tasks`). Pure.

Made and read by `callmux.session.modern.tasks`. An id says itself where its task lives and which tool made
it, so that nothing is kept of it; a seal binds it to whoever was told of it, and nobody else can use it.
"""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import quote, unquote

import msgspec

_SEAL_LETTERS = 24


class TaskPlace(msgspec.Struct, frozen=True):
    """Where a task lives.

    Attributes:
        server: The server's key.
        tool: The tool that made it, by its own name.
        id: What the server calls it.
    """

    server: str
    tool: str
    id: str


class TaskIds:
    """The ids of one process.

    Args:
        key: Seals those of principals. Where nobody is told from others, ids outlive the process.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def shown(self, place: TaskPlace, owner: str) -> str:
        """What its owner knows a task by."""
        return f"{_spelled(place.server)}:{_spelled(place.tool)}:{self._seal(place, owner)}:{place.id}"

    def read(self, shown: str, owner: str) -> TaskPlace | None:
        """The task that somebody names; None for one that he was not told of."""
        parts = shown.split(":", 3)
        if len(parts) < 4:
            return None
        server, tool, seal, id = parts
        place = TaskPlace(unquote(server), unquote(tool), id)
        own = self._seal(place, owner)
        return place if hmac.compare_digest(seal.encode("utf-8", "replace"), own.encode()) else None

    def _seal(self, place: TaskPlace, owner: str) -> str:
        told = (owner, place.server, place.tool, place.id)
        said = b"\0".join(part.encode("utf-8", "surrogatepass") for part in told)
        return hmac.new(self._key if owner else b"", said, hashlib.sha256).hexdigest()[:_SEAL_LETTERS]


def _spelled(name: str) -> str:
    return quote(name, safe="", errors="surrogatepass")
