"""Which node serves a session: asked of the register, and remembered of those that others serve.

Made by `callmux.nodes.cluster`. What this node owns it owns by an epoch, which grows with each owner.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from callmux.errors import StoreUnavailable
from callmux.nodes.membership import Membership
from callmux.nodes.register import NodeFacts, Register

log = logging.getLogger(__name__)

REMEMBERED = 20_000
"""Sessions of others of which it is remembered whose they are."""
ATTEMPTS = 8
"""How often an answer may have changed under our hands."""
AT_A_TIME = 50
"""Sessions that are asked for at a time when the lease has ended."""


class Owners:
    """The owners of sessions.

    Args:
        register: Where they stand.
        membership: This node among the others.
    """

    def __init__(self, register: Register, membership: Membership) -> None:
        self._register = register
        self._membership = membership
        self._held: dict[str, tuple[str, int]] = {}
        self._elsewhere: dict[str, str] = {}
        # Found to be others', and not given yet.
        self._lost: list[str] = []

    def __len__(self) -> int:
        return len(self._held)

    def holds(self, session: str) -> bool:
        """Whether this node owns a session, as far as it knows."""
        held = self._held.get(session)
        return held is not None and held[0] == self._membership.id

    async def begin(self, session: str) -> None:
        """A new session is this node's."""
        try:
            _, epoch = await self._register.claim(session, self._membership.id, "", absent=True)
        except StoreUnavailable as error:
            # It is said again once Redis is back: nobody else knows the session.
            log.debug("a new session is not registered yet: %s", error)
            epoch = 0
        self._held[session] = self._membership.id, epoch

    async def look(self, session: str) -> NodeFacts | None:
        """Which other node serves a session; None where none does that is there.

        Raises:
            StoreUnavailable: Nobody can say.
        """
        node = self._membership.nodes.get(await self._register.owner(session))
        return None if node is None or node.id == self._membership.id else node

    async def find(self, session: str, *, absent: bool) -> NodeFacts | None:
        """Who serves a session; None where this node does, which takes it over where nobody does.

        Args:
            absent: Whether it is known to be a session of ours even if the register says nothing.

        Raises:
            StoreUnavailable: Nobody can say.
        """
        if self.holds(session):
            return None
        known = self._membership.nodes.get(self._elsewhere.get(session, ""))
        if known is not None:
            return known
        before, may = "", False
        for _ in range(ATTEMPTS):
            me = self._membership.id
            owner, epoch = await self._register.claim(session, me, before, absent=may)
            if owner == me:
                self._elsewhere.pop(session, None)
                self._held[session] = me, epoch
                if epoch > 1:
                    log.info("a session goes on here: %s", f"{before} had it" if before else "no node had it")
                return None
            if not owner and not absent:
                # Nobody's: whoever makes ids up has no heartbeat for each.
                return None
            if (node := self._membership.nodes.get(owner)) is None:
                await self._membership.beat()
                node = self._membership.nodes.get(owner)
            if not owner:
                # Nothing is known of it: its key is too old, or Redis has lost everything a moment ago.
                if not self._membership.is_settled:
                    raise StoreUnavailable(
                        "Redis has lost who serves which session: nodes say it in a moment"
                    )
                may = True
                continue
            if node is not None:
                self.remember(session, owner)
                return node
            before = owner
        raise StoreUnavailable("the owner of a session changes too often: try again in a moment")

    def remember(self, session: str, owner: str) -> None:
        """Another node serves a session, as far as is known."""
        self._elsewhere[session] = owner
        while len(self._elsewhere) > REMEMBERED:
            del self._elsewhere[next(iter(self._elsewhere))]

    def moved(self, session: str) -> None:
        """What was remembered of a session is no longer so."""
        self._elsewhere.pop(session, None)

    async def gone(self, node: str) -> None:
        """A node does not answer any more: whatever it owned may be taken over.

        Raises:
            StoreUnavailable: Nobody can be told.
        """
        self._membership.drop(node)
        await self._register.lapse(node)
        await self._membership.beat()

    async def over(self, session: str) -> None:
        """A session of this node is over."""
        held = self._held.pop(session, None)
        if held is not None:
            try:
                await self._register.forget(session, held[0])
            except StoreUnavailable as error:
                log.debug("an owner is not forgotten yet: %s", error)

    async def release(self, sessions: Iterable[str]) -> None:
        """Sessions of this node are free for others."""
        for session in sessions:
            held = self._held.pop(session, None)
            if held is not None:
                await self._register.release(session, held[0])

    async def take_back(self) -> list[str]:
        """Takes what this node owned under an id that has ended; gives what others have taken meanwhile.
        Where it is interrupted, the next one goes on.

        Raises:
            StoreUnavailable: Nobody can say.
        """
        old = [(session, held[0]) for session, held in self._held.items() if not self.holds(session)]
        for start in range(0, len(old), AT_A_TIME):
            part = old[start : start + AT_A_TIME]
            me = self._membership.id
            claims = (self._register.claim(session, me, before, absent=True) for session, before in part)
            for (session, _), (owner, epoch) in zip(part, await asyncio.gather(*claims), strict=True):
                if owner == me:
                    self._held[session] = me, epoch
                else:
                    self._held.pop(session, None)
                    self._lost.append(session)
        lost, self._lost = self._lost, []
        return lost
