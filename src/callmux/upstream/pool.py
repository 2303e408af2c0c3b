"""All servers of this process, by name and by what they are connected to. Lives as long as the process.

Called by `callmux.process.runtime`, which leases the servers its configuration names: one whose connection
settings are unchanged is the same `Server`, with its process and its state, before and after a reload.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from msgspec import Raw

from callmux.clock import Clock
from callmux.config.servers import HttpServer, StdioServer, signs_in_each
from callmux.context import ClientPort, Scope
from callmux.observe.bus import Bus
from callmux.observe.facts import ListsChanged, ServerRemoved, ToolSuiteChanged
from callmux.tasks import TaskSet, to_the_end, together
from callmux.upstream.asking_tools import AskingTools
from callmux.upstream.demand import end_idlest
from callmux.upstream.events import Events
from callmux.upstream.inventory.listings import Listings
from callmux.upstream.lanes import Sharing
from callmux.upstream.links.head_start import HeadStarts
from callmux.upstream.links.identity import ServerConfig, fingerprint, is_portable
from callmux.upstream.links.link import Link
from callmux.upstream.links.opening import Surroundings, open_link, secrets_of, transport_of
from callmux.upstream.opening.known_era import KnownEra
from callmux.upstream.opening.reconnect import Timing
from callmux.upstream.opening.starts import Starts
from callmux.upstream.process_bound import ONE, ProcessBound
from callmux.upstream.scoped.scoped_limits import ScopedLimits
from callmux.upstream.server import Server

log = logging.getLogger(__name__)


def sharing_of(config: ServerConfig) -> Sharing:
    """Who shares the connections of a server."""
    owned = signs_in_each(config)
    fixed = isinstance(config, StdioServer) and config.cwd_mode == "global"
    return Sharing(
        everybody=fixed or (isinstance(config, HttpServer) and not config.forward_headers and not owned),
        owned=owned,
        rootless=fixed,
        most=config.max_scoped_clients,
        tools=None if config.tools is None else frozenset(config.tools),
        denied=frozenset(config.deny_tools),
    )


class Pool:
    """The servers.

    Args:
        surroundings: What links need of the process.
        client_info: The `clientInfo` of our handshakes.
        clock: Time.
        listings: What servers listed last, kept over processes; None keeps nothing.
        bus: Who hears how servers are doing, and that what they list has changed.
        ahead: Servers whose processes run already.

    Attributes:
        scoped_limits: Counts the connections for single directories and credentials.
        starts: Says which server starts next.
        bound: Counts the processes of all servers.
        told: Takes what servers tell by themselves, and the client it is for where that is known.
        generation: Rises by one with every change of a server's tool names.
        changed_at: ISO time of the last such change.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        client_info: dict[str, str],
        clock: Clock,
        listings: Listings | None = None,
        bus: Bus | None = None,
        ahead: HeadStarts | None = None,
    ) -> None:
        self._ahead = ahead
        self._surroundings = surroundings
        self._client_info = msgspec.json.encode(client_info)
        self._clock = clock
        self._listings = listings
        self._bus = bus or Bus()
        self._servers: dict[tuple[str, tuple[Any, ...]], Server] = {}
        self._tasks = TaskSet("pool")
        self.scoped_limits = ScopedLimits()
        self.starts = Starts()
        self.bound = surroundings.bound
        self.bound.spare = self._spare
        self._generations: dict[Server, int] = {}
        self.told: Callable[[Server, str, Raw | None, ClientPort | None], None] = lambda *_: None
        self.generation = 0
        self.changed_at: str | None = None

    def __repr__(self) -> str:
        return f"Pool({list(self._servers.values())!r})"

    def lease(self, name: str, config: ServerConfig, timing: Timing, *, keep: bool = False) -> Server:
        """The server for this configuration: the one there is, unchanged, or a new one, not started yet.

        Args:
            timing: For a new one. One that there is takes another once a configuration is in force.
            keep: Whether a new one keeps what it lists, and begins with what it listed last.
        """
        key = name, fingerprint(config) + secrets_of(config, self._surroundings)
        server = self._servers.get(key)
        if server is None:
            listings, same = self._listings if keep else None, is_portable(config)

            def show(who: str, line: str) -> None:
                # What a server says at each of its failed starts is shown once.
                if made.health.is_news(line):
                    self._surroundings.show(who, line)

            begun = None if self._ahead is None else self._ahead.of(key)
            bound = ProcessBound(ONE, within=self.bound) if begun is None else begun.bound
            around = msgspec.structs.replace(self._surroundings, show=show, bound=bound)

            def make_link(scope: Scope | None) -> Link:
                link = begun.take(show) if begun is not None and scope is None else None
                return link or open_link(name, config, around, scope)

            made = server = self._servers[key] = Server(
                name,
                transport_of(config),
                make_link,
                timing,
                self._client_info,
                self._clock,
                Events(
                    changed=lambda: self._changed(made),
                    told=lambda method, params, client: self.told(made, method, params, client),
                    bus=self._bus,
                ),
                lambda declared: None if listings is None else listings.of(key[1], declared, portable=same),
                self.scoped_limits,
                KnownEra(None if listings is None else listings.era_of(key[1])),
                self.starts,
                AskingTools(None if listings is None else listings.asking_of(key[1])),
                bound,
            )
            server.share(sharing_of(config))
        return server

    def retain(self, kept: Iterable[Server], drain_seconds: float) -> None:
        """Ends every other server once its calls in flight are done, at most `drain_seconds` from now."""
        keep = set(kept)
        for key, server in list(self._servers.items()):
            if server not in keep:
                del self._servers[key]
                self._generations.pop(server, None)
                if self._bus.hears(ServerRemoved):
                    self._bus.publish(ServerRemoved(server=server.name))
                self._tasks.spawn(_drain(server, drain_seconds))

    async def close(self) -> None:
        """Ends all servers at the same time."""
        servers, self._servers = list(self._servers.values()), {}
        unused = [] if self._ahead is None else [self._ahead.end_unused]

        async def close_servers() -> None:
            await together(*(server.close() for server in servers))

        await to_the_end(*unused, close_servers, self._tasks.cancel, self._surroundings.guardian.end)

    def _changed(self, server: Server) -> None:
        name, suite = server.name, server.suite
        renamed = self._generations.get(server, 0) != suite.generation
        if renamed:
            self._generations[server] = suite.generation
            self.generation += 1
            self.changed_at = suite.changed_at
        if self._bus.hears(ListsChanged):
            self._bus.publish(ListsChanged(server=name))
        if renamed and self._bus.hears(ToolSuiteChanged):
            names = {"added": suite.added, "removed": suite.removed}
            self._bus.publish(ToolSuiteChanged(server=name, generation=self.generation, **names))

    def _spare(self) -> bool:
        """Ends the process that has had nothing to do for longest, of those that nobody needs; gives whether
        there was one."""
        return end_idlest(one for server in self._servers.values() for one in server.demand.spare())

    def retry(self, name: str) -> None:
        """Connects a server now where it is down: a person has signed in to it."""
        for server in self._servers.values():
            if server.name == name:
                server.retry()

    def forget(self, client: ClientPort) -> None:
        """Forgets a client that has left."""
        for server in self._servers.values():
            server.forget(client)


async def _drain(server: Server, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await server.drained()
    except TimeoutError:
        log.warning('server "%s" ends under its calls: they took longer than %.0f s', server.name, seconds)
    finally:
        await server.close()
