"""Plain requests without a session (MCP 2026-07-28): answered as `callmux.transport.http.plain` answers the
others.

What differs: a head may say something else of each body, and must say what the body says; a request is lent
a session that waits for one (`callmux.transport.http.seats`); its client cancels it by leaving; nothing of
its answer is kept. Whatever is to be refused, or must wait for anything, goes the long way from the start.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar

from callmux.guard.gate import GONE
from callmux.protocol import jsonrpc, modern, routing
from callmux.protocol.calling import Calling
from callmux.protocol.jsonrpc import Request, RpcError
from callmux.protocol.modern_call import About, of_caller
from callmux.session.facts import Said
from callmux.transport.http.exchange import Exchange
from callmux.transport.http.heads import Fields, Named, StatelessHead
from callmux.transport.http.intake import request_id
from callmux.transport.http.listener import Listener
from callmux.transport.http.plain import PlainCalls, PlainCarrier, PlainReply, may_be_known, to_keep
from callmux.transport.http.stateless import RESULT, code_of, go_on, has_left, note, read
from callmux.transport.http.streams import Stream

GOES_ON = b"requestState"
"""Stands in what goes on with a request that waits for its client, perhaps at another node."""


class StatelessReply(PlainReply, eq=False):
    """The answer to one plain request without a session.

    Attributes:
        listener: Lends the session.
    """

    resumable: ClassVar[bool] = False

    listener: Listener

    def answered(self, line: bytes) -> None:
        calls, listener = self.calls, self.listener
        del calls.waiting[self]
        listener.seats.release(self.seat)
        id = self.id
        if type(id) is int and line.startswith(RESULT % id):
            # Nearly always: what `code_of` finds first, without its frame.
            status = 200
        else:
            status = modern.status_of(code_of(line, id))
        self.carrier.answer(self, line, listener.leaving, status)
        calls.over(self, status)

    def become_stream(self) -> Stream:
        del self.calls.waiting[self]
        stream, exchange = self.seat.open_stream(self.id), self.as_exchange()
        # At once: its client may leave before the rest begins.
        stays = exchange.when_left(partial(has_left, self.seat, self.id))
        work = partial(go_on, listener=self.listener, seat=self.seat, stream=stream, id=self.id, stays=stays)
        self.carrier.go_on(exchange, work, None)
        return stream

    def left(self) -> None:
        """Its client has closed the connection, which is its way to cancel; or the connection has broken."""
        del self.calls.waiting[self]
        # What comes of it is for nobody.
        self.seat.open_stream(self.id)
        has_left(self.seat, self.id)
        self.listener.seats.release(self.seat)
        self.calls.over(self, GONE)


class StatelessCalls:
    """The plain requests of one listener that have no session.

    Args:
        listener: Sessions and limits.
        calls: Those that have one.
    """

    def __init__(self, listener: Listener, calls: PlainCalls) -> None:
        self._listener = listener
        self._calls = calls
        self._now: Callable[[], float] = listener.now
        self._definition = listener.definition

    def learned(self, url: bytes, fields: Fields, exchange: Exchange, said: Said) -> StatelessHead | None:
        """What is known from now on of a head; None where it may not be known again."""
        if not may_be_known(fields, exchange, said):
            return None
        listener = self._listener
        kept, kind = to_keep(exchange, listener.passing), listener.kind_of(exchange)
        return StatelessHead(url, fields, kept, said, listener.limits, listener.gate, kind)

    def begin(
        self,
        carrier: PlainCarrier,
        head: StatelessHead,
        named: Named,
        body: bytes,
        given: str | None = None,
    ) -> bool:
        """Takes a request. Whether it can: else nothing has happened, and it must go the long way.

        Args:
            given: Its `x-request-id`.
        """
        listener, calls = self._listener, self._calls
        if not calls.takes(head, body) or (listener.nodes is not None and GOES_ON in body):
            return False
        if (found := self._read(head, named, body)) is None:
            return False
        message, about = found
        id, now, gate = request_id(given), self._now(), head.gate
        exchange: Exchange | None = None
        if gate is not None:
            exchange = head.exchange.again(id, now)
            if named is not head.own:
                exchange.headers = head.headers(named)
            if not calls.enters(carrier, exchange, head, body):
                return True
        principal = None if exchange is None else exchange.principal
        if not head.pool or about is not head.about or principal is not head.whose:
            # They are the same for the next one that says the same, as long as the configuration is.
            head.pool = listener.seats.idle(exchange or head.exchange, about.asked)
            head.about, head.whose = about, principal
        seat = listener.seats.lend(head.pool)
        if seat is None:
            if exchange is not None:
                carrier.go_on(exchange, calls.route, body)
            return exchange is not None
        said = head.said_again(seat, id, now) if exchange is None else note(seat, exchange, listener)
        shown = body if listener.shows_bodies else None
        reply = StatelessReply(calls, carrier, head, seat, message.id, id, exchange, shown, now, listener)
        calls.await_answer(reply)
        # Two hold the session, the request and what answers it: one that comes again with its client's
        # answers is over at once, while the request that waited for these is answered in its place.
        seat.active += 1
        seat.session.receive_stateless(message, said, about.asked)
        return True

    def _read(self, head: StatelessHead, named: Named, body: bytes) -> tuple[Request | Calling, About] | None:
        """What a body asks for, and says of itself; None where that is to be refused, or is no request."""
        tool = named.calls
        if tool is not None and not named.has_arguments:
            found = of_caller(body, tool, head.about)
            if found is not None and found[1].asked.version == head.version:
                definition = self._definition(tool)
                if definition is named.definition or self._is_plain(named, definition):
                    return found
        message = jsonrpc.of_client(body)
        if not isinstance(message, Request):
            return None
        try:
            return message, About(read(head.headers(named), self._listener, message))
        except RpcError:
            return None

    def _is_plain(self, named: Named, definition: bytes | None) -> bool:
        """Whether a tool wants none of its arguments in headers; it is asked once for each listing of it."""
        if definition is not None and routing.wants_arguments(definition):
            return False
        named.definition = definition
        return True
