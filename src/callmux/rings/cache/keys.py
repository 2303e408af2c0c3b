"""The key of a call, worked out once for the stages that need it.

Called by the cache stage and the coalescing stage. Calls `Policy.key`; knows which servers keep their clients
apart.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import UnsetType

from callmux.rings.cache.policy import Policy
from callmux.rings.cache.store import CacheStore, Key
from callmux.rings.call import Call
from callmux.upstream.server import Server


class Keys:
    """Gives keys.

    Args:
        policy: The rules.
        store: Numbers the clients.
        servers: All servers by name.
    """

    def __init__(self, policy: Policy, store: CacheStore, servers: Mapping[str, Server]) -> None:
        self._policy = policy
        self._store = store
        self._servers = servers

    def of(self, call: Call) -> Key | None:
        """The key of `call`, whose arguments are final; None for a call like no other."""
        known = call.identity
        if not isinstance(known, UnsetType):
            return known
        apart = self._servers[call.route.server].questions.apart
        client = self._store.number(call.context.client.session) if apart else 0
        key = call.identity = self._policy.key(call, client)
        return key
