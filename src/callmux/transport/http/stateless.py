"""POSTs of the revisions without a handshake at `/mcp` (MCP 2026-07-28, basic/transports/streamable-http).

Called by `callmux.transport.http.mcp`. A request is answered as JSON where its answer is all there is and
comes soon, else as an event stream that cannot be resumed; whoever leaves has cancelled it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from callmux.protocol import jsonrpc, modern, routing, versions
from callmux.protocol.jsonrpc import Malformed, Message, Notification, Request, RpcError
from callmux.protocol.modern import Asked
from callmux.protocol.params import DISCOVER, members, names_revision
from callmux.protocol.routing import VERSION
from callmux.protocol.sse import event
from callmux.session.facts import Said
from callmux.transport.http.exchange import EVENT_STREAM, JSON, Exchange, Refusal
from callmux.transport.http.listener import Listener
from callmux.transport.http.repeats import REFUSED, attempt_at, unanswered
from callmux.transport.http.streams import PATIENCE_SECONDS, Stream
from callmux.transport.http.web_session import WebSession

KEEPALIVE_SECONDS = 5.0
"""After how long something is sent on a stream that brings nothing."""
RESULT = b'{"jsonrpc":"2.0","id":%d,"result":'
"""How the answer begins of a request whose id is a number, and that did not fail."""
STREAM_HEAD = {
    "content-type": EVENT_STREAM,
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
}


def is_stateless(exchange: Exchange, message: Message) -> bool:
    """Whether a POST that names no session of ours is of a revision without a handshake."""
    version = exchange.headers.get(VERSION)
    if version is not None and versions.era_of(version) is not versions.Era.LEGACY:
        return True
    if not isinstance(message, Request):
        return False
    return message.method == DISCOVER or names_revision(members(message.params).get("_meta"))


async def serve_stateless(exchange: Exchange, listener: Listener, message: Message) -> None:
    """Answers one POST.

    Raises:
        Refusal: It is refused.
    """
    if isinstance(message, Notification):
        # None of the specification's is for this transport, and none of others' has anybody to go to.
        await exchange.answer(202)
        return
    if not isinstance(message, Request):
        id = message.id if isinstance(message, Malformed) else None
        raise Refusal(400, "Invalid request: send one request or notification", jsonrpc.INVALID_REQUEST, id)
    try:
        asked = read(exchange.headers, listener, message)
    except RpcError as error:
        await _refuse(exchange, message, error)
        return
    attempt = attempt_at(exchange, listener, None)
    if attempt is not None and not await attempt.may_begin([message]):
        await exchange.answer(200, attempt.unknown(message).rstrip(b"\n"))
        return
    try:
        seat = await listener.seats.take(exchange, asked)
        try:
            await _serve(exchange, listener, seat, message, asked)
        finally:
            listener.seats.release(seat)
    finally:
        if attempt is not None:
            attempt.over()


def read(headers: Mapping[str, str], listener: Listener, message: Request) -> Asked:
    """What a request says of itself.

    Raises:
        RpcError: That is not enough, or its headers say something else than its body.
    """
    routing.check(headers, message.method, message.params)
    asked = modern.read(message.method, message.params)
    if message.method == "tools/call" and (tool := routing.target(message.params)) is not None:
        definition = listener.definition(tool)
        if definition is not None:
            routing.check_arguments(headers, definition, message.params)
    return asked


def note(seat: WebSession, exchange: Exchange, listener: Listener) -> Said:
    """What the headers of a request say, for a session that is lent to it: nothing is inferred from earlier
    requests (basic, "Statelessness")."""
    facts = seat.session.facts
    facts.client_kind = facts.cwd = facts.cwd_source = None
    return listener.note(seat, exchange)


async def _refuse(exchange: Exchange, message: Request, error: RpcError) -> None:
    code, body = modern.error(error.encoded())
    await exchange.answer(modern.status_of(code), jsonrpc.failure_raw(message.id, body).rstrip(b"\n"))


async def _serve(
    exchange: Exchange, listener: Listener, seat: WebSession, message: Request, asked: Asked
) -> None:
    said = note(seat, exchange, listener)
    if exchange.learn and exchange.accepts(JSON) and exchange.accepts(EVENT_STREAM):
        exchange.learn(exchange, None, said)
    stream = seat.open_stream(message.id)
    stays = exchange.when_left(partial(has_left, seat, message.id))
    try:
        seat.hold()
        seat.session.receive_stateless(message, said, asked)
        if not exchange.accepts(EVENT_STREAM):
            await stream.answer()
            if (line := stream.last_answer()) is not None:
                await exchange.answer(modern.status_of(code_of(line, message.id)), line)
            elif seat.closed:
                raise unanswered(message.id)
            return
        if exchange.accepts(JSON):
            await stream.wait(PATIENCE_SECONDS)
            if (only := stream.only()) is not None:
                await exchange.answer(modern.status_of(code_of(only, message.id)), only)
                return
        await _stream(exchange, listener, seat, stream, message.id)
    finally:
        stays()
        if not stream.finished:
            has_left(seat, message.id)


async def go_on(
    exchange: Exchange,
    listener: Listener,
    seat: WebSession,
    stream: Stream,
    id: int | str,
    stays: Callable[[], None],
) -> None:
    """Answers by a stream what began as a plain request (`callmux.transport.http.stateless_calls`).

    Args:
        stays: Takes back that leaving cancels it.
    """
    try:
        left = exchange.began + PATIENCE_SECONDS - listener.now()
        if left > 0:
            await stream.wait(left)
        if (only := stream.only()) is not None:
            await exchange.answer(modern.status_of(code_of(only, id)), only)
        else:
            await _stream(exchange, listener, seat, stream, id)
    finally:
        stays()
        if not stream.finished:
            has_left(seat, id)
        listener.seats.release(seat)


def has_left(seat: WebSession, id: int | str) -> None:
    """The client has closed the connection, which is its way to cancel; or the connection has broken."""
    request = next((one for one in seat.session.requests if one.id == id), None)
    if request is None or not request.lose():
        _cancel(seat, id)


def _cancel(seat: WebSession, id: int | str) -> None:
    told = msgspec.json.encode({"requestId": id, "reason": "the client has left"})
    seat.session.receive(Notification("notifications/cancelled", msgspec.Raw(told)))


class _Failed(msgspec.Struct):
    code: int = 0


class _Line(msgspec.Struct):
    error: _Failed | None = None


_LINE = msgspec.json.Decoder(_Line)


def code_of(line: bytes, id: int | str) -> int | None:
    """The code of the error in an answer; None for a result."""
    if type(id) is int and line.startswith(RESULT % id):
        return None
    if not line.startswith(jsonrpc.failure_raw(id, b"")[:-2]):
        return None
    failed = _LINE.decode(line).error
    return None if failed is None else failed.code


async def _stream(
    exchange: Exchange, listener: Listener, seat: WebSession, stream: Stream, id: int | str
) -> None:
    """Sends events until there are no more: the request is answered, or its client has left; or the listener
    ends, which the client is told, because nothing of this can be asked for again.

    Raises:
        Refusal: The listener has ended before there was anything to send.
    """
    if seat.closed and stream.is_empty:
        raise unanswered(id)
    reader, number = stream.take_over(), 0
    await exchange.start(200, STREAM_HEAD)
    # Headers go out with the first part of the body: an empty comment opens the stream at once.
    await exchange.write(b": open\n\n", more=True)
    while (events := await stream.after(number, reader, KEEPALIVE_SECONDS)) is not None:
        if not listener.is_let_in(exchange) and not stream.finished:
            # What a credential lets hear of must not outlast it.
            _cancel(seat, id)
            break
        if events:
            await exchange.write(b"".join(event(data) for _, data in events), more=True)
            number = events[-1][0]
        else:
            await exchange.write(b": alive\n\n", more=True)
    last = b""
    if seat.closed and not stream.answers():
        lost = unanswered(id)
        last = event(jsonrpc.failure(id, REFUSED, lost.message).rstrip(b"\n"))
    await exchange.write(last, more=False)
