"""How long a call may take, and whether it may be repeated: read from the configuration. Pure.

Called by `callmux.router.routing`. A tool is safe to repeat if it says so (`readOnlyHint`, `idempotentHint`)
or if the operator lists it in an `allowTools` of a cache policy; names are no signal.
"""

from __future__ import annotations

from collections.abc import Iterable

from callmux import names
from callmux.config.model import Config
from callmux.protocol.shapes import Tool


class Budgets:
    """Time and repetition for one configuration."""

    def __init__(self, config: Config) -> None:
        self._default = config.call_timeout_ms / 1000
        self._servers = {
            name: server.call_timeout_ms / 1000
            for name, server in config.servers.items()
            if server.call_timeout_ms is not None
        }
        everywhere = config.cache_policy.allow_tools
        self._allowed = {
            name: names.pattern((*everywhere, *server.cache_policy.allow_tools))
            for name, server in config.servers.items()
        }

    def seconds(self, server: str) -> float:
        """The server's own limit, else the global one."""
        return self._servers.get(server, self._default)

    def is_safe(self, server: str, tool: Tool | None, spelled: Iterable[str]) -> bool:
        """Whether repeating a call does no harm.

        Args:
            spelled: Every name of the tool.
        """
        if tool is not None and (tool.read_only or tool.idempotent):
            return True
        allowed = self._allowed.get(server)
        return allowed is not None and any(map(allowed.fullmatch, spelled))
