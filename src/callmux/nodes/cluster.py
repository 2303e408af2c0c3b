"""One node of several that are one for their clients: its parts, its life, and what status shows of it.

Made by `callmux.serving.clustering` where the configuration has `state.node`; the HTTP application asks it
for each request of a session. Any node takes any request. A session is served by its owner; whoever else is
asked passes the request on, once. Where the owner is gone, the session goes on here.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from callmux.errors import InvalidArguments, StoreUnavailable
from callmux.nodes.journal import Journal
from callmux.nodes.membership import BEAT_SECONDS, Membership
from callmux.nodes.orders import Orders
from callmux.nodes.owners import Owners
from callmux.nodes.passing import Passing
from callmux.nodes.placing import Here, Placing
from callmux.nodes.register import Register
from callmux.nodes.sealing import NodeKeys
from callmux.protocol.jsonrpc import Request, on_one_line, parse
from callmux.server_orders import ServerOrder
from callmux.stores.redis_connection import RedisConnection
from callmux.tasks import TaskSet, to_the_end
from callmux.transport.http.exchange import Exchange
from callmux.transport.http.listener import Listener

log = logging.getLogger(__name__)


class House(Protocol):
    """The servers of a node. Implemented by `callmux.serving.clustering` over the host."""

    async def carry_out(self, order: ServerOrder, why: str) -> object:
        """Carries out here what was ordered elsewhere."""

    def server_states(self) -> dict[str, str]:
        """How each server is."""


class Cluster:
    """One node among others.

    Args:
        connection: The Redis that all nodes share.
        keys: What is calculated from the common secret.
        name: What people call this node.
        address: Where other nodes reach it.
        version: Of callmux.
        listener: Its sessions.
        is_safe: Whether a request does no harm when it is made twice.
        house: The servers that are here.
        tls: What addresses with https are checked by; None for the certificates of the system.
        process: What the names of requests begin with that wait here for their clients.

    Attributes:
        membership: This node among the others.
        owners: Who serves which session.
        passing: The connections to other nodes.
        placing: Where requests are answered.
    """

    def __init__(
        self,
        connection: RedisConnection,
        keys: NodeKeys,
        name: str,
        address: str,
        version: str,
        listener: Listener,
        is_safe: Callable[[Request], Awaitable[bool]],
        house: House,
        tls: ssl.SSLContext | None = None,
        process: str = "",
    ) -> None:
        self._listener = listener
        self._tasks = TaskSet("nodes")
        self._journal = Journal(connection)
        register = Register(connection)
        self.membership = Membership(
            *(register, name, address, version, listener.now),
            *(self._returned, self._changed, self._seen, process),
        )
        self._house = house
        self._orders = Orders(register, self._is_called, house.carry_out)
        self.owners = Owners(register, self.membership)
        self.passing = Passing(keys, lambda: self.membership.id, tls)
        self.placing = Placing(self.membership, self.owners, self.passing, listener, is_safe)
        self._lost = 0

    def __repr__(self) -> str:
        return f"Cluster({self.membership!r}, {len(self.owners)} sessions)"

    # ---- its life --------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begins with the lease, and keeps it."""
        await self.membership.beat()
        await self._orders.look()
        self._tasks.spawn(self._keep())

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            await self.membership.beat()
            self._listener.until = self.membership.until
            await self._orders.look()

    async def leave(self) -> None:
        """This node ends soon: it goes on with what is in flight, and everything else goes elsewhere."""
        self.placing.leaving = True
        await self.membership.leave()
        self.passing.end_streams()

    async def close(self) -> None:
        """What it still owns is free for others."""
        orders, placing = self._orders.close, self.placing.close
        await to_the_end(self._tasks.cancel, orders, placing, self.membership.end, self.passing.close)

    # ---- what the listener tells it --------------------------------------------------------------------

    async def begun(self, session: str) -> None:
        """A session begins here."""
        await self.owners.begin(session)

    def ended(self, session: str, over: bool) -> None:
        """A session is not here any more.

        Args:
            over: Whether it goes on nowhere.
        """
        self._tasks.spawn(self.owners.over(session) if over else self._released(session))

    async def _released(self, session: str) -> None:
        try:
            await self.owners.release([session])
        except StoreUnavailable as error:
            log.debug("a session is not free for others yet: %s", error)

    # ---- what people order -----------------------------------------------------------------------------

    def _is_called(self, node: str) -> bool:
        return node in (self.membership.id, self.membership.facts.name)

    def is_new(self, token: str) -> bool:
        """Whether an order has not been heard of here before; from now on it has."""
        return self._orders.is_new(token)

    def is_for_us(self, order: ServerOrder) -> bool:
        """Whether an order is for this node, alone or among others.

        Raises:
            InvalidArguments: It is for a node that is not there.
        """
        if not order.node or self._is_called(order.node):
            return True
        if not self._reached(order.node):
            names = ", ".join(sorted({node.name for node in self.membership.nodes.values()}))
            what = f'there is no node "{order.node}" now: node must be one of {names}, or left out for all'
            raise InvalidArguments(what, field="node")
        return False

    async def tell(self, order: ServerOrder) -> list[str]:
        """Tells the other nodes, or the one that it is for; gives their names.

        Raises:
            StoreUnavailable: They cannot be told.
        """
        await self._orders.tell(order)
        return self._reached(order.node)

    def _reached(self, node: str) -> list[str]:
        """The names of the other nodes that are there: all, or those that are called so."""
        others = [one for one in self.membership.nodes.values() if one.id != self.membership.id]
        return sorted(one.name for one in others if not node or node in (one.id, one.name))

    # ---- what the sessions tell it ---------------------------------------------------------------------

    def _seen(self) -> tuple[int, dict[str, str]]:
        return len(self.owners), self._house.server_states()

    def _changed(self) -> None:
        self.passing.vanished(self.membership.nodes.values())

    async def _returned(self) -> None:
        """The lease had ended: sessions that others have taken meanwhile are not ours any more."""
        lost = await self.owners.take_back()
        self._lost += len(lost)
        if lost:
            log.warning("%d sessions go on elsewhere: this node was away", len(lost))
        self.placing.give_up(lost)

    async def streaming(self, session: str, stream: str, body: bytes) -> None:
        """A request begins to be answered by a stream, which its client may go on with elsewhere."""
        await self._journal.begin(session, stream, body)

    def streamed(self, session: str, stream: str) -> None:
        """The client has all of the stream."""
        self._tasks.spawn(self._journal.end(session, stream))

    async def resumed(self, session: str, stream: str) -> tuple[Request, bytes | None] | None:
        """The request of a stream that broke with its node, and what its client is told where it may not be
        made again; None where nothing is known of it."""
        body = await self._journal.take(session, stream)
        message = None if body is None else parse(on_one_line(body))
        if not isinstance(message, Request):
            return None
        told = await self.placing.told_of(message)
        return message, told

    async def is_safe(self, request: Request) -> bool:
        """Whether a request does no harm when it is made twice."""
        return await self.placing.is_safe(request)

    async def claim(self, whose: str, name: str) -> bool:
        """Takes the name of a request, which no other attempt at it has begun with; whether it was free."""
        return await self._journal.claim(whose, name)

    def answered(self, whose: str, name: str) -> None:
        """No other attempt comes under this name."""
        self._tasks.spawn(self._journal.answered(whose, name))

    def unknown(self, request: Request) -> bytes:
        """What is told of a request that was begun at a node that is lost, and must not be made again."""
        return self.placing.unknown(request)

    async def serve(self, exchange: Exchange, here: Here) -> None:
        """Has a request of a client answered, wherever that is; raises `Refusal`.

        Args:
            here: Answers it on this node.
        """
        await self.placing.serve(exchange, here)

    # ---- what people see -------------------------------------------------------------------------------

    def facts(self) -> dict[str, Any]:
        """What status shows of the nodes."""
        me = self.membership.id
        nodes = [
            {
                "id": node.id,
                "name": node.name,
                "state": "leaving" if node.leaving else "up",
                "version": node.version,
                "sessions": node.sessions,
                "servers": node.servers,
                **({"self": True} if node.id == me else {}),
                **({"leaving": True} if node.leaving else {}),
            }
            for node in self.membership.nodes.values()
        ]
        facts: dict[str, Any] = {
            "id": me,
            "name": self.membership.facts.name,
            "nodes": nodes,
            "lost": [node.id for node in self.membership.lost.values()],
            "away": self._away(),
            "sessions": len(self.owners),
            "sessionsLost": self._lost,
            **self.placing.counts,
        }
        if self.membership.problem:
            facts["problem"] = self.membership.problem
        return facts

    def _away(self) -> list[dict[str, Any]]:
        """The nodes that were lost and are not back."""
        return [
            {"id": node.id, "name": node.name, "state": "away", "version": node.version}
            for node in self.membership.lost.values()
        ]
