"""A listener as one of several nodes: the port for the others, wired. Imported with `state.node` only.

Called by `callmux.cli.listen`.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from callmux import __version__
from callmux.aside import aside
from callmux.bridge.listings import SAFE_METHODS
from callmux.config.node import NodeSection, address_at, check_scheme, read_address, read_name, read_place
from callmux.errors import ConfigError, StartupFailed
from callmux.nodes.cluster import Cluster
from callmux.nodes.endpoint import NodeEndpoint
from callmux.nodes.sealing import NodeKeys
from callmux.process.host import Host
from callmux.process.orders import carry_out
from callmux.process.shared_state import SharedState
from callmux.protocol.jsonrpc import Request
from callmux.secrets.single import looked_up
from callmux.server_orders import ServerOrder
from callmux.tasks import to_the_end
from callmux.transport.http.app import App
from callmux.transport.http.exchange import Exchange
from callmux.transport.http.listener import STEP_SECONDS, Listener
from callmux.transport.http.narrow import NarrowProtocol
from callmux.transport.http.serve import HttpServer, bind

if TYPE_CHECKING:
    from callmux.nodes.trust import Trust

T = TypeVar("T")

log = logging.getLogger("callmux")

GRACE_SECONDS = 1.5
"""How long idle connections are kept for requests that are on their way: a load balancer takes a moment to
see that the port is closed."""
LOOK_UP_SECONDS = 10.0
PATIENCE_SECONDS = 0.25
"""How long an answer may take before its client gets a stream that it can resume at another node: until then,
a request ends with its node."""
KNOWN_SECONDS = 10.0
"""How long it may take until a node that starts knows which of its tools are safe."""
WILDCARDS = ("0.0.0.0", "::")


class Clustered:
    """A node: the cluster as it sees it, and its port for the others.

    Args:
        cluster: It.
        server: Serves the port.
        listening: Its socket.
        trust: What the port shows, and others are checked by; None where nodes speak http.
    """

    def __init__(
        self, cluster: Cluster, server: HttpServer, listening: socket.socket, trust: Trust | None
    ) -> None:
        self.cluster = cluster
        self._server = server
        self._listening = listening
        self._trust = trust

    async def start(self) -> None:
        """Listens for other nodes, then begins with the lease."""
        await self._server.start()
        if self._trust is not None:
            self._trust.start()
        await self.cluster.start()

    async def give_way(self, server: HttpServer, listener: Listener, seconds: float) -> None:
        """Leaves everything to the other nodes, without losing a request.

        Clients learn with their next answer that this connection ends; the load balancer finds that the port
        is closed. What is in flight finishes here, within `seconds`; everything else goes to other nodes.

        Args:
            server: The port for clients.
        """
        listener.leaving = True
        await self.cluster.leave()
        await server.stop_accepting()
        began = listener.now()
        while (spent := listener.now() - began) < max(seconds, GRACE_SECONDS):
            busy = listener.let_go()
            if not busy and (server.is_alone or (spent > GRACE_SECONDS and not server.let_go())):
                break
            await asyncio.sleep(STEP_SECONDS)
        await listener.drain(0)

    async def close(self) -> None:
        """Ends: what is still owned is free."""
        trust = [] if self._trust is None else [self._trust.close]
        try:
            await to_the_end(self.cluster.close, *trust, self._server.stop_accepting, self._server.stop)
        finally:
            self._listening.close()


async def clustered(
    node: NodeSection,
    shared: SharedState,
    listener: Listener,
    app: App,
    host: Host,
    base_dir: Path,
    env: Mapping[str, str],
) -> Clustered:
    """The node that a configuration asks for, its port bound.

    Raises:
        ConfigError: It cannot be used as it is.
        StartupFailed: Its port is taken.
        CertificateUnusable: It is to show one, and cannot.
    """
    trust = None
    if node.tls is not None:
        # It loads what reads certificates, which nodes without one do not need.
        from callmux.nodes.trust import Trust

        trust = Trust(node.tls, base_dir)
    texts = {"listen": node.listen, "address": node.address, "name": node.name}
    look_up = partial(_looked_up, texts, base_dir, env)
    found = await aside(look_up, LOOK_UP_SECONDS)
    place = _read("listen", found["listen"] or "", read_place)
    given = _address(found["address"], place[0], trust is not None)
    given_name = _read("name", found["name"], read_name) if found["name"] else None
    try:
        listening = bind(*place)
    except OSError as error:
        raise StartupFailed(f"state.node.listen {node.listen}: {error.strerror or error}") from None
    port = listening.getsockname()[1]
    name = given_name or f"{socket.gethostname()}-{port}"
    scheme = "http" if trust is None else "https"
    address = given or address_at(scheme, place[0], port)
    keys = NodeKeys(shared.derived("nodes"))
    is_safe = partial(_is_safe, host)
    house = _House(host)
    tls = None if trust is None else trust.checked_by
    about = name, address, __version__
    cluster = Cluster(shared.connection, keys, *about, listener, is_safe, house, tls, shared.process)
    host.others = cluster
    listener.nodes, listener.patience = cluster, PATIENCE_SECONDS

    async def serve(exchange: Exchange) -> None:
        await app.serve(exchange, partial(cluster.placing.serve_passed, here=app.serve_here), tells=False)

    endpoint = NodeEndpoint(
        keys,
        lambda: cluster.membership.id,
        serve,
        lambda: listener.limits.most,
        listener.now,
    )
    log.info("node %s: other nodes reach it at %s", cluster.membership.id, address)
    shown = None if trust is None else trust.shown
    return Clustered(cluster, HttpServer(endpoint, listening, shown, NarrowProtocol), listening, trust)


class _House:
    """The servers of this node."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def carry_out(self, order: ServerOrder, why: str) -> object:
        return await carry_out(self._host, order, why)

    def server_states(self) -> dict[str, str]:
        return {record["name"]: record["state"] for record in self._host.server_records()}


def _looked_up(
    texts: Mapping[str, str | None], base_dir: Path, env: Mapping[str, str]
) -> dict[str, str | None]:
    return {
        key: None if text is None else looked_up(text, f"state.node.{key}", base_dir, env)
        for key, text in texts.items()
    }


def _read(key: str, text: str, read: Callable[[str], T]) -> T:
    try:
        return read(text)
    except ValueError as error:
        raise ConfigError([f"state.node.{key} {error}"]) from None


def _address(given: str | None, host: str, tls: bool) -> str | None:
    """The address that the configuration gives; None where it is that of the port."""
    if given is not None:
        address = _read("address", given, read_address)
        _read("address", address, partial(check_scheme, tls=tls))
        return address
    if host in WILDCARDS:
        what = f"state.node.address is required where listen is {host}: other nodes need one address"
        raise ConfigError([what])
    return None


async def _is_safe(host: Host, request: Request) -> bool:
    if request.method == "tools/call":
        # A node that has only just started does not know its tools yet.
        await host.runtime.settled_within(KNOWN_SECONDS)
        return host.runtime.router.is_safe(request.params)
    return request.method in SAFE_METHODS
