"""Plain requests over HTTP: the answer goes out in the callback that brings it, without a task, a stream or a
timer of its own.

A request is plain where its connection has sent the same head before, so that all that a head says is known
(`PlainHead`), and where its answer is all that comes and comes soon. Until then a `PlainReply` stands in the
session's table in place of a stream. The reply becomes a stream, and the rest is as for any other request,
when something comes before the answer, the answer takes long, or the client leaves.

Heads are learned by `callmux.transport.http.mcp`; `callmux.transport.http.direct` compares and answers.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Protocol, TypeAlias

import msgspec

from callmux.guard.gate import GONE, Gate
from callmux.protocol.calling import Calling, of_caller
from callmux.protocol.jsonrpc import Id, Request
from callmux.protocol.sse import request_stream
from callmux.session.facts import Said
from callmux.transport.http.exchange import Exchange
from callmux.transport.http.intake import BodyLimits, request_id
from callmux.transport.http.streams import PATIENCE_SECONDS, Stream

if TYPE_CHECKING:
    from callmux.transport.http.listener import Listener
    from callmux.transport.http.web_session import WebSession

Fields: TypeAlias = list[tuple[bytes, bytes]]
Work: TypeAlias = Callable[[Exchange], Awaitable[None]]

LENGTH = b"content-length"
LARGEST = 64 * 1024
"""Bytes of the largest body that is taken this way."""
LF, CR = 10, 13
"""As numbers: `in` tries bytes as a number first, and drops an exception."""
MOST_DIGITS = 6
"""Of the length of a body: longer ones are too large for this way."""
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: ?([0-9]{1,6})(?=\r\n)")
_END = b"\r\n\r\n"
_VARYING = frozenset(
    {
        b"connection",
        b"content-encoding",
        b"expect",
        b"origin",
        b"transfer-encoding",
        b"upgrade",
        b"x-callmux-max-body-bytes",
        b"x-request-id",
    }
)
"""Headers of which each has consequences of its own: a request with one goes the long way."""


class PlainHead:
    """What the head of a request says, beside the length of its body, and what was decided of it once.

    Args:
        url: The target, as it came.
        fields: The headers in order, names in lower case.
        exchange: The request that it was learned from.
        seat: The session it names.
        said: What it says beside the message.
        limits: The body limits in force: others mean another configuration.
        gate: What such requests pass.
        kind: Which client of ours it says it comes from.

    Attributes:
        most: Bytes that a body may have without a look at where it goes.
        route: What its path means, from a fixed list; empty where that was not asked yet.
        session: The session's id as bytes.
    """

    __slots__ = (
        "_after",
        "_before",
        "_place",
        "exchange",
        "gate",
        "kind",
        "limits",
        "most",
        "route",
        "said",
        "seat",
        "session",
        "url",
    )

    def __init__(
        self,
        url: bytes,
        fields: Fields,
        exchange: Exchange,
        seat: WebSession,
        said: Said,
        limits: BodyLimits,
        gate: Gate | None,
        kind: str | None,
    ) -> None:
        place = _place_of_length(fields)
        self.url = url
        self._place, self._before, self._after = place, fields[:place], fields[place + 1 :]
        self.exchange = exchange
        self.seat = seat
        self.said = said
        self.limits = limits
        self.gate = gate
        self.most = min(LARGEST, limits.least or LARGEST)
        self.session = seat.id.encode("latin-1")
        self.kind = kind
        self.route = ""

    def said_again(self, request_id: str, now: float) -> Said:
        """What one more request with this head says beside its message, and of its session: requests with
        other heads may have said something else meanwhile."""
        seat, known = self.seat, self.said
        facts = seat.session.facts
        seat.seen_at = now
        if known.cwd is not None:
            facts.cwd, facts.cwd_source = known.cwd, "header"
        if self.kind is not None:
            facts.client_kind = self.kind
        return Said(
            cwd=known.cwd,
            headers=known.headers,
            elsewhere=known.elsewhere,
            session_id=known.session_id,
            request_id=request_id,
        )

    def fits(self, url: bytes, fields: Fields) -> bool:
        """Whether another head is the same, but for the length of the body."""
        place = self._place
        return (
            url == self.url
            and len(fields) > place
            and fields[place][0] == LENGTH
            and fields[:place] == self._before
            and fields[place + 1 :] == self._after
        )


class KnownHead:
    """The bytes of a head, so that the same ones need not be parsed again: with them, only the digits of its
    content length may be others.

    Args:
        before, after: What stands before the digits, and behind them to the end of the head.
    """

    __slots__ = ("_after", "_before", "_digits")

    def __init__(self, before: bytes, after: bytes) -> None:
        self._before, self._after = before, after
        self._digits = len(before)

    def body(self, data: bytes) -> bytes | None:
        """The body of a request that is all of `data` and has this head; None where it is not so."""
        if not data.startswith(self._before):
            return None
        end = data.find(b"\r", self._digits, self._digits + MOST_DIGITS + 1)
        if end < 0 or not data.startswith(self._after, end):
            return None
        digits, begin = data[self._digits : end], end + len(self._after)
        if not digits.isdigit() or int(digits) != len(data) - begin:
            return None
        return data[begin:]


def known_head(read: bytes, fields: Fields) -> KnownHead | None:
    """What is known again of a head that was read in one piece; None where its bytes say anything else than
    what was parsed from them, or its length in another form.

    Args:
        read: The bytes, to the empty line at the end.
        fields: The headers as they were parsed.
    """
    if not read.endswith(_END):
        return None
    lines = read[: -len(_END)].split(b"\r\n")[1:]
    spelled = [
        (name.lower(), value.strip(b" \t")) for name, _, value in (line.partition(b":") for line in lines)
    ]
    found = list(_LENGTH.finditer(read))
    if len(found) != 1 or spelled != fields:
        return None
    return KnownHead(read[: found[0].start(1)], read[found[0].end(1) :])


def _place_of_length(fields: Fields) -> int:
    return next((n for n, (name, _) in enumerate(fields) if name == LENGTH), -1)


def can_be_learned(fields: Fields) -> bool:
    """Whether a head may be known again: it has a length, and nothing that makes each request its own."""
    return _place_of_length(fields) >= 0 and not any(name in _VARYING for name, _ in fields)


class PlainCarrier(Protocol):
    """The connection that a reply goes out on."""

    def owe(self, reply: PlainReply) -> None:
        """The answer that goes out next is that of `reply`."""

    def answer(self, reply: PlainReply, line: bytes, ends: bool) -> None:
        """Sends the answer, which may end with a line feed; `ends`: the connection ends with it."""

    def go_on(self, exchange: Exchange, work: Work, body: bytes | None) -> None:
        """Answers the request as any other, by `work`, which may read `body`."""


class PlainReply(msgspec.Struct, eq=False):
    """The answer to one plain request, to come on one connection.

    Attributes:
        calls: What it belongs to.
        carrier: The connection.
        head: What its head says.
        id: The JSON-RPC id.
        request_id: Goes out as `x-request-id`.
        exchange: What passed the gate; None where there is none.
        body: What it brought, where that is to be shown.
        began: When it came, by the monotonic clock.
    """

    calls: PlainCalls
    carrier: PlainCarrier
    head: PlainHead
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
        exchange = self.exchange or self.head.exchange.again(self.request_id, self.began)
        exchange.body = self.body
        self.carrier.go_on(exchange, partial(self.calls.resume, seat=self.head.seat, stream=stream), None)
        return stream

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
        self._route = route
        self.resume = resume
        self.over = over
        self._waiting: dict[PlainReply, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def in_flight(self) -> int:
        """How many are not over."""
        return len(self._waiting)

    @property
    def is_leaving(self) -> bool:
        """Whether connections end with the answer they carry."""
        return self._listener.leaving

    def learned(
        self, url: bytes, fields: Fields, exchange: Exchange, seat: WebSession, said: Said
    ) -> PlainHead | None:
        """What is known from now on of a head; None where it may not be known again."""
        if not can_be_learned(fields) or exchange.origin is not None or said.trace:
            return None
        listener = self._listener
        kind = listener.kind_of(exchange)
        # A copy: the body of this one is not to stay for as long as its connection.
        kept = exchange.again("", 0.0)
        return PlainHead(url, fields, kept, seat, said, listener.limits, listener.gate, kind)

    def begin(self, carrier: PlainCarrier, head: PlainHead, body: bytes) -> bool:
        """Takes a request. Whether it can: else nothing has happened, and it must go the long way."""
        listener, seat = self._listener, head.seat
        if (
            listener.refusing
            or listener.leaving
            or listener.elsewhere is not None
            or head.limits is not listener.limits
            or head.gate is not listener.gate
            or listener.table.get(seat.id) is not seat
            or LF in body
            or CR in body
        ):
            return False
        message = of_caller(body)
        if type(message) is not Calling and (type(message) is not Request or message.method == "initialize"):
            return False
        if message.id in seat.answering:
            return False
        exchange: Exchange | None = None
        id, now = request_id(None), self._now()
        if head.gate is None:
            said = head.said_again(id, now)
        else:
            exchange = head.exchange.again(id, now)
            try:
                waiting = head.gate.enter(exchange)
            except Exception as broken:  # noqa: BLE001 - answered as by any other request's way
                carrier.go_on(exchange, partial(_broken, broken), body)
                return True
            if waiting is not None:
                carrier.go_on(exchange, partial(self._let_in, head.gate, waiting), body)
                return True
            exchange.inside = head.gate
            if listener.find(seat.id, exchange) is not seat:
                carrier.go_on(exchange, self._route, body)
                return True
            said = listener.note(seat, exchange)
        shown = body if listener.shows_bodies else None
        reply = PlainReply(self, carrier, head, message.id, id, exchange, shown, now)
        seat.answering[message.id] = reply
        seat.active += 1
        carrier.owe(reply)
        self._waiting[reply] = now + PATIENCE_SECONDS
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._look)
        seat.session.receive(message, said)
        return True

    async def _let_in(self, gate: Gate, waiting: Awaitable[None], exchange: Exchange) -> None:
        await waiting
        exchange.inside = gate
        await self._route(exchange)

    def _look(self) -> None:
        """Some answers may have taken too long by now: they go on as streams."""
        self._timer = None
        now = self._now()
        late = [reply for reply, due in takewhile(lambda one: one[1] <= now + 0.001, self._waiting.items())]
        for reply in late:
            reply.become_stream()
        if (due := next(iter(self._waiting.values()), None)) is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.001, due - now), self._look)

    def answered(self, reply: PlainReply, line: bytes) -> None:
        """An answer goes out."""
        del self._waiting[reply]
        seat = reply.head.seat
        seat.active -= 1
        seat.seen_at = self._now()
        reply.carrier.answer(reply, line, self._listener.leaving)
        self.over(reply, 200)

    def let_go(self, reply: PlainReply) -> Stream:
        """A reply is none any more: the stream that takes its place."""
        del self._waiting[reply]
        seat = reply.head.seat
        seat.active -= 1
        seat.seen_at = self._now()
        return seat.open_stream(reply.id)


async def _broken(broken: Exception, exchange: Exchange) -> None:
    raise broken
