"""What a person tells callmux to do with one of its servers, here and at other nodes. Pure.

Carried out by `callmux.process.orders`; told to other nodes by `callmux.nodes.orders`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol, TypeAlias, get_args

import msgspec

from callmux.errors import InvalidArguments

Action: TypeAlias = Literal["restart", "stop", "start"]
ACTIONS: tuple[str, ...] = get_args(Action)
LONGEST = 200
"""Characters of the name of a node, and of a token."""


class ServerOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One order.

    Attributes:
        action: What is to be done.
        server: With which server.
        node: The one node that it is for, by its name or its id; empty for all.
        token: Tells this order from all others: several processes may be given the same. Empty where only one
            is given it.
    """

    action: Action
    server: str
    node: str = ""
    token: str = ""


class Others(Protocol):
    """The other nodes. Implemented by `callmux.nodes.cluster`."""

    def is_new(self, token: str) -> bool:
        """Whether an order has not been heard of here before; from now on it has."""

    def is_for_us(self, order: ServerOrder) -> bool:
        """Whether an order is for this node, alone or among others.

        Raises:
            InvalidArguments: It is for a node that is not there.
        """

    async def tell(self, order: ServerOrder) -> list[str]:
        """Tells the other nodes, or the one that it is for; gives their names.

        Raises:
            StoreUnavailable: They cannot be told.
        """


def read_order(action: Action, server: str, request: Mapping[str, Any]) -> ServerOrder:
    """The order that a request asks for.

    Args:
        request: May have `node` and `order`, the token.

    Raises:
        InvalidArguments: One of them is no text, or is too long.
    """
    return ServerOrder(
        action=action, server=server, node=_text(request, "node"), token=_text(request, "order")
    )


def _text(request: Mapping[str, Any], key: str) -> str:
    value = request.get(key, "")
    if not isinstance(value, str) or len(value) > LONGEST or (key in request and not value):
        raise InvalidArguments(f"{key} must be a text of 1 to {LONGEST} characters", field=key)
    return value
