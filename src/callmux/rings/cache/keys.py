"""The key of a call, worked out once for the stages that need it.

Called by the cache stage and the coalescing stage; `Numbers` is held by `callmux.process.stores`. Calls
`ReusePolicy.key`; knows which servers keep their clients apart.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from msgspec import UNSET

from callmux.context import CallContext
from callmux.stores.cache import Key

if TYPE_CHECKING:
    from callmux.rings.cache.policy import ReusePolicy
    from callmux.rings.call import Call
    from callmux.upstream.server import Server


class Numbers:
    """A number for each client, for keys that no other client may share, not even one of another process. It
    lives as long as the process."""

    def __init__(self) -> None:
        self._last = int.from_bytes(os.urandom(8), "big") >> 2
        self._known: WeakKeyDictionary[object, int] = WeakKeyDictionary()

    def of(self, client: object) -> int:
        """The number of a client; never 0."""
        number = self._known.get(client)
        if number is None:
            self._last += 1
            number = self._known[client] = self._last
        return number


class Keys:
    """Gives keys.

    Args:
        policy: The rules.
        numbers: Numbers the clients.
        servers: All servers by name.
        rights: Stands for what a caller may do: who may do something else shares nothing. None where all may
            do the same.
    """

    def __init__(
        self,
        policy: ReusePolicy,
        numbers: Numbers,
        servers: Mapping[str, Server],
        rights: Callable[[CallContext], str] | None = None,
    ) -> None:
        self._rights = rights
        self._policy = policy
        self._numbers = numbers
        self._servers = servers

    def of(self, call: Call, anew: bool = False) -> Key | None:
        """The key of `call`, whose arguments are final; None for a call like no other.

        Args:
            anew: Whether a call that is to be made whatever is kept has one, too.
        """
        known = call.identity
        if known is not UNSET and not anew:
            return known
        apart = self._servers[call.route.server].questions.asks(call.target)
        client = self._numbers.of(call.context.client.session) if apart else 0
        key = self._policy.key(call, client, anew)
        if key is not None and self._rights is not None:
            key = key._replace(rights=self._rights(call.context))
        if not anew:
            call.identity = key
        return key
