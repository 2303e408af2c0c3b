"""How long a call may take, and whether it may be repeated: read from the configuration. Pure.

Called by `callmux.router.door`. A tool is safe to repeat if it says so (`readOnlyHint`, `idempotentHint`) or
if the operator lists it in an `allowTools` of a cache policy; names are no signal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from callmux import names
from callmux.config.model import Config
from callmux.upstream.catalogue import Found


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
            name: (*everywhere, *server.cache_policy.allow_tools) for name, server in config.servers.items()
        }

    def seconds(self, server: str, timeout_ms: int | None) -> float:
        """The caller's own limit, else the server's, else the global one."""
        if timeout_ms is not None:
            return timeout_ms / 1000
        return self._servers.get(server, self._default)

    def is_safe(self, found: Found) -> bool:
        """Whether repeating the call does no harm."""
        tool = found.tool
        if tool is not None and (tool.read_only or tool.idempotent):
            return True
        patterns = self._allowed.get(found.server, ())
        return bool(patterns) and matches_any(patterns, found.server, found.bare)


def matches_any(patterns: Iterable[str], server: str, bare: str) -> bool:
    """Whether a pattern names the tool, bare or qualified; `*` stands for any run of characters."""
    qualified = names.join(server, bare)
    return any(_matcher(p).fullmatch(bare) or _matcher(p).fullmatch(qualified) for p in patterns)


@lru_cache(maxsize=1024)
def _matcher(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)
