"""Who may use what under one configuration, wired: the rules, what they leave to see, the stages.

Made by `callmux.process.runtime` where the configuration has rules or profiles that apply; loaded only then.
Asked by `callmux.process.entitlements` about sessions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from callmux.config.model import Config
from callmux.guard.principal import Principal
from callmux.guard.rights import Permissions
from callmux.metatools.table import NAMES
from callmux.observe.bus import Bus
from callmux.protocol.methods import HARMLESS
from callmux.rings.authorizing import Admitting, Authorizing, Soon
from callmux.rings.route import Find
from callmux.router.indexes import Indexes
from callmux.router.routing import Routing
from callmux.router.sight import Sight
from callmux.upstream.resources import Place
from callmux.upstream.server import Server


class Oversight:
    """The rights of one configuration at work.

    Args:
        config: The configuration.
        indexes: What the servers list.
        routing: Gives the names and the tier of a tool.
        find: Gives the route of a name, and of the server beside it.
        servers: The servers by name.
        authorized: Whether `authorization` applies.

    Attributes:
        authorized: Whether `authorization` applies.
        permissions: Who may use what.
        sight: What each client may see.
    """

    def __init__(
        self,
        config: Config,
        indexes: Indexes,
        routing: Routing,
        find: Find,
        servers: Mapping[str, Server],
        *,
        authorized: bool,
    ) -> None:
        self.authorized = authorized
        self.permissions = Permissions(config, authorized=authorized, reserved=NAMES)
        self._servers = servers
        self._find = find
        self.sight = Sight(self.permissions, indexes, routing, find, config.recipes, self._is_listed)

    def _is_listed(self, server: str) -> bool:
        return server in self._servers and self._servers[server].suite.listed

    def guards(self, soon: Soon, bus: Bus | None = None) -> tuple[Authorizing, Admitting]:
        """The stages around requests and around calls.

        Args:
            bus: Who hears of refusals.
            soon: What to wait for until the names of calls can be looked up; None where they can.
        """
        find = self._find
        return Authorizing(self.permissions, find, soon, bus), Admitting(self.permissions, find, bus)

    def may_call(self, principal: Principal | None, profile: str, server: str, tool: str) -> bool:
        """Whether somebody may call a tool, by its server's key and its own name."""
        return self.sight.allows(self.permissions.of(principal, profile), server, tool)

    def may_read(self, principal: Principal | None, profile: str, place: Place) -> bool:
        """Whether somebody may read a resource."""
        return self.sight.of_place(self.permissions.of(principal, profile), place) is None

    def may_tell(self, principal: Principal | None, profile: str, server: str, method: str) -> bool:
        """Whether a notification of somebody goes to a server: what changes nothing goes to every server they
        may know of, anything else may have any effect there."""
        if method in HARMLESS:
            return server in self.seen_by(principal, profile)
        wanted = self.permissions.namespace.request(server, method, method)
        return self.permissions.of(principal, profile).of(wanted) is None

    def seen_by(self, principal: Principal | None, profile: str) -> Collection[str]:
        """The servers that somebody may know of."""
        return self.sight.servers(self.permissions.of(principal, profile))
