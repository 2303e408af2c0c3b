"""The key of a call, worked out once for the stages that need it.

Called by the cache stage and the coalescing stage, which stand next to each other. Calls `Policy.key`; knows
which servers keep their clients apart.
"""

from __future__ import annotations

from collections.abc import Mapping

from callmux.context import CallContext
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
        self._last: tuple[Call, CallContext, Key | None] | None = None

    def of(self, call: Call, context: CallContext, *, again: bool = False) -> Key | None:
        """The key of `call`; None for a call like no other.

        Args:
            again: It will be asked for once more in a moment.
        """
        last = self._last
        if last is not None and last[0] is call and last[1] is context:
            self._last = None
            return last[2]
        apart = self._servers[call.server].questions.apart
        client = self._store.number(context.client.session) if apart else 0
        key = self._policy.key(call, client)
        if again:
            self._last = call, context, key
        return key
