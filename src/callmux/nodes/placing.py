"""Which node answers a request, and what is done where that node is lost meanwhile.

Made and called by `callmux.nodes.cluster`, for requests of clients; what another node has passed on comes
through its endpoint. A request is passed on once. What broke is
made again where that does no harm, once; else its client hears that nobody knows what became of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import TypeAlias

from callmux.errors import StoreUnavailable
from callmux.guard.gate import route_of
from callmux.nodes.continuing import Replayed, continued
from callmux.nodes.endpoint import ELSEWHERE
from callmux.nodes.membership import Membership
from callmux.nodes.outcome import unknown, unknown_body, unknown_events
from callmux.nodes.owners import Owners
from callmux.nodes.passed_on import PassedOn
from callmux.nodes.passing import AWAY, ENDING, UNREACHED, Fate, Passing
from callmux.nodes.register import NodeFacts
from callmux.nodes.waiting import waiting_at
from callmux.protocol import versions
from callmux.protocol.jsonrpc import Request
from callmux.protocol.routing import VERSION
from callmux.tasks import TaskSet
from callmux.transport.http.exchange import Exchange, Refusal
from callmux.transport.http.listener import Listener, owner_of
from callmux.transport.http.mcp import SESSION
from callmux.transport.http.repeats import ONCE

log = logging.getLogger(__name__)

Here: TypeAlias = Callable[[Exchange], Awaitable[None]]

PATIENCE_SECONDS = 15.0
"""How long a request looks for the node that serves its session: longer than a lease lasts."""
AWAY_SECONDS = 6.0
"""How long a request of a session that no node has waits for a Redis that is away."""
QUICK_ATTEMPTS = 3
"""How often a node is looked for at once."""
PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 0.5
LAST_EVENT = "last-event-id"


class Placing:
    """Where requests are answered.

    Args:
        membership: This node among the others.
        owners: Who serves which session.
        passing: The connections to other nodes.
        listener: The sessions that are here.
        is_safe: Whether a request does no harm when it is made twice.

    Attributes:
        is_safe: The same.
        counts: What has happened: requests passed on, sessions taken over, requests made again, requests of
            which nobody knows what became of them.
        leaving: This node ends: others take its sessions over.
    """

    def __init__(
        self,
        membership: Membership,
        owners: Owners,
        passing: Passing,
        listener: Listener,
        is_safe: Callable[[Request], Awaitable[bool]],
    ) -> None:
        self._membership = membership
        self._owners = owners
        self._passing = passing
        self._listener = listener
        self.is_safe = is_safe
        self._tasks = TaskSet("sessions that go on elsewhere")
        self.counts = {"passedOn": 0, "takenOver": 0, "repeated": 0, "unknown": 0}
        self.leaving = False

    def give_up(self, sessions: Iterable[str]) -> None:
        """These sessions go on elsewhere."""
        for seat in self._listener.release(sessions):
            self._tasks.spawn(self._listener.end(seat))

    async def told_of(self, request: Request) -> bytes | None:
        """What a client is told of a request whose node was lost; None where it is made again."""
        if await self.is_safe(request):
            self.counts["repeated"] += 1
            return None
        return self.unknown(request)

    def unknown(self, request: Request) -> bytes:
        """What a client is told of a request that must not be made again."""
        self.counts["unknown"] += 1
        return unknown(request)

    async def close(self) -> None:
        """Ends what is left of them."""
        await self._tasks.cancel()

    async def serve(self, exchange: Exchange, here: Here) -> None:
        """Has a request of a client answered, wherever that is.

        Args:
            here: Answers it on this node.

        Raises:
            Refusal: It is refused.
        """
        session = session_of(exchange)
        if session is None:
            await self._without_session(exchange, here)
            return
        if self.leaving and exchange.method == "GET" and LAST_EVENT not in exchange.headers:
            raise ENDING
        await self._membership.confirm()
        self._listener.until = self._membership.until
        if self._is_here(session) and not self._may_go(session):
            await here(exchange)
            return
        body = await self._body(exchange)
        attempt = PassedOn(body, self._listener.now())
        try:
            await self._somewhere(exchange, here, session, attempt)
        except Refusal:
            if not attempt.is_in_doubt:
                raise
            # Whatever it says, it does not know what the lost node has begun.
            await self._told(exchange, session, attempt)

    async def _somewhere(self, exchange: Exchange, here: Here, session: str, attempt: PassedOn) -> None:
        ends = self._listener.now() + PATIENCE_SECONDS
        pause, attempts = PAUSE_SECONDS, 0
        guessed: set[str] = set()
        while True:
            if attempt.is_in_doubt:
                await self._membership.beat()
                if self._membership.known_since > attempt.began:
                    # Redis has lost under which names requests were begun.
                    raise UNREACHED
            node = await self._owner(session, exchange, guessed)
            if node is None:
                await self._go_on_here(exchange, here, session, attempt)
                return
            fate = await self._passed(exchange, node, attempt)
            if fate is Fate.ANSWERED or await self._is_settled(fate, exchange, node, session, attempt):
                return
            if self._listener.now() >= ends:
                if exchange.started and not attempt.is_in_doubt:
                    await exchange.write(b"", more=False)
                    return
                raise UNREACHED
            attempts += 1
            if fate is Fate.UNREACHED or attempts > QUICK_ATTEMPTS:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                await self._membership.beat()

    async def serve_passed(self, exchange: Exchange, here: Here) -> None:
        """Answers a request that another node has passed on; never passes it on again.

        Raises:
            Refusal: It is refused; with 421 where another node serves the session.
        """
        session = session_of(exchange)
        if session is None:
            if self.leaving:
                raise ELSEWHERE
            await here(exchange)
            return
        await self._membership.confirm()
        if self._is_here(session):
            if self._may_go(session):
                await self._let_go(session)
                raise ELSEWHERE
        else:
            # Whoever passes it on does not serve it: what is remembered may be of a time when that node did.
            self._owners.moved(session)
            if self.leaving or await self._owner(session, exchange, None) is not None:
                raise ELSEWHERE
        await self._served_here(exchange, here, session)

    def _is_here(self, session: str) -> bool:
        return self._owners.holds(session) and self._listener.table.get(session) is not None

    def _may_go(self, session: str) -> bool:
        """Whether this node ends, and nothing of the session is in flight."""
        if not self.leaving:
            return False
        seat = self._listener.table.get(session)
        return seat is None or seat.session.quiet.is_set()

    async def _let_go(self, session: str) -> None:
        self.give_up([session])
        try:
            await self._owners.release([session])
        except StoreUnavailable as error:
            log.debug("a session is not free for others yet: %s", error)

    async def _owner(self, session: str, exchange: Exchange, guessed: set[str] | None) -> NodeFacts | None:
        """Which other node serves a session; None where this one does. While Redis is away, one that may.

        Args:
            guessed: The nodes that were asked without knowing; None where another node asks this one.

        Raises:
            Refusal: Nobody can say.
        """
        listener = self._listener
        if self.leaving:
            if self._owners.holds(session):
                await self._let_go(session)
            return await self._owner_or_peer(session)
        known = listener.table.recall(session, owner_of(exchange)) is not None
        ends = listener.now() + AWAY_SECONDS
        while True:
            try:
                node = await self._owners.find(session, absent=known)
                break
            except StoreUnavailable as error:
                if listener.table.get(session) is not None:
                    return None
                if guessed is None:
                    raise ELSEWHERE from None
                if known and (guess := self._guess(session, guessed)) is not None:
                    return guess
                if listener.now() >= ends:
                    log.warning("a request was refused: %s", error)
                    raise AWAY from None
            await asyncio.sleep(LONGEST_PAUSE_SECONDS)
        if node is not None and listener.table.get(session) is not None:
            self.give_up([session])
        return node

    def _guess(self, session: str, guessed: set[str]) -> NodeFacts | None:
        """A node that was not asked yet whether it has a session of ours: whoever has it serves it, and it
        cannot be taken over meanwhile."""
        me = self._membership.id
        for node in self._membership.nodes.values():
            if node.id != me and node.id not in guessed:
                guessed.add(node.id)
                self._owners.remember(session, node.id)
                return node
        return None

    async def _owner_or_peer(self, session: str) -> NodeFacts:
        try:
            node = await self._owners.look(session)
        except StoreUnavailable as error:
            log.debug("who serves a session is not known: %s", error)
            node = None
        node = node or self._membership.peer(self._passing.passed)
        if node is None:
            raise UNREACHED
        return node

    async def _without_session(self, exchange: Exchange, here: Here) -> None:
        goes_on = exchange.headers.get(VERSION) in versions.MODERN
        if not self.leaving and not goes_on:
            await here(exchange)
            return
        body = await self._body(exchange)
        node = waiting_at(body, self._membership)
        if not self.leaving and node is None:
            await here(exchange)
            return
        attempt = PassedOn(body, self._listener.now())
        if node is not None:
            fate = await self._passed(exchange, node, attempt)
            if fate is Fate.ANSWERED or await self._is_settled(fate, exchange, node, "", attempt):
                return
        if not self.leaving:
            # What was waiting there is lost: its client hears that, and makes the request again.
            await self._go_on_here(exchange, here, "", attempt)
            return
        while (node := self._membership.peer(self._passing.passed)) is not None:
            fate = await self._passed(exchange, node, attempt)
            if fate is Fate.ANSWERED or await self._is_settled(fate, exchange, node, "", attempt):
                return
            if fate is Fate.UNREACHED:
                break
            await self._membership.beat()
        if exchange.started:
            await exchange.write(b"", more=False)
            return
        await here(exchange)

    async def _body(self, exchange: Exchange) -> bytes:
        """The body, which can be read again afterwards."""
        if exchange.method != "POST":
            return b""
        body = exchange.body = await self._listener.limits.read(exchange)
        exchange.receive = Replayed(body, exchange.receive)
        return body

    async def _go_on_here(self, exchange: Exchange, here: Here, session: str, attempt: PassedOn) -> None:
        if not exchange.started:
            await self._served_here(exchange, here, session)
            return
        # The head of a stream has gone out already.
        again = continued(exchange, attempt.body)
        try:
            await self._served_here(again, here, session)
        except Refusal as refusal:
            log.warning("a request could not be made again: %s", refusal.message)
            await exchange.write(unknown_events(attempt.open()), more=False)

    async def _served_here(self, exchange: Exchange, here: Here, session: str) -> None:
        is_new = self._listener.table.get(session) is None
        try:
            await here(exchange)
        finally:
            seat = self._listener.table.get(session)
            if seat is None and self._owners.holds(session):
                await self._owners.over(session)
            elif seat is not None and is_new:
                self.counts["takenOver"] += 1
                if not self._owners.holds(session):
                    await self._owners.begin(session)

    async def _passed(self, exchange: Exchange, node: NodeFacts, attempt: PassedOn) -> Fate:
        self.counts["passedOn"] += 1
        if not exchange.started:
            # What was asked for with a good credential is answered, however long that takes.
            stays = _always if exchange.method == "POST" else partial(self._listener.is_let_in, exchange)
            return await self._passing.pass_on(exchange, node, attempt.body, stays, attempt.answered.heard)
        again = continued(exchange, attempt.body)
        return await self._passing.pass_on(again, node, attempt.body, _always, attempt.answered.heard)

    async def _is_settled(
        self, fate: Fate, exchange: Exchange, node: NodeFacts, session: str, attempt: PassedOn
    ) -> bool:
        """Does what must be done about a request that was not answered; whether that is all."""
        self._owners.moved(session)
        if fate is Fate.ELSEWHERE:
            return False
        if fate is Fate.REFUSED:
            await self._gone(node)
            return False
        if fate is Fate.UNREACHED:
            return False
        if await self._passing.is_gone(node):
            # Before anything else is sent there: connections to it may not show yet that they have ended.
            await self._gone(node)
        open = attempt.open()
        if exchange.started and not open:
            # All that was asked is answered; a client opens the stream of a GET again.
            await exchange.write(b"", more=False)
            return True
        # What bears a name is begun once, whoever sends it again.
        is_named = bool(session) and ONCE in exchange.headers and not attempt.is_batch
        is_safe = await self._are_safe(open)
        if not attempt.is_last() and (is_named or is_safe):
            attempt.is_in_doubt = not is_safe
            self.counts["repeated"] += len(open)
            return False
        await self._told(exchange, session, attempt)
        return True

    async def _told(self, exchange: Exchange, session: str, attempt: PassedOn) -> None:
        """Tells a client that nobody knows what became of its requests."""
        open = attempt.open()
        self.counts["unknown"] += len(open)
        if exchange.started:
            await exchange.write(unknown_events(open), more=False)
        elif open:
            headers = {SESSION: session} if session else {}
            await exchange.answer(200, unknown_body(open, batch=attempt.is_batch), headers=headers)
        else:
            raise UNREACHED

    async def _are_safe(self, requests: Iterable[Request]) -> bool:
        return all([await self.is_safe(request) for request in requests])

    async def _gone(self, node: NodeFacts) -> None:
        if node.id not in self._membership.nodes:
            return
        log.warning("node %s is gone: nobody listens at %s", node.id, node.address)
        try:
            await self._owners.gone(node.id)
        except StoreUnavailable as error:
            log.debug("its lease ends by itself: %s", error)
            await asyncio.sleep(PAUSE_SECONDS)


def session_of(exchange: Exchange) -> str | None:
    """The session that a request names; None where it names none, or is of a revision without sessions."""
    if route_of(exchange.path) == "/messages":
        return exchange.query("sessionId")
    return None if exchange.headers.get(VERSION) in versions.MODERN else exchange.headers.get(SESSION)


def _always() -> bool:
    return True
