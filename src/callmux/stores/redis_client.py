"""The client of a Redis or Valkey, of whichever kind it is: the package `redis`, imported only here.

Made for `callmux.stores.redis_connection` by `callmux.process.shared_state`. It tries a broken connection
once again; everything else is decided by who calls it.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol

from callmux.config.redis_url import RedisAddress
from callmux.errors import ConfigError

CONNECTIONS = 32
"""Connections of one process at a time; whoever needs one more waits for a turn."""
INSTALL = "pip install 'callmux[redis]'"


class RedisClient(Protocol):
    """What is used of a client."""

    async def execute_command(self, *command: Any, **options: Any) -> Any:
        """What Redis answers."""

    async def aclose(self) -> None:
        """Ends its connections."""


class ClientOptions(Protocol):
    """How to reach a Redis, beside its address: `callmux.config.state.StateSection` has all of it."""

    @property
    def timeout_ms(self) -> int: ...

    @property
    def connect_timeout_ms(self) -> int: ...


def make_client(
    address: RedisAddress, options: ClientOptions, *, ca_file: str | None = None, sentinel_password: str = ""
) -> RedisClient:
    """A client, which connects when it is used.

    Args:
        address: Where.
        options: How long things may take.
        ca_file: The certificates that servers are checked by; those of the system where absent.
        sentinel_password: What sentinels want to know.

    Raises:
        ConfigError: The package is not there.
    """
    try:
        redis: Any = import_module("redis.asyncio")
        retrying: Any = import_module("redis.asyncio.retry")
        backoff: Any = import_module("redis.backoff")
        errors: Any = import_module("redis.exceptions")
    except ModuleNotFoundError as missing:
        raise ConfigError([f"state needs the extra: {INSTALL} ({missing})"]) from None
    # A connection that Redis has closed meanwhile is noticed by its first use.
    once = retrying.Retry(backoff.NoBackoff(), 1, supported_errors=(errors.ConnectionError,))
    common: dict[str, Any] = {
        "socket_timeout": options.timeout_ms / 1000,
        "socket_connect_timeout": options.connect_timeout_ms / 1000,
        "protocol": 2,
        "retry": once,
    }
    if address.tls:
        common |= {"ssl": True, "ssl_ca_certs": ca_file}
    own = {
        **common,
        "username": address.username or None,
        "password": address.password or None,
        "client_name": "callmux",
    }
    client: RedisClient
    if address.kind == "cluster":
        cluster: Any = import_module("redis.asyncio.cluster")
        nodes = [cluster.ClusterNode(host, port) for host, port in address.hosts]
        client = cluster.RedisCluster(startup_nodes=nodes, max_connections=CONNECTIONS, **own)
    elif address.kind == "sentinel":
        known = {**common, "password": sentinel_password or None}
        sentinels = redis.Sentinel(list(address.hosts), sentinel_kwargs=known, db=address.database, **own)
        client = _Sentinelled(sentinels.master_for(address.service), sentinels.sentinels)
    elif address.kind == "unix":
        client = redis.Redis(unix_socket_path=address.path, db=address.database, **own)
    else:
        ((host, port),) = address.hosts
        client = redis.Redis(host=host, port=port, db=address.database, **own)
    return client


class _Sentinelled:
    """A client of the server that sentinels name, and theirs.

    Args:
        primary: The client of that server.
        sentinels: Those of the sentinels.

    Attributes:
        primary: The client of that server.
    """

    def __init__(self, primary: RedisClient, sentinels: Sequence[RedisClient]) -> None:
        self.primary = primary
        self.execute_command = primary.execute_command
        self._clients = (primary, *sentinels)

    async def aclose(self) -> None:
        """Ends all connections."""
        for client in self._clients:
            await client.aclose()


async def drop(client: RedisClient, *, idle: bool) -> None:
    """Ends connections at once: of some, whose user gave up, no answer would ever come, and a polite end
    would be waited for in vain.

    Args:
        idle: Whether those are spared that somebody uses now.
    """
    pool: Any = getattr(getattr(client, "primary", client), "connection_pool", None)
    kinds = ("_available_connections",) if idle else ("_available_connections", "_in_use_connections")
    for connection in [found for kind in kinds for found in getattr(pool, kind, ())]:
        writer = getattr(connection, "_writer", None)
        if writer is not None:
            writer.transport.abort()
        await connection.disconnect(nowait=True)


def failures() -> tuple[tuple[type[Exception], ...], tuple[type[Exception], ...]]:
    """The exceptions of a client: those that say that Redis cannot be reached or used at all now, and those
    that say that it refuses one command."""
    errors: Any = import_module("redis.exceptions")
    away = (
        errors.ConnectionError,
        errors.TimeoutError,
        errors.ReadOnlyError,
        errors.ClusterDownError,
        errors.MasterDownError,
        errors.RedisClusterException,
        errors.SlotNotCoveredError,
    )
    return (*away, OSError, TimeoutError), (errors.RedisError,)
