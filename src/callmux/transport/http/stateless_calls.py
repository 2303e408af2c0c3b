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
from callmux.protocol.modern import Asked
from callmux.protocol.modern_call import of_caller
from callmux.session.facts import Said
from callmux.transport.http.exchange import Exchange
from callmux.transport.http.heads import Fields, Named, StatelessHead
from callmux.transport.http.intake import request_id
from callmux.transport.http.listener import Listener
from callmux.transport.http.plain import PlainCalls, PlainCarrier, PlainReply, may_be_known
from callmux.transport.http.stateless import code_of, go_on, has_left, note, read
from callmux.transport.http.streams import Stream
from callmux.transport.http.web_session import WebSession


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
        code = code_of(line, self.id)
        status = 200 if code is None else modern.status_of(code)
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
        kept, kind = exchange.again("", 0.0), listener.kind_of(exchange)
        return StatelessHead(url, fields, kept, said, listener.limits, listener.gate, kind)

    def begin(self, carrier: PlainCarrier, head: StatelessHead, named: Named, body: bytes) -> bool:
        """Takes a request. Whether it can: else nothing has happened, and it must go the long way."""
        listener, calls = self._listener, self._calls
        if not calls.takes(head, body) or (found := self._read(head, named, body)) is None:
            return False
        message, asked = found
        id, now = request_id(None), self._now()
        exchange: Exchange | None = None
        if head.gate is None:
            seat = self._idle(head, head.exchange, asked)
            if seat is None:
                return False
            said = head.said_again(seat, id, now)
        else:
            exchange = head.exchange.again(id, now)
            if named is not head.own:
                exchange.headers = head.headers(named)
            if not calls.enters(carrier, exchange, head, body):
                return True
            seat = self._idle(head, exchange, asked)
            if seat is None:
                carrier.go_on(exchange, calls.route, body)
                return True
            said = note(seat, exchange, listener)
        shown = body if listener.shows_bodies else None
        reply = StatelessReply(calls, carrier, head, seat, message.id, id, exchange, shown, now, listener)
        calls.await_answer(reply)
        # See `WebSession.hold`.
        seat.active += 1
        seat.session.receive_stateless(message, said, asked)
        return True

    def _idle(self, head: StatelessHead, exchange: Exchange, asked: Asked) -> WebSession | None:
        """A session that waits for such a request; None where there is none."""
        seats = self._listener.seats
        if head.group is None or exchange.principal is not head.whose:
            group = seats.group(exchange)
            if group is None:
                return None
            # It is the same for the next one, as long as the configuration is.
            head.group, head.whose = group, exchange.principal
        return seats.idle((*head.group, asked.capabilities, asked.client_name, asked.log_level))

    def _read(self, head: StatelessHead, named: Named, body: bytes) -> tuple[Request | Calling, Asked] | None:
        """What a body asks for, and says of itself; None where that is to be refused, or is no request."""
        tool = named.calls
        if tool is not None and not named.has_arguments:
            found = of_caller(body, tool)
            if found is not None and found[1].version == head.version and not self._mirrors(tool):
                return found
        message = jsonrpc.of_client(body)
        if not isinstance(message, Request):
            return None
        try:
            return message, read(head.headers(named), self._listener, message)
        except RpcError:
            return None

    def _mirrors(self, tool: str) -> bool:
        """Whether a tool wants some of its arguments in headers."""
        definition = self._definition(tool)
        return definition is not None and routing.wants_arguments(definition)
