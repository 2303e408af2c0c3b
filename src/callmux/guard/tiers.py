"""What a call may do to the world: read, write, or destroy. Pure.

Called by `callmux.router.routing`, which writes the tier of a route into it once; read there by permission
and approval. What a tool says of itself is worth what its server is worth: `tiers` of a server overrules it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from callmux import names
from callmux.protocol import extensions
from callmux.protocol.shapes import Tool

READ = "read"
WRITE = "write"
DESTROY = "destroy"
TIERS = (READ, WRITE, DESTROY)
"""The mildest first."""

_READING = frozenset(
    {
        "prompts/get",
        "resources/read",
        "resources/subscribe",
        "resources/unsubscribe",
        "completion/complete",
        "tasks/get",
        "tasks/list",
        "tasks/result",
        *extensions.READING,
    }
)


class Tiers:
    """The tiers that a configuration gives tools of one server.

    Args:
        given: Patterns of names, each with a tier (`tiers` of the server).
    """

    def __init__(self, given: Mapping[str, str]) -> None:
        # The pattern with the most characters beside `*` says it; of two such the stricter one.
        order = sorted(given, key=lambda glob: (-_weight(glob), -TIERS.index(given[glob])))
        self._given = [(pattern, given[glob]) for glob in order if (pattern := names.pattern([glob]))]

    def of_tool(self, tool: Tool | None, spelled: Iterable[str]) -> str:
        """The tier of a tool.

        Args:
            tool: None for one that its server has not listed: it may write.
            spelled: Every name of the tool.
        """
        if self._given:
            known = list(spelled)
            for pattern, tier in self._given:
                if any(map(pattern.fullmatch, known)):
                    return tier
        if tool is None:
            return WRITE
        # MCP 2025-11-25, `ToolAnnotations`: `destructiveHint` means nothing for a tool that only reads.
        if tool.read_only:
            return READ
        return DESTROY if tool.destructive else WRITE


def of_method(method: str) -> str:
    """The tier of any other request: what we do not know may write."""
    return READ if method in _READING else WRITE


def _weight(glob: str) -> int:
    return len(glob) - glob.count("*")
