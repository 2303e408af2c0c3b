"""Composition root: one configuration becomes wired objects.

Called by `callmux.host`, which holds the current runtime and replaces it as a whole on reload. A runtime
leases its servers from the pool; it owns what is derived from the configuration: catalogue, rings, router.
"""

from __future__ import annotations

from typing import Any

from callmux.clock import Clock
from callmux.config.model import Config
from callmux.metatools.engine import Engine
from callmux.metatools.table import DEFINITIONS, NAMES
from callmux.rings.limiting import Slots
from callmux.rings.order import call_stages, request_stages
from callmux.rings.stage import compose
from callmux.router.budget import Budgets
from callmux.router.door import Door
from callmux.router.router import Router
from callmux.status import snapshot
from callmux.upstream.catalogue import Catalogue, ServerTools
from callmux.upstream.pool import Pool
from callmux.upstream.server import Server, Timing


class Runtime:
    """One configuration at work.

    Args:
        config: The configuration.
        pool: Where servers are leased.
        namespace: The label of `CALLMUX_NAMESPACE`, or None.
        clock: Time.

    Attributes:
        servers: Its servers by name, disabled ones left out.
        router: What its requests lead to.
    """

    def __init__(self, config: Config, pool: Pool, namespace: str | None, clock: Clock) -> None:
        self.config = config
        self._pool = pool
        self._namespace = namespace
        timing = Timing(config.connect_timeout_ms / 1000, config.reconnect_policy)
        self.servers: dict[str, Server] = {
            name: pool.lease(name, server, timing)
            for name, server in config.servers.items()
            if not server.disabled
        }
        self._catalogue: Catalogue | None = None
        limits = {n: s.max_concurrency for n, s in config.servers.items() if s.max_concurrency is not None}
        slots = Slots(config.max_concurrency, limits)
        ring = compose(call_stages(self.servers, slots), send_nothing)
        self._door = Door(self.servers, self.catalogue, Budgets(config), ring)
        engine = Engine(
            call=self._door.call_safely,
            catalogue=self.catalogue,
            status=self.status,
            description_limit=config.description_max_length,
            clock=clock,
        )
        self.router = Router(
            self._door,
            self.catalogue,
            engine,
            request_stages(),
            DEFINITIONS if config.expose_meta_tools else [],
            proxied=not config.meta_only,
        )

    def start(self) -> None:
        """Begins to connect every server, all at once; those that are up already stay as they are."""
        for server in self.servers.values():
            server.start()

    async def settled(self) -> None:
        """Waits until every server is up or has failed."""
        await self._door.settled()

    def failed(self) -> list[Server]:
        """The servers that are not connected now."""
        return [server for server in self.servers.values() if server.connection is None]

    def catalogue(self) -> Catalogue:
        """All tools as they are now."""
        if self._catalogue is None:
            self._catalogue = Catalogue(
                [self._contribution(name) for name in self.config.servers],
                name_limit=self.config.tool_name_limit,
                reserved=NAMES,
            )
        return self._catalogue

    def forget_catalogue(self) -> None:
        """A server lists other tools than before: the catalogue is built anew when it is needed next."""
        self._catalogue = None

    def _contribution(self, name: str) -> ServerTools:
        config = self.config.servers[name]
        server = self.servers.get(name)
        return ServerTools(
            server=name,
            prefix=config.prefix,
            tools=server.suite.tools if server is not None else (),
            whitelist=frozenset(config.tools) if config.tools is not None else None,
            always_load=frozenset(config.always_load),
            removed=server.suite.gone if server is not None else {},
            listed=server.suite.listed if server is not None else False,
            disabled=config.disabled,
        )

    def drain_seconds(self) -> float:
        """How long calls of this runtime may go on once it is replaced."""
        if self.config.reload_drain_timeout_ms is not None:
            return self.config.reload_drain_timeout_ms / 1000
        longest = [s.call_timeout_ms for s in self.config.servers.values() if s.call_timeout_ms is not None]
        return (max([self.config.call_timeout_ms, *longest]) + 1000) / 1000

    def status(self) -> dict[str, Any]:
        """The status payload, before a meta-tool adds the tools."""
        return snapshot(self.config, self.servers, self._pool, self._namespace)


async def send_nothing(*args: object) -> Any:
    """What the innermost call stage wraps: `Retrying` sends, so nothing is left to do."""
    raise AssertionError("the innermost stage does not proceed")
