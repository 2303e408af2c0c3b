"""What a configuration says of a tool: its time, whether it may be repeated, shared, kept, shaped, shortened.

Called by `callmux.router.names` at the first use of a name. Patterns of every section match all names of a
tool (its own, the qualified one, the one with its server's prefix, the listed one), never the spelling that a
caller happened to use. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from callmux import names
from callmux.config.model import Config
from callmux.guard.tiers import Tiers, of_method
from callmux.rings.cache.policy import ReusePolicy
from callmux.rings.coercion import compile_shaping
from callmux.rings.route import Route
from callmux.rings.shield.policy import Policies
from callmux.router.budget import Budgets
from callmux.traits import Traits
from callmux.upstream.catalogue import Found

if TYPE_CHECKING:
    from callmux.guard.consent import Consent
    from callmux.guard.wanted import Wanted


class Routing:
    """Makes routes for one configuration.

    Args:
        config: The configuration.
        plain: Whether this is the transparent mode: arguments and results are left as they are.
    """

    def __init__(self, config: Config, *, plain: bool = False) -> None:
        self._plain = plain
        self._budgets = Budgets(config)
        self._policy = ReusePolicy(config)
        shields = {name: server.response_shield for name, server in config.servers.items()}
        self._shield = Policies(config.response_shield, shields)
        self._tiers = {name: Tiers(server.tiers) for name, server in config.servers.items()}
        self._consent: Consent | None = None
        if config.approve:
            from callmux.guard.consent import Consent

            self._consent = Consent(config.approve)
        self._prefixes = {name: server.prefix for name, server in config.servers.items()}

    def of_tool(self, found: Found) -> Route:
        """The route of a tool."""
        spelled = self._spelled(found)
        tool = found.tool
        shaper = None if self._plain or tool is None else compile_shaping(tool.input_schema)
        tier = self._tiers[found.server].of_tool(tool, spelled)
        return Route(
            server=found.server,
            bare=found.bare,
            names=tuple(spelled),
            tool=tool,
            seconds=self._budgets.seconds(found.server),
            safe=self._budgets.is_safe(found.server, tool, spelled),
            tier=tier,
            asks=self._asks("tools/call", tier, spelled),
            verdict=self._policy.verdict(found.server, tool, spelled),
            shaper=shaper,
            limits=self._shield.limits(found.server, spelled),
        )

    def wanted(self, found: Found) -> Wanted:
        """A tool as rules see it, without what only a call needs."""
        from callmux.guard.wanted import Wanted

        spelled = self._spelled(found)
        tier = self._tiers[found.server].of_tool(found.tool, spelled)
        return Wanted(found.server, found.bare, tuple(spelled), tier)

    def _spelled(self, found: Found) -> list[str]:
        spelled = names.spellings(found.server, found.bare, self._prefixes[found.server])
        if found.emitted is not None and found.emitted not in spelled:
            spelled.append(found.emitted)
        return spelled

    def of_meta_tool(self, name: str, traits: Traits) -> Route:
        """The route of a meta-tool."""
        return Route(
            server="", bare=name, own=traits, tier=traits.tier, limits=self._shield.limits(None, [name])
        )

    def of_method(self, server: str, method: str, *, safe: bool) -> Route:
        """The route of any other method.

        Args:
            safe: Whether repeating it does no harm.
        """
        tier, spelled = of_method(method), names.spellings(server, method, self._prefixes[server])
        return Route(
            server=server,
            method=method,
            seconds=self._budgets.seconds(server),
            safe=safe,
            tier=tier,
            asks=self._asks(method, tier, spelled),
            verdict=self._policy.of_method(server, method, spelled, safe=safe),
        )

    def _asks(self, method: str, tier: str, spelled: Sequence[str]) -> bool:
        return self._consent is not None and self._consent.asks(method, tier, spelled)
