"""A connection on which plain requests are answered directly: no ASGI scope, no cycle, no task.

Used by `callmux.transport.http.serve`. `callmux.transport.http.plain` decides what is plain. Every other
request goes the way of uvicorn, and so does one that turns out not to be plain, from its beginning.
"""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import islice
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle
from uvicorn.server import ServerState

from callmux.protocol.jsonrpc import Id
from callmux.session.facts import Said
from callmux.transport.http.app import App
from callmux.transport.http.exchange import LEARN, Exchange, Receive, Send
from callmux.transport.http.heads import (
    ALIKE,
    Fields,
    KnownHead,
    Named,
    PlainHead,
    SessionHead,
    StatelessHead,
    known_head,
    lasting,
)
from callmux.transport.http.intake import own_id
from callmux.transport.http.narrow import NarrowProtocol
from callmux.transport.http.plain import PlainReply, Work
from callmux.transport.http.web_session import WebSession

KEPT_LINE_BYTES = 64 * 1024
"""Answers up to here stay with their connection until it is certain that they have arrived; larger ones stand
where all that is kept has a bound."""
MOST_HEADS = 16
"""Heads that are known of one connection: that of a proxy has requests of many clients."""
SPARED = 4 * MOST_HEADS
"""How many heads may be learned in a row, none of which has come again, before several are kept once more.
After the first `MOST_HEADS` of them only the newest is kept: to compare a request with each takes time."""
MOST_KNOWN = 32
"""Heads of a connection whose bytes are known."""
_ANSWER = b"%b%bcontent-length: %d\r\n%bcontent-type: application/json\r\nx-request-id: %b\r\n%b\r\n%b"


class DirectProtocol(NarrowProtocol):
    """HTTP/1.1 on one connection.

    Args:
        config, server_state, app_state: As uvicorn gives them.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        app = config.app
        assert isinstance(app, App)
        self._house = app
        self._calls, self._stateless = app.direct, app.stateless
        self._heads: list[PlainHead] = []
        self._in_vain = 0
        self._head: PlainHead | None = None
        self._part: bytearray | None = None
        self._reply: PlainReply | None = None
        self._sent: tuple[WebSession, Id, bytes] | None = None
        self._held = b""
        self._ends = False
        self._answered_at = 0.0
        self._read = self._parsed = b""
        self._known_heads: list[tuple[KnownHead, PlainHead]] = []
        self._named = ALIKE
        self._own_id: str | None = None
        self._is_reading = False
        self._given: list[tuple[bytes, bytes]] | None = None
        self._usual = b""

    def data_received(self, data: bytes) -> None:
        if self._reply is not None or self._held:
            # The next request waits for this answer, as it would in uvicorn.
            self._held += data
            self.flow.pause_reading()
            return
        if not (self._header_bytes or self._is_in_body or self._is_in_head):
            # The next byte begins a request.
            for known, head in self._known_heads:
                if (body := known.body(data)) is not None:
                    if self._take(head, known.named, body):
                        return
                    break
            # Where the head is whole, and becomes known, it need not be read again.
            self._read = data[: data.find(b"\r\n\r\n") + 4]
        self._is_reading = True
        super().data_received(data)
        self._is_reading = False

    def _take(self, head: PlainHead, named: Named, body: bytes) -> bool:
        """Takes a request that came in one piece, with a head that was read before. Whether it can: else
        nothing has happened."""
        if not self.cycle.response_complete or self.flow.write_paused:
            return False
        self._in_vain = 0
        return len(body) <= head.most and self._begun(head, named, body, None)

    def _begun(self, head: PlainHead, named: Named, body: bytes, own_id: str | None) -> bool:
        """Begins with a plain request that has come whole. Whether it can: else it must go the long way."""
        # Before anything: what went out before has arrived.
        while self._previous:
            self._previous.pop()()
        if self._sent is not None:
            self._arrived()
        if type(head) is SessionHead:
            return self._calls.begin(self, head, body, own_id)
        assert isinstance(head, StatelessHead)
        return self._stateless.begin(self, head, named, body, own_id)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._carrying = transport
        super().connection_made(transport)

    def _is_known(self) -> bool:
        self._parsed, self._read = self._read, b""
        parser = self.parser
        named = None
        if (
            self._heads
            and self._reply is None
            and self.cycle.response_complete
            # Who does not read waits for room as in uvicorn, and is not read on.
            and not self.flow.write_paused
            and parser.get_method() == b"POST"
            and parser.should_keep_alive()
            # Of HTTP/1.0, uvicorn keeps no connection, whatever its head says.
            and parser.get_http_version() == "1.1"
        ):
            fields, self._own_id = self.headers, None
            if (named := self._fitting(fields)) is None:
                # A load balancer may have given it what no other request has.
                fields = lasting(fields, self._calls.passing)
                if fields is not self.headers and (named := self._fitting(fields)) is not None:
                    self._own_id = own_id(self.headers)
        if named is None:
            self._part = None
            return False
        self._part, self._named, self._in_vain = bytearray(), named, 0
        if named is not ALIKE and not named.has_arguments and fields is self.headers:
            assert self._head is not None
            self._know(self._parsed, fields, self._head, named)
        return True

    def _fitting(self, fields: Fields) -> Named | None:
        """What a head says of its body, where it is known; None for any other head."""
        for head in self._heads:
            if (named := head.fits(self.url, fields)) is not None:
                self._head = head
                return named
        return None

    def _know(self, read: bytes, fields: Fields, head: PlainHead, named: Named) -> None:
        """The bytes of a head that says this of its body need not be parsed again."""
        if any(known.named is named and whose is head for known, whose in self._known_heads):
            return
        known = known_head(read, fields, named)
        if known is not None:
            del self._known_heads[MOST_KNOWN - 1 :]
            self._known_heads.insert(0, (known, head))

    def _begin(self) -> None:
        if self._part is not None:
            return
        if self._reply is not None:
            # Two requests in one packet: answers go out in the order of the requests.
            self._reply.become_stream()
        self._begin_exchange()

    def _begin_exchange(self) -> None:
        self._arrived()
        super()._begin_exchange()
        if self._ends:
            self.cycle.keep_alive = False

    def _carrier(self) -> dict[str, object]:
        return {**super()._carrier(), LEARN: partial(self._learn, self._parsed, self.url, self.headers)}

    def _learn(
        self, read: bytes, url: bytes, fields: Fields, exchange: Exchange, seat: WebSession | None, said: Said
    ) -> None:
        """Knows a head from now on, in place of what the same one meant before."""
        head: PlainHead | None
        given, fields = fields, lasting(fields, self._calls.passing)
        if seat is None:
            head = self._stateless.learned(url, fields, exchange, said)
        else:
            head = self._calls.learned(url, fields, exchange, seat, said)
        if head is None:
            return
        self._in_vain = (self._in_vain + 1) % SPARED
        others = (one for one in self._heads if one.fits(url, fields) is None and self._calls.holds(one))
        self._heads = [head, *islice(others, MOST_HEADS - 1 if self._in_vain <= MOST_HEADS else 0)]
        self._known_heads = [pair for pair in self._known_heads if pair[1] in self._heads]
        if fields is given:
            self._know(read, fields, head, head.own)

    def _arrived(self) -> None:
        """The client asks again: it has all that went out before."""
        if self._sent is not None:
            seat, id, line = self._sent
            self._sent = None
            seat.arrived(id, line)

    def on_body(self, body: bytes) -> None:
        part = self._part
        if part is None:
            super().on_body(body)
            return
        assert self._head is not None
        self._body_bytes += len(body)
        part += body
        if len(part) > self._head.most:
            self._go_the_long_way(part)

    def _go_the_long_way(self, body: bytes | bytearray) -> None:
        """What was to be plain is not: uvicorn gets it from its beginning, as far as it has come."""
        self._part = None
        self._begin_exchange()
        self.cycle.body += body
        self.cycle.message_event.set()

    def _is_answered(self) -> bool:
        return self._part is None and super()._is_answered()

    def on_message_complete(self) -> None:
        part = self._part
        if part is None:
            super().on_message_complete()
            return
        self._is_whole()
        self._part = None
        body = bytes(part)
        assert self._head is not None
        if not self._begun(self._head, self._named, body, self._own_id):
            self._go_the_long_way(body)
            super().on_message_complete()

    def owe(self, reply: PlainReply) -> None:
        self._reply = reply

    def answer(self, reply: PlainReply, line: bytes, ends: bool, status: int = 200) -> None:
        self._reply = None
        seat = reply.seat
        if self.transport is None or self._carrying.is_closing():
            if reply.resumable:
                seat.lost(reply.id, line)
            return
        body = line.removesuffix(b"\n")
        ends = ends or self._ends
        given = self.server_state.default_headers
        if given is not self._given:
            # What uvicorn puts into every head: the date.
            self._given, self._usual = given, b"".join(b"%b: %b\r\n" % pair for pair in given)
        self._gathering.write_now(
            _ANSWER
            % (
                STATUS_LINE[status],
                self._usual,
                len(body),
                reply.head.answered,
                reply.request_id.encode("latin-1"),
                b"connection: close\r\n" if ends else b"",
                body,
            )
        )
        self.server_state.total_requests += 1
        self._answered_at = self.loop.time()
        if not reply.resumable:
            pass
        elif len(line) <= KEPT_LINE_BYTES and not ends and seat.sent(reply.id, line):
            self._sent = (seat, reply.id, line)
        else:
            self._previous.append(partial(seat.received, seat.keep(reply.id, line)))
        if ends:
            self.transport.close()
        elif self._held:
            self.loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        """Takes what came while an answer was owed."""
        data, self._held = self._held, b""
        if data and self.transport is not None and not self.transport.is_closing():
            self.flow.resume_reading()
            self.data_received(data)

    def go_on(self, exchange: Exchange, work: Work, body: bytes | None) -> None:
        self._reply = None
        event = asyncio.Event()
        cycle = RequestResponseCycle(
            scope={"type": "http", "method": "POST", "headers": self.headers},  # type: ignore[typeddict-item]
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=event,
            expect_100_continue=False,
            keep_alive=not self._ends,
            on_response=self.on_response_complete,
        )
        cycle.more_body = False
        if body is not None:
            cycle.body += body
            event.set()
        exchange.carried_by(cast(Receive, cycle.receive), cast(Send, cycle.send), self._calls.is_leaving)

        async def app(*_: object) -> None:
            # As whoever reads a body does: else nobody would see that the client leaves.
            self.flow.resume_reading()
            await self._house.serve(exchange, work)

        self.cycle = cycle
        self._start_asgi_task(cycle, app)
        if self._held:
            self.loop.call_soon(self._read_on)

    def on_response_complete(self) -> None:
        self._answered_at = self.loop.time()
        super().on_response_complete()

    def _unset_keepalive_if_required(self) -> None:
        # Not at every request: the timer looks whether anything has happened meanwhile.
        if not self._is_reading:
            super()._unset_keepalive_if_required()

    def timeout_keep_alive_handler(self) -> None:
        quiet = self.loop.time() - self._answered_at
        left = self.timeout_keep_alive - quiet
        if not self._is_idle or self._header_bytes:
            left = self.timeout_keep_alive
        if left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    @property
    def _is_idle(self) -> bool:
        return self._reply is None and self._part is None and super()._is_idle

    def has_news(self) -> bool:
        return bool(self._held) or super().has_news()

    def shutdown(self) -> None:
        if self._reply is None and self._part is None:
            super().shutdown()
        else:
            self._ends = True

    def eof_received(self) -> bool:  # type: ignore[override]
        if self._reply is not None and not self._reply.resumable:
            return False
        if self._held:
            # More requests have come: the connection ends with the answer to the last of them.
            if self._reply is not None:
                self._reply.become_stream()
            self._read_on()
        if self._reply is None:
            return self._part is None and super().eof_received()
        self._ends = self._gathering.can_write_eof()
        return self._ends

    def connection_lost(self, exc: Exception | None) -> None:
        if (reply := self._reply) is not None:
            self._reply = None
            reply.left()
        if self._sent is not None:
            seat, id, line = self._sent
            self._sent = None
            seat.lost(id, line)
        if self._part is not None:
            # It is told of as any other request whose client left before its body was whole.
            self._go_the_long_way(self._part)
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
