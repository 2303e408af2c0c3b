"""Composition root: one configuration becomes wired objects.

Called by `callmux.process.host`, which holds the current runtime and replaces it as a whole on reload. A
runtime leases its servers from the pool; it owns what is derived from the configuration: catalogue, rings,
router.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

from msgspec import Raw

from callmux.clock import Clock
from callmux.config.model import Config
from callmux.config.servers import StdioServer
from callmux.context import ClientPort
from callmux.errors import CallmuxError, ServerDisabled, ServerNotFound
from callmux.fields import Fields
from callmux.metatools import status
from callmux.metatools.engine import Engine
from callmux.metatools.table import DEFINITIONS, NAMES
from callmux.process.status import instance_id, snapshot
from callmux.process.stores import Stores
from callmux.protocol.shapes import Tool
from callmux.rings.cache.keys import Keys
from callmux.rings.cache.policy import Policy
from callmux.rings.cache.stage import Caching
from callmux.rings.coalescing import Coalescing
from callmux.rings.formatting import Formatting
from callmux.rings.limiting import Slots
from callmux.rings.order import Order, call_stages, request_stages
from callmux.rings.preparing import Preparing
from callmux.rings.references.resolving import References
from callmux.rings.relinking import Relinking
from callmux.rings.route import Route
from callmux.rings.scopes import Scopes
from callmux.rings.shield.policy import Policies
from callmux.rings.shield.stage import Shielding
from callmux.rings.writing import Writing
from callmux.router.compress import Compression
from callmux.router.door import Door
from callmux.router.listing import Kinds
from callmux.router.names import Names
from callmux.router.offers import Offers
from callmux.router.router import Router
from callmux.router.routing import Routing
from callmux.upstream.catalogue import Catalogue, ServerTools
from callmux.upstream.inventory.offer import PROMPTS, RESOURCES, TEMPLATES
from callmux.upstream.opening.reconnect import Timing
from callmux.upstream.pool import Pool, sharing_of
from callmux.upstream.resources import ResourceIndex, ServerResources
from callmux.upstream.server import Server


class Runtime:
    """One configuration at work.

    Args:
        config: The configuration.
        pool: Where servers are leased.
        stores: What is kept as long as the process lives.
        namespace: The label of `CALLMUX_NAMESPACE`, or None.
        clock: Time.
        process: Gives what status shows of the process around the runtime.

    Attributes:
        servers: Its servers by name, disabled ones left out.
        find: Gives the route of a tool's name.
        router: What its tool requests lead to.
        offers: What all its other requests lead to.
    """

    def __init__(
        self,
        config: Config,
        pool: Pool,
        stores: Stores,
        namespace: str | None,
        clock: Clock,
        process: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        self._process = process
        self.config = config
        self._pool = pool
        self._stores = stores
        self._namespace = namespace
        self._clock = clock
        self._identity = {"instanceId": instance_id(config, os.getcwd())}
        if namespace:
            self._identity = {"namespace": namespace, **self._identity}
        self._timings = {
            name: Timing(config.connect_milliseconds(name) / 1000, config.reconnect_policy)
            for name in config.servers
        }
        self.servers: dict[str, Server] = {
            name: pool.lease(name, server, self._timings[name], keep=config.keep_listings)
            for name, server in config.servers.items()
            if not server.disabled
        }
        self._catalogue: Catalogue | None = None
        self._parts: dict[Kinds, Catalogue] = {}
        self._prompts: Catalogue | None = None
        self._resources: ResourceIndex | None = None
        self._resources_before: ResourceIndex | None = None
        limits = {n: s.max_concurrency for n, s in config.servers.items() if s.max_concurrency is not None}
        slots = Slots(config.max_concurrency, limits)
        scopes = Scopes(config, stores.unresolved)
        preparing = Preparing(References(config.file_reference_roots), scopes, plain=self.is_transparent)
        routing = Routing(config, plain=self.is_transparent)
        self._names = Names(self.catalogue, routing, self._fit, self._unlisted())
        rules = Policy(config)
        keys = Keys(rules, stores.cache, self.servers)
        caching = Caching(keys, stores.cache, self.servers, clock)
        coalescing = Coalescing(keys, stores.cache, self.servers, clock)
        writing = Writing(stores.cache, self.servers, clock)
        around = caching if rules.caches else None
        relinking = Relinking(self.resources) if len(self.servers) > 1 else None
        find = self._names.find
        formatting = Formatting(config.output_format, find, NAMES)
        shield = Shielding(self._shield_policies(), stores.results, find, NAMES)
        self._order = Order(
            request_stages(formatting, shield, plain=self.is_transparent),
            call_stages(preparing, around, coalescing, writing, self.servers, slots, clock, relinking),
        )
        self._door = Door(self.servers, self._names, preparing, clock)
        self.find = find
        engine = self._engine = Engine(
            call=self._door.call_safely,
            prepare=self._door.prepare,
            is_cached=caching.would_hit,
            catalogue=self.catalogue,
            status=self.status,
            description_limit=config.description_max_length,
            clock=clock,
            cache=stores.cache,
            results=stores.results,
            recipes=config.recipes,
            narrowed=lambda capabilities: self.narrowed(self.kinds(capabilities)),
        )
        self._compression = Compression(
            config.schema_compression, {n: s.schema_compression for n, s in config.servers.items()}
        )
        self.router = Router(
            self._door,
            self.catalogue,
            self._names,
            engine,
            self._order.request,
            DEFINITIONS if config.expose_meta_tools else [],
            proxied=not config.meta_only,
            renamed=lambda: self.resources().renamed,
            plain=self.is_transparent,
            eager=config.always_load_meta_tools,
            kinds=self.kinds,
            narrowed=self.narrowed,
            compression=self._compression,
            most_calls=config.max_calls_per_request,
            placeless={name for name, server in config.servers.items() if not has_directory(server)},
        )

        self.offers = Offers(self._door, self.prompts, self.resources, list(self.servers))

    def _fit(self, route: Route) -> None:
        self._order.fit(route)

    def _shield_policies(self) -> Policies:
        servers = {name: server.response_shield for name, server in self.config.servers.items()}
        return Policies(self.config.response_shield, servers)

    @property
    def is_transparent(self) -> bool:
        """One server, no meta-tools, names left alone, no directories for file references: nothing in any
        message is changed."""
        config = self.config
        return (
            len(config.servers) == 1
            and not config.expose_meta_tools
            and config.tool_name_limit == 0
            and not config.file_reference_roots
            and not config.response_shield.enabled
            and not config.schema_compression.enabled
        )

    def _unlisted(self) -> str | None:
        """The server that gets calls of tools that it does not list: the only one of the transparent mode,
        unless the configuration says which of its tools exist."""
        name, server = next(iter(self.config.servers.items()), ("", None))
        if not self.is_transparent or server is None or server.disabled:
            return None
        return name if server.tools is None and not server.deny_tools else None

    def start(self, capabilities: bytes = b"{}", only: ClientPort | None = None) -> None:
        """Begins to connect every server, all at once; those that are up already stay as they are.

        Args:
            capabilities: What connections declare: those of the first client.
            only: The only client this process will ever have, where that is so.
        """
        for server in self.servers.values():
            server.start(capabilities, only)

    def take_effect(self) -> None:
        """This configuration is in force: its bounds on connections hold from now on."""
        config = self.config
        self._pool.berths.configure(
            config.max_scoped_clients,
            config.max_scoped_clients_per_server,
            config.session_cwd_idle_ttl_seconds,
        )

    def take_over(self, old: Runtime) -> None:
        """It replaces an earlier one: servers that that one had connected go by it from now on, and a server
        that takes another's place tells of the same resources. One that is down is tried at once."""
        self.take_effect()
        self._resources_before = old._resources or old._resources_before
        for name, server in self.servers.items():
            server.timing = self._timings[name]
            server.share(sharing_of(self.config.servers[name]))
            server.retry()
            before = old.servers.get(name)
            if before is not None and before is not server:
                server.subscribe(before.subscriptions - server.subscriptions)
                server.questions.apart |= before.questions.apart

    async def settled(self) -> None:
        """Waits until every server is up or has failed."""
        await self._door.settled()

    def failed(self) -> list[Server]:
        """The servers that are not connected now."""
        return [server for server in self.servers.values() if server.connection is None]

    def missing(self, name: str) -> CallmuxError:
        """Why there is no server of this name."""
        known = sorted(self.config.servers)
        if name in known:
            return ServerDisabled(f'server "{name}" is disabled', server=name)
        return ServerNotFound(f'there is no server "{name}"', server=name, availableServers=known)

    def catalogue(self) -> Catalogue:
        """All tools as they are now, those that only some clients see included."""
        if self._catalogue is None:
            self._catalogue = Catalogue(
                [self._contribution(name) for name in self.config.servers],
                name_limit=self.config.tool_name_limit,
                reserved=NAMES,
                identity=self._identity,
            )
        return self._catalogue

    def kinds(self, capabilities: bytes) -> Kinds:
        """The servers where not all clients see the same tools, and of which kind one is there that declares
        this."""
        found = ((name, server.kind_of(capabilities)) for name, server in self.servers.items())
        return tuple((name, kind) for name, kind in found if kind is not None)

    def narrowed(self, kinds: Kinds) -> Catalogue:
        """The tools that clients of these kinds see."""
        catalogue = self.catalogue()
        if not kinds:
            return catalogue
        if kinds not in self._parts:
            self._parts[kinds] = catalogue.narrowed({n: self.servers[n].views.of(kind) for n, kind in kinds})
        return self._parts[kinds]

    async def listed_for(self, client: ClientPort) -> None:
        """Waits until it is known what every server lists to this client."""
        await self._door.listable()
        waiting = [w for server in self.servers.values() if (w := server.unlisted_for(client)) is not None]
        if waiting:
            await asyncio.gather(*waiting)

    def prompts(self) -> Catalogue:
        """All prompts as they are now, named by the rules of tools."""
        if self._prompts is None:
            contributions = [self._prompts_of(name) for name in self.config.servers]
            self._prompts = Catalogue(contributions, name_limit=self.config.tool_name_limit, noun="prompt")
        return self._prompts

    def resources(self) -> ResourceIndex:
        """All resources as they are now."""
        if self._resources is None:
            servers = [self._resources_of(name) for name in self.servers]
            self._resources = ResourceIndex(servers, self._resources_before)
        return self._resources

    def forget_lists(self) -> None:
        """A server lists something else than before: the indexes are built anew when they are needed next."""
        self._names.forget()
        self._catalogue = None
        self._parts.clear()
        self._prompts = None
        self._resources_before = self._resources or self._resources_before
        self._resources = None

    def _prompts_of(self, name: str) -> ServerTools:
        config = self.config.servers[name]
        server = self.servers.get(name)
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
        offer = self.servers[name].offer
        return ServerResources(
            server=name,
            resources=offer.items.get(RESOURCES, ()),
            templates=offer.items.get(TEMPLATES, ()),
            pages=[uri for tool in self.servers[name].suite.tools for uri in tool.linkage.pages],
            allowed=self.config.servers[name].resources,
            serves=offer.has("resources"),
            beside=offer.beside,
        )

    def _contribution(self, name: str) -> ServerTools:
        config = self.config.servers[name]
        server = self.servers.get(name)
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

    def drain_seconds(self) -> float:
        """How long calls of this runtime may go on once it is replaced."""
        if self.config.reload_drain_timeout_ms is not None:
            return self.config.reload_drain_timeout_ms / 1000
        longest = [s.call_timeout_ms for s in self.config.servers.values() if s.call_timeout_ms is not None]
        return (max([self.config.call_timeout_ms, *longest]) + 1000) / 1000

    def status(self) -> dict[str, Any]:
        """The status payload, before a meta-tool adds the tools."""
        blocks = {
            "cache": self._stores.cache.facts(self._clock.monotonic()),
            "schemaCompression": self._compression.facts(self.catalogue(), DEFINITIONS),
            "responseStore": self._stores.results.store.facts(),
        }
        facts = snapshot(self.config, self.servers, self._pool, self._namespace, blocks)
        return facts | self._process()

    def full_status(self) -> dict[str, Any]:
        """What `callmux_status` shows, sessions included."""
        question = status.parse(Fields({"sessions": Raw(b"true"), "recommendations": Raw(b"false")})).options
        return status.payload(question, self._engine)


def has_directory(server: object) -> bool:
    """Whether a call's `cwd` can decide where the server runs."""
    return isinstance(server, StdioServer) and server.cwd_mode != "global"
