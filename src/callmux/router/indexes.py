"""What all servers of one configuration list, as indexes by name and by URI: built when they are needed.

Made by `callmux.process.runtime`, which hands them to the router and the offers, and says when a server lists
something else than before. An index is never edited: it is forgotten and built anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from callmux.config.model import Config
from callmux.metatools.table import NAMES
from callmux.observe.bus import Bus
from callmux.observe.facts import ListsChanged
from callmux.protocol.shapes import Tool
from callmux.router.listing import Kinds
from callmux.router.opened_apps import OpenedApps
from callmux.upstream.catalogue import Catalogue, ServerTools
from callmux.upstream.inventory.offer import PROMPTS, RESOURCES, TEMPLATES
from callmux.upstream.resources import ResourceIndex, ServerResources
from callmux.upstream.server import Server

MOST_NAMED = 20_000
"""URIs of one server that are known from answers; those that were named first are forgotten."""


class Indexes:
    """The indexes of one configuration.

    Args:
        config: The configuration.
        servers: Its servers by name, disabled ones left out.
        identity: What errors about names say of the process, beside the names.
        bus: Who hears of URIs that clients know by new ones.

    Attributes:
        opened: Whose apps clients have opened.
    """

    def __init__(
        self,
        config: Config,
        servers: Mapping[str, Server],
        identity: dict[str, Any],
        bus: Bus | None = None,
    ) -> None:
        self._bus = bus
        self._config = config
        self._servers = servers
        self._identity = identity
        self._catalogue: Catalogue | None = None
        self._parts: dict[Kinds, Catalogue] = {}
        self._prompts: Catalogue | None = None
        self._resources: ResourceIndex | None = None
        self._resources_before: ResourceIndex | None = None
        self._given: frozenset[str] | None = None
        self._late: list[str] = []
        self._named: dict[str, dict[str, None]] = {}
        self.opened = OpenedApps()

    def given(self) -> None:
        """The list of tools is given to a client: servers that come up later join it at its end, so that what
        clients have read of it stays as it is."""
        if self._given is None:
            self._given = frozenset(name for name, s in self._servers.items() if s.suite.listed)

    def catalogue(self) -> Catalogue:
        """All tools as they are now, those that only some clients see included."""
        if self._catalogue is None:
            if self._given is not None:
                new = [name for name, s in self._servers.items() if s.suite.listed]
                self._late += [name for name in new if name not in self._given and name not in self._late]
            self._catalogue = Catalogue(
                [self._tools_of(name) for name in self._config.servers],
                name_limit=self._config.tool_name_limit,
                reserved=NAMES,
                identity=self._identity,
                late=self._late,
            )
        return self._catalogue

    def kinds(self, client: bytes) -> Kinds:
        """The servers where not all clients see the same tools, and of which kind a client of this kind is
        there."""
        found = ((name, server.kind_of(client)) for name, server in self._servers.items())
        return tuple((name, kind) for name, kind in found if kind is not None)

    def narrowed(self, kinds: Kinds) -> Catalogue:
        """The tools that clients of these kinds see."""
        catalogue = self.catalogue()
        if not kinds:
            return catalogue
        if kinds not in self._parts:
            views = {name: self._servers[name].views.of(kind) for name, kind in kinds}
            self._parts[kinds] = catalogue.narrowed(views)
        return self._parts[kinds]

    def prompts(self) -> Catalogue:
        """All prompts as they are now, named by the rules of tools."""
        if self._prompts is None:
            contributions = [self._prompts_of(name) for name in self._config.servers]
            self._prompts = Catalogue(contributions, name_limit=self._config.tool_name_limit, noun="prompt")
        return self._prompts

    def resources(self) -> ResourceIndex:
        """All resources as they are now."""
        if self._resources is None:
            servers = [self._resources_of(name) for name in self._servers]
            self._resources = ResourceIndex(servers, self._resources_before)
        return self._resources

    def learn(self, server: str, uris: Sequence[str]) -> None:
        """Takes URIs that a server has named in an answer. One that another server has, too, clients know by
        a new one from then on."""
        known = self._named.setdefault(server, {})
        if len(self._servers) < 2 or all(uri in known for uri in uris):
            return
        known.update(dict.fromkeys(uris))
        while len(known) > MOST_NAMED:
            del known[next(iter(known))]
        before = self._resources_before = self.resources()
        self._resources = None
        if self.resources().renamed != before.renamed and self._bus is not None:
            self._bus.publish(ListsChanged(server=server))

    def forget(self) -> None:
        """Drops the indexes, because a server lists something else: they are built anew when they are
        needed."""
        self._catalogue = None
        self._parts.clear()
        self._prompts = None
        self._resources_before = self._resources or self._resources_before
        self._resources = None

    def take_over(self, old: Indexes) -> None:
        """Replaces other indexes: a server that takes another's place tells of the same resources."""
        self._resources_before = old._resources or old._resources_before
        self.opened = old.opened
        self._late = [name for name in old._late if name in self._servers]
        self._named = {name: dict(uris) for name, uris in old._named.items() if name in self._servers}

    def _tools_of(self, name: str) -> ServerTools:
        config = self._config.servers[name]
        server = self._servers.get(name)
        return ServerTools(
            server=name,
            prefix=config.prefix,
            tools=[*server.suite.tools, *server.views.others()] if server is not None else (),
            whitelist=frozenset(config.tools) if config.tools is not None else None,
            denied=frozenset(config.deny_tools),
            always_load=frozenset(config.always_load),
            removed=server.suite.gone if server is not None else {},
            listed=server.suite.listed if server is not None else False,
            disabled=config.disabled,
            beside=server.offer.beside.get("tools", {}) if server is not None else {},
        )

    def _prompts_of(self, name: str) -> ServerTools:
        config = self._config.servers[name]
        server = self._servers.get(name)
        items = server.offer.items.get(PROMPTS, ()) if server is not None else ()
        return ServerTools(
            server=name,
            prefix=config.prefix,
            tools=[Tool(item.raw) for item in items],
            whitelist=frozenset(config.prompts) if config.prompts is not None else None,
            listed=server.suite.listed if server is not None else False,
            disabled=config.disabled,
            beside=server.offer.beside.get(PROMPTS.member, {}) if server is not None else {},
        )

    def _resources_of(self, name: str) -> ServerResources:
        server = self._servers[name]
        return ServerResources(
            server=name,
            resources=server.offer.items.get(RESOURCES, ()),
            templates=server.offer.items.get(TEMPLATES, ()),
            named=[
                *(uri for tool in (*server.suite.tools, *server.views.tools()) for uri in tool.linkage.pages),
                *self._named.get(name, ()),
            ],
            allowed=self._config.servers[name].resources,
            serves=server.offer.has("resources"),
            beside=server.offer.beside,
        )
