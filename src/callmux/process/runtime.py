"""Composition root: one configuration becomes wired objects.

Called by `callmux.process.host`, which holds the current runtime and replaces it as a whole on reload. A
runtime leases its servers from the pool; it owns what is derived from the configuration: catalogue, rings,
router.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, cast

from msgspec import structs

from callmux.clock import Clock
from callmux.config.model import Config
from callmux.config.servers import HttpServer, divided
from callmux.context import CallContext, ClientPort
from callmux.metatools.meta_tool import definitions
from callmux.observe.bus import Bus
from callmux.observe.gauges import Gauges
from callmux.process.status import instance_id, snapshot
from callmux.process.stores import Stores
from callmux.protocol.methods import HARMLESS
from callmux.router.compress import Compression
from callmux.router.indexes import Indexes
from callmux.router.readiness import Readiness
from callmux.router.tool_lists import ToolLists
from callmux.session.facts import Nobody
from callmux.upstream.opening.reconnect import timing_of
from callmux.upstream.pool import Pool, sharing_of
from callmux.upstream.server import Server

if TYPE_CHECKING:
    from callmux.guard.principal import Principal
    from callmux.observe.keeping import Keeping
    from callmux.process.approval import Approval
    from callmux.process.oversight import Oversight
    from callmux.process.workings import Workings
    from callmux.rings.inviting import Invite, Inviting
    from callmux.rings.route import Route
    from callmux.router.names import Names
    from callmux.router.offers import Offers
    from callmux.router.router import Router
    from callmux.router.routing import Routing
    from callmux.upstream.visits import Visits


class Runtime:
    """One configuration at work.

    Args:
        config: The configuration.
        pool: Where servers are leased.
        stores: What is kept as long as the process lives.
        namespace: The label of `CALLMUX_NAMESPACE`, or None.
        clock: Time.
        process: Gives what status shows of the process around the runtime.
        bus: Who hears of calls.
        approval: Gives the approval of the process; asked only where the configuration has `approve`.
        listener: Whether its clients come over HTTP.
        invite: Opens the way for a person who has to sign in to a server.
        visits: Tells when a person who was sent that way is done.

    Attributes:
        oversight: Who may use what; None where all may use everything.
        servers: Its servers by name, disabled ones left out.
        indexes: What they list.
        ready: Says when it is known what they list.
        lists: The tools that clients are listed.
    """

    def __init__(
        self,
        config: Config,
        pool: Pool,
        stores: Stores,
        namespace: str | None,
        clock: Clock,
        process: Callable[[], dict[str, Any]] = dict,
        bus: Bus | None = None,
        approval: Callable[[], Approval] | None = None,
        *,
        listener: bool = False,
        invite: Invite | None = None,
        visits: Visits | None = None,
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
        self._timings = {name: timing_of(config, name) for name in config.servers}
        apart = listener and config.auth is not None
        entries = {n: divided(server) if apart else server for n, server in config.servers.items()}
        self.servers: dict[str, Server] = {
            name: pool.lease(name, server, self._timings[name], keep=config.keep_listings)
            for name, server in entries.items()
            if not server.disabled
        }
        indexes = self.indexes = Indexes(config, self.servers, self._identity, bus)
        self.ready = Readiness(self.servers, clock, config.list_seconds)
        self.oversight = self._oversight(listener)
        self._make_workings = partial(
            self._wired, structs.replace(config, servers=entries), bus, approval, invite, visits
        )
        self._compression = Compression(
            config.schema_compression, {n: s.schema_compression for n, s in config.servers.items()}
        )
        self.lists = ToolLists(
            self.ready,
            indexes.catalogue,
            definitions() if config.expose_meta_tools else [],
            proxied=not config.meta_only,
            compression=self._compression,
            renamed=lambda: indexes.resources().renamed,
            plain=self.is_transparent,
            eager=config.always_load_meta_tools,
            kinds=indexes.kinds,
            narrowed=indexes.narrowed,
            given=indexes.given,
            sight=None if self.oversight is None else self.oversight.sight,
            persona=config.persona,
            index_tokens=config.index_tokens,
            recipes=config.recipes,
        )

    @cached_property
    def workings(self) -> Workings:
        """How calls are made: read in and wired when it is needed first."""
        return self._make_workings()

    def _wired(
        self,
        placed: Config,
        bus: Bus | None,
        approval: Callable[[], Approval] | None,
        invite: Invite | None,
        visits: Visits | None,
    ) -> Workings:
        from callmux.process.workings import Workings

        return Workings(
            config=self.config,
            placed=placed,
            plain=self.is_transparent,
            servers=self.servers,
            names=self.names,
            ready=self.ready,
            indexes=self.indexes,
            stores=self._stores,
            clock=self._clock,
            bus=bus,
            oversight=self.oversight,
            approval=approval,
            inviting=self._inviting(invite, visits),
            status=self.status,
        )

    @property
    def is_read_in(self) -> bool:
        """Whether it is known how calls are made."""
        return "workings" in self.__dict__

    def read_in(self) -> None:
        """Reads in what the first call needs, so that it need not wait for that."""
        _ = self.workings

    @cached_property
    def router(self) -> Router:
        """What its tool requests lead to."""
        return self.workings.router

    @cached_property
    def offers(self) -> Offers:
        """What all its other requests lead to."""
        return self.workings.offers

    @cached_property
    def names(self) -> Names:
        """The routes of names."""
        from callmux.router.names import Names

        return Names(self.indexes.catalogue, self.routing, self._fit, self._unlisted())

    @cached_property
    def routing(self) -> Routing:
        """What makes routes."""
        from callmux.router.routing import Routing

        return Routing(self.config, plain=self.is_transparent)

    def find(self, tool: str, server: str | None = None) -> Route:
        """The route of a tool's name.

        Raises:
            CallmuxError: It leads nowhere.
        """
        return self.names.find(tool, server)

    def _inviting(self, invite: Invite | None, visits: Visits | None) -> Inviting | None:
        """What shows clients the way in: only where all of them are one person's."""
        servers = self.config.servers.items()
        remote = {name: server for name, server in servers if isinstance(server, HttpServer)}
        if invite is None or visits is None or not remote or self.config.auth is not None:
            return None
        from callmux.rings.inviting import Inviting

        return Inviting(remote, invite, visits)

    def _oversight(self, listener: bool) -> Oversight | None:
        """Who may use what; loaded only where the configuration says something about it."""
        config = self.config
        applies = config.authorization is not None and (listener or config.stdio_principal is not None)
        if not applies and not config.profiles:
            return None
        from callmux.process.oversight import Oversight

        return Oversight(config, self.indexes, self.routing, self.find, self.servers, authorized=applies)

    def _fit(self, route: Route) -> None:
        self.workings.order.fit(route)

    @cached_property
    def is_transparent(self) -> bool:
        """Whether no message is changed: one server, no meta-tools, names left alone, no file references."""
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

    def start(
        self, capabilities: bytes = b"{}", only: ClientPort | None = None, revision: str | None = None
    ) -> None:
        """Begins to connect every server, all at once; those that are up already stay as they are.

        Args:
            capabilities: What connections declare: those of the first client.
            only: The only client this process will ever have, where that is so.
            revision: What the first client speaks; None where there is none yet.
        """
        for server in self.servers.values():
            server.start(capabilities, only, revision)

    def take_effect(self) -> None:
        """Puts this configuration in force: its bounds on connections hold from now on."""
        config = self.config
        self._pool.scoped_limits.configure(
            config.max_scoped_clients,
            config.max_scoped_clients_per_server,
            config.session_cwd_idle_ttl_seconds,
        )
        self._pool.starts.most = config.max_concurrent_starts
        self._pool.bound.allow(config.max_processes)

    def take_over(self, old: Runtime) -> None:
        """Takes the place of an earlier runtime: its connected servers go by this one from now on, and a
        server that takes another's place tells of the same resources. One that is down is tried at once."""
        self.take_effect()
        self.indexes.take_over(old.indexes)
        if self.oversight is not None and old.oversight is not None:
            old.oversight.permissions.successor = self.oversight.permissions
        for name, server in self.servers.items():
            server.timing = self._timings[name]
            server.share(sharing_of(self.config.servers[name]))
            server.retry()
            before = old.servers.get(name)
            if before is not None and before is not server:
                server.subscribe(before.subscriptions - server.subscriptions)
                server.questions.take_over(before.questions)

    def retire(self, why: str | None = None) -> None:
        """Asks people about nothing any more; calls that wait for them are not made.

        Args:
            why: The reason, for whoever wanted to call; another configuration is in force where it is None.
        """
        if self.is_read_in:
            self.workings.retire(why)

    async def settled(self) -> None:
        """Waits until every server is up or has failed."""
        await self.ready.settled()

    async def settled_within(self, seconds: float) -> None:
        """The same for those who cannot wait longer than that."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.settled()

    def failed(self) -> list[Server]:
        """The servers that are not connected now, although they should be."""
        return [s for s in self.servers.values() if s.connection is None and not s.asleep]

    async def listed_for(self, client: ClientPort) -> None:
        """Waits until it is known what every server lists to this client."""
        await self.ready.listable()
        waiting = [w for server in self.servers.values() if (w := server.unlisted_for(client)) is not None]
        if waiting:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.gather(*waiting), self.config.list_seconds)

    def forget_lists(self) -> None:
        """Drops the indexes, because a server lists something else: the next who needs one builds it."""
        self.forget_routes()
        self.indexes.forget()
        if self.oversight is not None:
            self.oversight.sight.forget()

    def forget_routes(self) -> None:
        """Other stages than before have something to do: each route gets its stages anew."""
        if "names" in self.__dict__:
            self.names.forget()

    def drain_seconds(self) -> float:
        """How long calls of this runtime may go on once it is replaced."""
        if self.config.reload_drain_timeout_ms is not None:
            return self.config.reload_drain_timeout_ms / 1000
        longest = [s.call_timeout_ms for s in self.config.servers.values() if s.call_timeout_ms is not None]
        return (max([self.config.call_timeout_ms, *longest]) + 1000) / 1000

    def gauges(self, in_flight: int, sessions: int, keeping: Mapping[str, Keeping]) -> Gauges:
        """How things are now.

        Args:
            in_flight: HTTP requests whose answer is not over.
            sessions: Sessions of clients.
            keeping: How files are doing in which something is kept of the past.
        """
        return Gauges(
            in_flight,
            sessions,
            {name: s.connection is not None or s.asleep for name, s in self.servers.items()},
            self.workings.slots.facts,
            self._stores.cache.facts(self._clock.monotonic()) | self._stores.counters.facts(),
            self._stores.results.facts(),
            keeping,
        )

    def asks(self, server: str, method: str) -> bool:
        """Whether a person would have to agree to a notification: nobody can be asked about one, so that it
        does not go to the server."""
        if not self.config.approve or method in HARMLESS:
            return False
        return self.names.of_method(server, method, safe=False).asks

    def status(self) -> dict[str, Any]:
        """The status payload, before a meta-tool adds the tools."""
        blocks = {
            "cache": self._stores.cache.facts(self._clock.monotonic()) | self._stores.counters.facts(),
            "schemaCompression": self._compression.facts(self.indexes.catalogue(), definitions()),
            "responseStore": self._stores.results.facts(),
        }
        return snapshot(self.config, self.servers, self._pool, self._namespace, blocks) | self._process()

    def full_status(self, principal: Principal | None = None) -> dict[str, Any]:
        """What `callmux_status` shows, sessions included.

        Args:
            principal: Who asks, and sees what they may; None where nobody knows: then all of it, unless rules
                say what everybody may use.
        """
        everything = principal is None and (self.oversight is None or not self.oversight.authorized)
        nobody = cast(ClientPort, Nobody(principal))
        about = None if everything else CallContext(client=nobody, principal=principal)
        return self.workings.status(about)

    def operator_status(self) -> dict[str, Any]:
        """The same for those who run it: all of it, whatever the rules."""
        return self.workings.status(None)

    async def clear_cache(self, tool: str | None, server: str | None) -> dict[str, Any]:
        """Forgets cached results, whoever has read them; gives what the cache says of itself then."""
        await self.workings.clear_cache(tool, server)
        return self._stores.cache.facts(self._clock.monotonic()) | self._stores.counters.facts()
