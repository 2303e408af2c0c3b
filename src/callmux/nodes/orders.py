"""What is asked of one node and concerns others: servers that are restarted, stopped or started.

Made by `callmux.nodes.cluster`. Orders stand in Redis, one after the other. Every node reads them with its
heartbeat: so a node that was away when one was given carries it out when it is back. One that starts later
need not. No heartbeat waits until a server is there again; orders about one server are carried out one after
the other.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from weakref import WeakValueDictionary

import msgspec

from callmux.errors import CallmuxError, StoreUnavailable
from callmux.nodes.register import ORDERS, Register
from callmux.server_orders import ServerOrder
from callmux.tasks import TaskSet

log = logging.getLogger(__name__)

ELSEWHERE = "it was asked for at another node"
"""Why something is done here that a person has asked for there."""
REMEMBERED = 2 * ORDERS
"""Orders of which it is known that they were heard of here: all that can be told once more."""


class Orders:
    """The orders of all nodes, as one of them sees them.

    Args:
        register: Where they stand.
        is_ours: Whether one of this name or id is this node.
        carry_out: Carries an order out here, and says why; raises `CallmuxError` where it cannot.
    """

    def __init__(
        self,
        register: Register,
        is_ours: Callable[[str], bool],
        carry_out: Callable[[ServerOrder, str], Awaitable[object]],
    ) -> None:
        self._register = register
        self._is_ours = is_ours
        self._carry_out = carry_out
        self._place = ""
        self._heard: dict[str, None] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tasks = TaskSet("orders of other nodes")

    def is_new(self, token: str) -> bool:
        """Whether an order has not been heard of here before; from now on it has."""
        if token in self._heard:
            return False
        self._heard[token] = None
        while len(self._heard) > REMEMBERED:
            del self._heard[next(iter(self._heard))]
        return True

    async def tell(self, order: ServerOrder) -> None:
        """Tells the other nodes what is done here.

        Raises:
            StoreUnavailable: They cannot be told.
        """
        token = order.token or secrets.token_hex(8)
        if not order.node:
            self.is_new(token)
        await self._register.tell(msgspec.structs.replace(order, token=token))

    async def close(self) -> None:
        """Ends what is being carried out."""
        await self._tasks.cancel()

    async def look(self) -> None:
        """Begins to carry out what was ordered since the last look."""
        try:
            if not self._place:
                # Whatever was ordered before this node began is done, also where it is told once more.
                self._place, before = await self._register.told()
                for order in before:
                    self.is_new(order.token)
                return
            self._place, orders = await self._register.told(self._place)
        except StoreUnavailable as error:
            log.debug("orders are looked for later: %s", error)
            return
        for order in orders:
            if (not order.node or self._is_ours(order.node)) and self.is_new(order.token):
                self._tasks.spawn(self._in_turn(order, self._turn(order.server)))

    def _turn(self, server: str) -> asyncio.Lock:
        turn = self._turns.get(server)
        if turn is None:
            turn = self._turns[server] = asyncio.Lock()
        return turn

    async def _in_turn(self, order: ServerOrder, turn: asyncio.Lock) -> None:
        async with turn:
            try:
                await self._carry_out(order, ELSEWHERE)
            except CallmuxError as error:
                log.info('could not %s "%s" here: %s', order.action, order.server, error.message)
