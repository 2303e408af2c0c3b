"""Plain requests over HTTP: the answer goes out in the callback that brings it, without a task, a stream or a
timer of its own.

A request is plain where its connection has sent the same head before, so that all that a head says is known
(`callmux.transport.http.heads`), and where its answer is all that comes and comes soon. Until then a
`PlainReply` stands in the session's table in place of a stream. The reply becomes a stream, and the rest is
as for any other request, when something comes before the answer, the answer takes long, or the client leaves.

Heads are learned by `callmux.transport.http.mcp`; `callmux.transport.http.direct` compares and answers.
Requests without a session are those of `callmux.transport.http.stateless_calls`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, ClassVar, NoReturn, Protocol, TypeAlias

import msgspec

from callmux.guard.gate import GONE, Gate
from callmux.protocol.calling import Calling, of_caller
from callmux.protocol.jsonrpc import Id, Request
from callmux.protocol.sse import request_stream
from callmux.session.facts import Said
from callmux.transport.http.exchange import Exchange
from callmux.transport.http.heads import Fields, PlainHead, SessionHead, can_be_learned
from callmux.transport.http.intake import request_id
from callmux.transport.http.streams import Stream

if TYPE_CHECKING:
    from callmux.transport.http.listener import Listener
    from callmux.transport.http.web_session import WebSession

Work: TypeAlias = Callable[[Exchange], Awaitable[None]]

LF, CR = 10, 13
"""As numbers: `in` tries bytes as a number first, and drops an exception."""


class PlainCarrier(Protocol):
    """The connection that a reply goes out on."""

    def owe(self, reply: PlainReply) -> None:
        """The answer that goes out next is that of `reply`."""

    def answer(self, reply: PlainReply, line: bytes, ends: bool, status: int = 200) -> None:
        """Sends the answer, which may end with a line feed; `ends`: the connection ends with it."""

    def go_on(self, exchange: Exchange, work: Work, body: bytes | None) -> None:
        """Answers the request as any other, by `work`, which may read `body`."""


class PlainReply(msgspec.Struct, eq=False):
    """The answer to one plain request, to come on one connection.

    Attributes:
        resumable: Whether a client that has lost its connection gets the answer on another one; else it has
            cancelled the request.
        calls: What it belongs to.
        carrier: The connection.
        head: What its head says.
        seat: The session it is for.
        id: The JSON-RPC id.
        request_id: Goes out as `x-request-id`.
        exchange: What passed the gate; None where there is none.
        body: What it brought, where that is to be shown.
        began: When it came, by the monotonic clock.
    """

    resumable: ClassVar[bool] = True

    calls: PlainCalls
    carrier: PlainCarrier
    head: PlainHead
    seat: WebSession
    id: Id
    request_id: str
    exchange: Exchange | None
    body: bytes | None
    began: float

    @property
    def key(self) -> str:
        """The name of the stream that it would become."""
        return request_stream(self.id)

    def answered(self, line: bytes) -> None:
        """The answer is there, and nothing came before it."""
        self.calls.answered(self, line)

    def become_stream(self) -> Stream:
        """Goes on as a stream of its session, which its client reads from now on."""
        stream = self.calls.let_go(self)
        exchange = self.as_exchange()
        self.carrier.go_on(exchange, partial(self.calls.resume, seat=self.seat, stream=stream), None)
        return stream

    def as_exchange(self) -> Exchange:
        """The request as one that is answered the long way."""
        exchange = self.exchange or self.head.exchange.again(self.request_id, self.began)
        exchange.body = self.body
        return exchange

    def left(self) -> None:
        """Its client has closed the connection. The request goes on; what it brings is kept for a while."""
        self.calls.let_go(self)
        self.calls.over(self, GONE)


class PlainCalls:
    """The plain requests of one listener.

    Args:
        listener: Sessions and limits.
        route: Answers a request that has passed the gate.
        resume: Answers a request by a stream of its session.
        over: Told of each plain request that is over, with the status of its answer.

    Attributes:
        waiting: Replies to come, the oldest first, and when they must become streams.
    """

    def __init__(
        self,
        listener: Listener,
        route: Work,
        resume: Callable[..., Awaitable[None]],
        over: Callable[[PlainReply, int], None],
    ) -> None:
        self._listener = listener
        self._now = listener.now
        self.route = route
        self.resume = resume
        self.over = over
        self.waiting: dict[PlainReply, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def in_flight(self) -> int:
        """How many are not over."""
        return len(self.waiting)

    @property
    def passing(self) -> frozenset[bytes]:
        """Headers that may be others with each request."""
        return self._listener.passing

    @property
    def is_leaving(self) -> bool:
        """Whether connections end with the answer they carry."""
        return self._listener.leaving

    def learned(
        self, url: bytes, fields: Fields, exchange: Exchange, seat: WebSession, said: Said
    ) -> SessionHead | None:
        """What is known from now on of a head; None where it may not be known again."""
        if not may_be_known(fields, exchange, said):
            return None
        listener = self._listener
        kind = listener.kind_of(exchange)
        kept = to_keep(exchange, listener.passing)
        return SessionHead(seat, url, fields, kept, said, listener.limits, listener.gate, kind)

    def holds(self, head: PlainHead) -> bool:
        """Whether what was decided of a head may hold still: the configuration is the same, and its session
        is not over."""
        listener = self._listener
        if head.limits is not listener.limits or head.gate is not listener.gate:
            return False
        return not isinstance(head, SessionHead) or listener.table.get(head.seat.id) is head.seat

    def takes(self, head: PlainHead, body: bytes) -> bool:
        """Whether a request with this head may be answered this way now, and its body is one line, with or
        without a line feed at its end."""
        listener = self._listener
        return not (
            listener.refusing
            or listener.leaving
            or listener.elsewhere is not None
            or head.limits is not listener.limits
            or head.gate is not listener.gate
            or (LF in body and body.find(b"\n") < len(body) - 1)
            or CR in body
        )

    def begin(self, carrier: PlainCarrier, head: SessionHead, body: bytes, given: str | None = None) -> bool:
        """Takes a request. Whether it can: else nothing has happened, and it must go the long way.

        Args:
            given: Its `x-request-id`.
        """
        listener, seat = self._listener, head.seat
        if not self.takes(head, body) or listener.table.get(seat.id) is not seat:
            return False
        message = of_caller(body)
        if type(message) is not Calling and (type(message) is not Request or message.method == "initialize"):
            return False
        if message.id in seat.answering:
            return False
        now = self._now()
        if now >= listener.until:
            return False
        exchange: Exchange | None = None
        id = request_id(given)
        if head.gate is None:
            said = head.said_again(id, now)
        else:
            exchange = head.exchange.again(id, now)
            if not self.enters(carrier, exchange, head, body):
                return True
            if listener.find(seat.id, exchange) is not seat:
                carrier.go_on(exchange, self.route, body)
                return True
            said = listener.note(seat, exchange)
        shown = body if listener.shows_bodies or listener.nodes is not None else None
        reply = PlainReply(self, carrier, head, seat, message.id, id, exchange, shown, now)
        seat.active += 1
        self.await_answer(reply)
        seat.session.receive(message, said)
        return True

    def enters(self, carrier: PlainCarrier, exchange: Exchange, head: PlainHead, body: bytes) -> bool:
        """Has a request pass the gate. Whether it is in: else it is answered the long way, or will be."""
        gate = head.gate
        assert gate is not None
        try:
            waiting = gate.enter(exchange)
        except Exception as broken:  # noqa: BLE001 - answered as by any other request's way
            carrier.go_on(exchange, partial(_broken, broken), body)
            return False
        if waiting is not None:
            carrier.go_on(exchange, partial(self._let_in, gate, waiting), body)
            return False
        exchange.inside = gate
        return True

    def await_answer(self, reply: PlainReply) -> None:
        """A reply takes the answer from now on; it becomes a stream where that takes long."""
        reply.seat.answering[reply.id] = reply
        reply.carrier.owe(reply)
        self.waiting[reply] = reply.began + self._listener.patience
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._listener.patience, self._look)

    async def _let_in(self, gate: Gate, waiting: Awaitable[None], exchange: Exchange) -> None:
        await waiting
        exchange.inside = gate
        await self.route(exchange)

    def _look(self) -> None:
        """Some answers may have taken too long by now: they go on as streams."""
        self._timer = None
        now = self._now()
        late = [reply for reply, due in takewhile(lambda one: one[1] <= now + 0.001, self.waiting.items())]
        for reply in late:
            reply.become_stream()
        if (due := next(iter(self.waiting.values()), None)) is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.001, due - now), self._look)

    def answered(self, reply: PlainReply, line: bytes) -> None:
        """An answer goes out."""
        del self.waiting[reply]
        seat = reply.seat
        seat.active -= 1
        seat.seen_at = self._now()
        reply.carrier.answer(reply, line, self._listener.leaving)
        self.over(reply, 200)

    def let_go(self, reply: PlainReply) -> Stream:
        """A reply is none any more: the stream that takes its place."""
        del self.waiting[reply]
        seat = reply.seat
        seat.active -= 1
        seat.seen_at = self._now()
        return seat.open_stream(reply.id)


def may_be_known(fields: Fields, exchange: Exchange, said: Said) -> bool:
    """Whether a head may be known again."""
    return can_be_learned(fields) and exchange.origin is None and not said.trace


def to_keep(exchange: Exchange, passing: frozenset[bytes]) -> Exchange:
    """What stays of the request that a head was learned from: neither its body nor what was its own, for as
    long as its connection."""
    kept = exchange.again("", 0.0)
    # It is known already; learned from another request with it, it would mean what that one says of its body.
    kept.learn = None
    kept.carried_by(_nothing, _nothing, False)
    kept.headers = {
        name: text for name, text in exchange.headers.items() if name.encode("latin-1") not in passing
    }
    return kept


async def _nothing(*_: object) -> NoReturn:
    raise AssertionError("a head that is known is no request")


async def _broken(broken: Exception, exchange: Exchange) -> None:
    raise broken
