"""This node among the others: its lease, kept by a heartbeat, and who else is there.

Made by `callmux.nodes.cluster`. A session that this node owns is served without a question as long as the
lease is certain to hold (`until`). A process that was stopped for longer than that asks first. Where the
lease has ended, the node goes on under another id, and takes back those of its sessions that nobody else has
taken.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable

import msgspec

from callmux.errors import StoreUnavailable
from callmux.nodes.register import NodeFacts, Register

log = logging.getLogger(__name__)

LEASE_SECONDS = 6.0
"""After how long without a heartbeat a node's sessions may be taken over."""
BEAT_SECONDS = 1.5
MOST_DROPPED = 1000
SURE_SECONDS = 4.0
"""For how long after a heartbeat a node need not ask whether its lease holds."""


class Membership:
    """The lease of one node.

    Args:
        register: Where it stands.
        name: What people call the node.
        address: Where other nodes reach it.
        version: Of callmux.
        now: The monotonic clock.
        returned: Called with the lease lost and begun anew, before anything is served; once more with the
            next heartbeat where it does not come to its end.
        changed: Called when nodes have come or gone.
        seen: Gives how many sessions this node serves, and how each server is.
        process: What the names of requests begin with that wait here for their clients.

    Attributes:
        until: Until when the lease holds for certain, by the monotonic clock.
        nodes: Those with a lease, this one among them, by id.
        lost: Those that had one a while ago.
        known_since: Since when Redis has lost nothing of what nodes wrote there, by the monotonic clock.
        problem: Why Redis cannot be asked; empty while it can.
        losses: How often the lease was lost.
    """

    def __init__(
        self,
        register: Register,
        name: str,
        address: str,
        version: str,
        now: Callable[[], float],
        returned: Callable[[], Awaitable[None]],
        changed: Callable[[], None],
        seen: Callable[[], tuple[int, dict[str, str]]] = lambda: (0, {}),
        process: str = "",
    ) -> None:
        self._register = register
        self._now = now
        self._returned = returned
        self._changed = changed
        self._seen = seen
        self._beating = asyncio.Lock()
        self._facts = NodeFacts(
            id=_new_id(name), name=name, address=address, version=version, process=process
        )
        self._first = True
        # Until all that this node had is taken back: also where that fails, or whoever waits for it gives up.
        self._was_away = self._ended = False
        self._dropped: set[str] = set()
        self._settled_at = now()
        self.until = self.known_since = 0.0
        self.nodes: dict[str, NodeFacts] = {}
        self.lost: dict[str, NodeFacts] = {}
        self.problem = ""
        self.losses = 0

    def __repr__(self) -> str:
        return f"Membership({self._facts.id!r}, {len(self.nodes)} nodes)"

    @property
    def id(self) -> str:
        """The id of this node, as long as its lease goes on."""
        return self._facts.id

    @property
    def facts(self) -> NodeFacts:
        """This node, as the others know it."""
        return self._facts

    @property
    def is_settled(self) -> bool:
        """Whether every node has had the time to say what it owns since Redis lost everything, if it has."""
        return self._now() >= self._settled_at

    async def confirm(self) -> None:
        """Returns once the lease holds, or Redis cannot be asked."""
        if self._now() >= self.until:
            async with self._beating:
                if self._now() >= self.until:
                    await self._beat()

    async def beat(self) -> None:
        """One heartbeat."""
        async with self._beating:
            await self._beat()

    def drop(self, node: str) -> None:
        """A node is known to be gone, whatever the register says."""
        self._dropped.add(node)
        self.nodes = {id: facts for id, facts in self.nodes.items() if id != node}
        while len(self._dropped) > MOST_DROPPED:
            self._dropped.pop()

    def peer(self, turn: int) -> NodeFacts | None:
        """Another node that takes what this one takes no more, in turn; None for none."""
        others = [node for node in self.nodes.values() if node.id != self.id and not node.leaving]
        return others[turn % len(others)] if others else None

    async def leave(self) -> None:
        """Says that this node ends soon."""
        self._facts = msgspec.structs.replace(self._facts, leaving=True)
        await self.beat()

    async def end(self) -> None:
        """Ends the lease, for good: what is still owned is free."""
        async with self._beating:
            self._ended = True
            try:
                await self._register.remove(self.id)
            except StoreUnavailable as error:
                log.warning("the lease of this node ends by itself: %s", error)

    async def _beat(self) -> None:
        if self._ended:
            # Whatever comes late finds the nodes that there were: this one is none any more.
            return
        sent = self._now()
        sessions, servers = self._seen()
        self._facts = msgspec.structs.replace(self._facts, sessions=sessions, servers=servers)
        try:
            beat = await self._register.beat(self._facts, int(LEASE_SECONDS * 1000), first=self._first)
            if not beat.taken:
                await self._begin_anew()
                beat = await self._register.beat(self._facts, int(LEASE_SECONDS * 1000), first=True)
            if self._was_away:
                self._settled_at = self._now() + _unsettled(beat.settled_ms)
                await self._returned()
                self._was_away = False
        except StoreUnavailable as error:
            # Nobody can take anything over either, unless only we cannot reach it.
            self.problem = str(error)
            self.until = self._now() + BEAT_SECONDS
            return
        self._first, self.problem = False, ""
        self.until = sent + SURE_SECONDS
        self.known_since = sent - beat.settled_ms / 1000
        self._settled_at = self._now() + _unsettled(beat.settled_ms)
        before, self.nodes, self.lost = self.nodes, beat.nodes, beat.lost
        here = set(before)
        if not self.is_settled:
            # Redis has lost everything: others have not had the time yet to say that they are there.
            kept = {id: node for id, node in before.items() if id not in self._dropped}
            self.nodes = {**kept, **beat.nodes}
        if here != set(self.nodes):
            self._changed()

    async def _begin_anew(self) -> None:
        self.losses += 1
        self._was_away = True
        old = self._facts
        # It is nobody else: what is asked of it would come here.
        self._dropped.add(old.id)
        self._facts = msgspec.structs.replace(old, id=_new_id(old.name))
        log.warning("the lease of node %s had ended: it goes on as %s", old.id, self._facts.id)


def _unsettled(settled_ms: int) -> float:
    return max(0.0, 2 * BEAT_SECONDS - settled_ms / 1000)


def _new_id(name: str) -> str:
    return f"{name}.{secrets.token_hex(4)}"
