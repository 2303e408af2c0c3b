"""Whether a tool's results are shielded, and at which limits. Pure.

Called by `callmux.router.routing` and, for answers of callmux itself, by `callmux.rings.shield.stage`. A
server's own keys go before the global ones; the name lists of both levels count together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from callmux import names
from callmux.config.results import ResponseShield, ServerShield
from callmux.rings.shield.compact import Limits


class Policy(msgspec.Struct, frozen=True):
    """What holds for one server, or for callmux's own answers.

    Attributes:
        limits: The limits; None where nothing is shielded.
        allow: Matches the tools that are shielded; None for all.
        deny: Matches the tools that are not.
    """

    limits: Limits | None
    allow: re.Pattern[str] | None
    deny: re.Pattern[str] | None

    def limits_for(self, spellings: Iterable[str]) -> Limits | None:
        """The limits for a tool of these names; None where it is not shielded."""
        spelled = list(spellings)
        if self.deny is not None and any(self.deny.fullmatch(name) for name in spelled):
            return None
        if self.allow is not None and not any(self.allow.fullmatch(name) for name in spelled):
            return None
        return self.limits


def policy(general: ResponseShield, own: ServerShield | None) -> Policy:
    """The policy of a server with these keys; None for callmux's own answers."""
    server = own or ServerShield()
    enabled = general.enabled if server.enabled is None else server.enabled
    allow = [*(general.allow_tools or ()), *(server.allow_tools or ())]
    deny = [*(general.deny_tools or ()), *(server.deny_tools or ())]
    given_allow = general.allow_tools is not None or server.allow_tools is not None
    limits = Limits(
        server.max_result_bytes or general.max_result_bytes,
        server.max_string_chars or general.max_string_chars,
        server.max_array_items or general.max_array_items,
        (server.preview or general.preview) == "beginning",
    )
    nothing = given_allow and not allow
    return Policy(limits if enabled and not nothing else None, names.pattern(allow), names.pattern(deny))


class Policies:
    """The policies of a configuration.

    Args:
        general: The global `responseShield`.
        servers: The servers' own, by server key; None where a server has none.
    """

    def __init__(self, general: ResponseShield, servers: Mapping[str, ServerShield | None]) -> None:
        self._own = policy(general, None)
        self._servers = {key: policy(general, shield) for key, shield in servers.items()}

    @property
    def lowest(self) -> Limits | None:
        """Limits that no policy goes below; None where nothing is shielded at all."""
        found = [p.limits for p in (self._own, *self._servers.values()) if p.limits is not None]
        if not found:
            return None
        return Limits(
            min(limits.result_bytes for limits in found),
            min(limits.string_chars for limits in found),
            min(limits.array_items for limits in found),
        )

    def limits(self, server: str | None, spelled: Iterable[str]) -> Limits | None:
        """The limits for a tool's results; None where they are not shielded.

        Args:
            server: The server's key; None for an answer of callmux itself.
            spelled: Every name of the tool.
        """
        found = self._own if server is None else self._servers.get(server, self._own)
        return found.limits_for(spelled)
