"""The `/mcp` endpoint: Streamable HTTP (MCP 2025-11-25, basic/transports).

Called by `callmux.transport.http.app`. A request is answered as JSON where its answer is all there is and
comes soon; where something comes before it, or it takes longer, as an event stream that can be resumed. A
client that loses its connection loses nothing: the request goes on, and what it brings is kept for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial

from callmux.protocol import jsonrpc, versions
from callmux.protocol.jsonrpc import Batch, Malformed, Message, Request
from callmux.protocol.routing import VERSION
from callmux.protocol.sse import event
from callmux.session.facts import Said
from callmux.tasks import at_once
from callmux.transport.http.exchange import EVENT_STREAM, JSON, Exchange, Refusal
from callmux.transport.http.listener import Listener
from callmux.transport.http.repeats import attempt_at, moved, unanswered
from callmux.transport.http.stateless import STREAM_HEAD, is_stateless, serve_stateless
from callmux.transport.http.streams import Stream
from callmux.transport.http.web_session import WebSession

SESSION = "mcp-session-id"

KEEPALIVE_SECONDS = 5.0
"""After how long something is sent on the stream of an answer that brings nothing."""
OWN_KEEPALIVE_SECONDS = 15.0
"""The same for what a session says by itself."""
RETRY_MS = 100
"""How long a client is asked to wait before it resumes a stream that broke."""
_PRIMING = b"id: %b\nretry: %d\ndata: \n\n"
PRIMED_SINCE = "2025-11-25"
"""Older clients may fail on an event without data."""

_NOT_FOUND = "Unknown session: it has ended. Re-initialize to begin a new one"


async def serve_mcp(exchange: Exchange, listener: Listener) -> None:
    """Answers one request.

    Raises:
        Refusal: It is refused.
    """
    if exchange.method == "POST":
        await _post(exchange, listener)
    elif exchange.method == "GET":
        await _get(exchange, listener)
    elif exchange.method == "DELETE":
        await _delete(exchange, listener)
    else:
        await _seat(exchange, listener, None)
        raise Refusal(405, "Method not allowed", -32000, headers={"Allow": "GET, POST, DELETE"})


async def _post(exchange: Exchange, listener: Listener) -> None:
    body = exchange.body = await listener.limits.read(exchange)
    if exchange.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise Refusal(415, "Content-Type must be application/json", -32000)
    if not (exchange.accepts(JSON) or exchange.accepts(EVENT_STREAM)):
        raise Refusal(406, "Accept must include application/json or text/event-stream", -32000)
    # Its parts go onto the lines of servers: a line end in between would be read as the end of a message.
    message = jsonrpc.parse(jsonrpc.on_one_line(body))
    if isinstance(message, Malformed) and not _is_answer(message):
        raise _refused(message)
    id = message.id if isinstance(message, Request) else None
    if requests_in(message):
        listener.check_open(-32000, id)
    # A revision without sessions says so whatever else stands there (MCP 2026-07-28,
    # basic/transports/streamable-http, "Earlier Streamable HTTP Revisions").
    headers = exchange.headers
    in_session = SESSION in headers and headers.get(VERSION) not in versions.MODERN
    if not in_session and is_stateless(exchange, message):
        await serve_stateless(exchange, listener, message)
        return
    if isinstance(message, Request) and message.method == "initialize" and SESSION not in exchange.headers:
        seat = await listener.admit(exchange, message.params)
    else:
        seat = await _seat(exchange, listener, id)
        if isinstance(message, Request) and message.method == "initialize":
            raise Refusal(400, "Invalid request: the session is initialized already", -32600, id)
    said = listener.note(seat, exchange)
    # A head that names no session is known by nobody's: the next request with it may be of another client.
    if in_session and exchange.learn and exchange.accepts(JSON) and exchange.accepts(EVENT_STREAM):
        exchange.learn(exchange, seat, said)
    seat.active += 1
    try:
        if listener.elsewhere is not None and not seat.session.knows(message):
            listener.elsewhere(seat.id, body)
        await _answer(exchange, listener, seat, message, said)
    finally:
        seat.active -= 1
        seat.seen_at = listener.now()


async def _answer(
    exchange: Exchange, listener: Listener, seat: WebSession, message: Message, said: Said
) -> None:
    if isinstance(message, Batch):
        if not seat.session.takes_batches:
            code, reason = seat.session.no_batches()
            raise Refusal(400, reason, code)
        broken = [part for part in message.messages if isinstance(part, Malformed) and not _is_answer(part)]
        if broken:
            # What is right in it is done all the same; only what asks for an answer has a stream for it.
            message = Batch([part for part in message.messages if part not in broken])
    else:
        broken = []
    requests = requests_in(message)
    if not requests:
        seat.session.receive(message, said)
        if broken or isinstance(message, Malformed):
            raise _refused(broken[0] if broken else message)
        await exchange.answer(202)
        return
    attempt = attempt_at(exchange, listener, seat)
    try:
        begun = None if attempt is None else await attempt.stream(seat, requests)
        if begun is None:
            if attempt is not None and seat.closed:
                # Another node may have taken it over while this one asked whether the requests may begin.
                raise moved(requests[0].id)
            stream = _begun(seat, requests)
            for part in broken:
                stream.push(jsonrpc.failure(part.id, part.code, part.message), is_answer=True)
            seat.session.receive(message, said)
            await _answer_from(exchange, listener, seat, stream, message)
        else:
            # Whoever was to carry the answer so far is lost.
            await _answer_from(exchange, listener, seat, begun, message, begun.take_over())
    finally:
        if attempt is not None:
            attempt.over()


def _begun(seat: WebSession, requests: list[Request]) -> Stream:
    """The stream for the answers to requests that begin.

    Raises:
        Refusal: One of them has the id of another one that is in flight.
    """
    if (taken := seat.taken([request.id for request in requests])) is not None:
        # The one in flight keeps its stream and its answer.
        raise Refusal(400, "Invalid request: a request of this id is still in flight", -32600, taken)
    stream = seat.open_stream(requests[0].id)
    for other in requests[1:]:
        seat.share_stream(other.id, stream)
    return stream


async def _answer_from(
    exchange: Exchange,
    listener: Listener,
    seat: WebSession,
    stream: Stream,
    message: Message,
    reader: int = 0,
) -> None:
    """Answers a request by what comes on its stream.

    Args:
        reader: Who reads the stream until then; 0 for nobody.
    """
    if not exchange.accepts(EVENT_STREAM):
        # It takes nothing but answers: what belongs to the requests besides has no way to it.
        answer = await stream.answer()
        if isinstance(message, Batch) and answer is not None:
            answer = b"[%b]" % b",".join(stream.answers())
        if answer is None and seat.closed:
            raise unanswered(requests_in(message)[0].id)
        await exchange.answer(202 if answer is None else 200, answer or b"", headers={SESSION: seat.id})
        exchange.when_received(partial(seat.received, stream))
        return
    if not isinstance(message, Batch) and exchange.accepts(JSON):
        await stream.wait(listener.patience)
        if await _answered_at_once(exchange, seat, stream):
            return
    await _answer_by_stream(exchange, listener, seat, stream, reader)


async def go_on(exchange: Exchange, listener: Listener, seat: WebSession, stream: Stream) -> None:
    """Answers by a stream what began as a plain request (`callmux.transport.http.plain`)."""
    seat.active += 1
    try:
        left = exchange.began + listener.patience - listener.now()
        if left > 0 and not stream.is_taken:
            await stream.wait(left)
        if not await _answered_at_once(exchange, seat, stream):
            await _answer_by_stream(exchange, listener, seat, stream)
    finally:
        seat.active -= 1
        seat.seen_at = listener.now()


async def _answered_at_once(exchange: Exchange, seat: WebSession, stream: Stream) -> bool:
    """Answers as JSON where the answer is all there is; whether it is."""
    if (only := stream.only()) is None:
        return False
    await exchange.answer(200, only, headers={SESSION: seat.id})
    exchange.when_received(partial(seat.received, stream))
    return True


async def _answer_by_stream(
    exchange: Exchange, listener: Listener, seat: WebSession, stream: Stream, reader: int = 0
) -> None:
    if listener.nodes is not None and exchange.body is not None and stream.is_read_by(reader):
        # Before the client can know a place at which to go on.
        await listener.nodes.streaming(seat.id, stream.key, exchange.body)
    if not stream.is_read_by(reader):
        # The client has lost this connection already, and reads the answer on another.
        await exchange.answer(200, b": read elsewhere\n\n", EVENT_STREAM, {SESSION: seat.id})
        return
    primed = (seat.session.version or "") >= PRIMED_SINCE
    await _stream(exchange, listener, seat, stream, 0, primed=primed, stays=_always)


def _always() -> bool:
    """Whether the client may stay: what was asked for with a good credential is answered, however long that
    takes."""
    return True


def _is_answer(message: Malformed) -> bool:
    """Whether it says which question of ours it is about: whoever waits for the answer hears of it."""
    return message.is_response and message.id is not None


def _refused(message: Message) -> Refusal:
    assert isinstance(message, Malformed)
    words = "Parse error: " if message.code == jsonrpc.PARSE_ERROR else "Invalid request: "
    return Refusal(400, words + message.message, message.code, message.id)


def requests_in(message: Message) -> list[Request]:
    """The requests among the messages of a body."""
    parts = message.messages if isinstance(message, Batch) else [message]
    return [part for part in parts if isinstance(part, Request)]


async def _get(exchange: Exchange, listener: Listener) -> None:
    _check_method(exchange)
    seat = await _seat(exchange, listener, None)
    if not exchange.accepts(EVENT_STREAM):
        raise Refusal(406, "Accept must include text/event-stream", -32000)
    listener.note(seat, exchange)
    stream, number = seat.own, seat.own_read
    if (last := exchange.headers.get("last-event-id")) is not None:
        found = seat.find(last)
        if found is not None and not isinstance(found, tuple):
            found = await found
        if found is None:
            found = await _taken_up(exchange, listener, seat, last)
        if found is None:
            # Another stream in its place would answer a question that nobody asked.
            message = "Unknown Last-Event-ID: that stream is not kept (any more). Listen without the header"
            raise Refusal(400, message, -32000)
        stream, number = found
    seat.active += 1
    try:
        stays = partial(listener.is_let_in, exchange)
        await _stream(exchange, listener, seat, stream, number, primed=False, stays=stays)
    finally:
        seat.active -= 1
        seat.seen_at = listener.now()


async def _taken_up(
    exchange: Exchange, listener: Listener, seat: WebSession, last_event_id: str
) -> tuple[Stream, int] | None:
    """A stream that broke with the node that served it; None where nothing is known of it."""
    key, _, digits = last_event_id.rpartition("_")
    if listener.nodes is None or not digits.isdecimal():
        return None
    kept = await listener.nodes.resumed(seat.id, key)
    if kept is None or kept[0].id in seat.answering or len(digits) > 15:
        return None
    request, told = kept
    stream = seat.open_stream(request.id)
    stream.begin_at(int(digits))
    if told is None:
        seat.session.receive(request, listener.note(seat, exchange))
    else:
        seat.keep_answer(request.id, told)
    return stream, int(digits)


def _check_method(exchange: Exchange) -> None:
    """Refuses what a revision without sessions does not have.

    Raises:
        Refusal: It is of such a revision.
    """
    if exchange.headers.get(VERSION) in versions.MODERN:
        only = "Method not allowed: this revision has POST alone"
        raise Refusal(405, only, -32000, headers={"Allow": "POST"})


async def _delete(exchange: Exchange, listener: Listener) -> None:
    _check_method(exchange)
    seat = await _seat(exchange, listener, None)
    await listener.leave(seat)
    await exchange.answer(200)


async def _seat(exchange: Exchange, listener: Listener, id: int | str | None) -> WebSession:
    """The session that the request names.

    Raises:
        Refusal: It names none, or one that is over, or there is no room to take it up again.
    """
    given = exchange.headers.get(SESSION)
    if given is None:
        raise Refusal(400, "No valid session: initialize first, then send its Mcp-Session-Id", -32000, id)
    seat = listener.find(given, exchange) or await listener.recall(given, exchange)
    if seat is None:
        raise Refusal(404, _NOT_FOUND, -32001, id)
    if seat.kind != "streamable-http":
        raise Refusal(400, "Session uses different transport", -32000, id)
    version = exchange.headers.get(VERSION)
    if version is not None and not versions.is_supported(version):
        supported = ", ".join(versions.LEGACY)
        raise Refusal(400, f"Unsupported protocol version {version}: use one of {supported}", -32000, id)
    return seat


async def _stream(
    exchange: Exchange,
    listener: Listener,
    seat: WebSession,
    stream: Stream,
    number: int,
    *,
    primed: bool,
    stays: Callable[[], bool],
) -> None:
    """Sends the events of `stream` after `number` until it ends, the client leaves, or another takes over; or
    until the client may not stay any more, which whatever it is sent must not outlast."""
    reader = stream.take_over()
    await exchange.start(200, {**STREAM_HEAD, SESSION: seat.id})
    # Headers go out with the first part of the body: an empty comment opens the stream at once.
    opening = _PRIMING % (stream.event_id(0).encode(), RETRY_MS) if primed else b": open\n\n"
    await exchange.write(opening, more=True)
    gone, news = at_once(exchange.departure()), None
    pause = OWN_KEEPALIVE_SECONDS if stream is seat.own else KEEPALIVE_SECONDS
    try:
        while not gone.done():
            news = at_once(stream.after(number, reader, pause))
            await asyncio.wait({gone, news}, return_when=asyncio.FIRST_COMPLETED)
            if not news.done():
                return
            events = news.result()
            if not stays():
                break
            if events is None:
                if stream.is_read_by(reader):
                    if listener.nodes is not None:
                        listener.nodes.streamed(seat.id, stream.key)
                    exchange.when_received(partial(seat.received, stream))
                break
            if not events:
                await exchange.write(b": alive\n\n", more=True)
                continue
            parts = [event(data, id=stream.event_id(n)) for n, data in events]
            number = events[-1][0]
            await exchange.write(b"".join(parts), more=True)
            if stream is seat.own:
                seat.own_read = number
        await exchange.write(b"", more=False)
    finally:
        gone.cancel()
        if news is not None:
            news.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await gone
