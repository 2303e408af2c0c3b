"""The older transport, HTTP+SSE (MCP 2024-11-05): a stream at `/sse`, POSTs to `/messages`.

Called by `callmux.transport.http.app`. The session lives as long as its stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid

from callmux.protocol import jsonrpc
from callmux.protocol.jsonrpc import Batch, Malformed, Request
from callmux.protocol.sse import event
from callmux.tasks import at_once
from callmux.transport.http.exchange import EVENT_STREAM, Exchange, Refusal
from callmux.transport.http.listener import Listener
from callmux.transport.http.web_session import WebSession

KEEPALIVE_SECONDS = 15.0
MOST_OWED = 1000
"""Answers that are on their way to a client: those it has not read, and those of requests in flight. A client
that sends more than it reads is held back."""
MOST_UNREAD_BYTES = 16 * 1024 * 1024
HELD_BACK_SECONDS = 20.0
"""How long a client is held back before its message is refused."""


async def serve_stream(exchange: Exchange, listener: Listener) -> None:
    """Answers `GET /sse`.

    Raises:
        Refusal: There is no room.
    """
    seat = await listener.begin(str(uuid.uuid4()), "sse", exchange)
    listener.note(seat, exchange)
    seat.active += 1
    gone, news = at_once(exchange.departure()), None
    try:
        head = {"content-type": EVENT_STREAM, "cache-control": "no-cache, no-transform"}
        await exchange.start(200, head)
        address = f"/messages?sessionId={seat.id}"
        await exchange.write(event(address.encode(), name="endpoint"), more=True)
        reader, number = seat.own.take_over(), 0
        while not gone.done():
            news = at_once(seat.own.after(number, reader, KEEPALIVE_SECONDS))
            await asyncio.wait({gone, news}, return_when=asyncio.FIRST_COMPLETED)
            if not news.done():
                break
            events = news.result()
            if events is None or not listener.is_let_in(exchange):
                break
            number = events[-1][0] if events else number
            part = b"".join(event(data) for _, data in events) if events else b": alive\n\n"
            await exchange.write(part, more=True)
        await exchange.write(b"", more=False)
    finally:
        gone.cancel()
        if news is not None:
            news.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await gone
        await listener.table.remove(seat.id)


async def serve_message(exchange: Exchange, listener: Listener) -> None:
    """Answers `POST /messages`.

    Raises:
        Refusal: It names no session, or is no message.
    """
    body = exchange.body = await listener.limits.read(exchange)
    id = exchange.query("sessionId")
    if id is None:
        raise Refusal(400, "Missing sessionId")
    seat = listener.find(id, exchange)
    if seat is None or seat.kind != "sse":
        raise Refusal(400, "Invalid session")
    # Its parts go onto the lines of servers: a line end in between would be read as the end of a message.
    message = jsonrpc.parse(jsonrpc.on_one_line(body))
    if isinstance(message, Malformed):
        raise Refusal(400, f"Invalid JSON body: {message.message}")
    if isinstance(message, Request | Batch):
        listener.check_open(None, None)
        await _room(seat)
    said = listener.note(seat, exchange)
    await exchange.answer(202, b"Accepted", kind="text/plain")
    seat.session.receive(message, said)


async def _room(seat: WebSession) -> None:
    """Waits until a client reads what it has asked for: no answer is ever dropped.

    Raises:
        Refusal: It does not.
    """
    try:
        async with asyncio.timeout(HELD_BACK_SECONDS):
            while not seat.closed:
                count, size = seat.own.unread()
                if size <= MOST_UNREAD_BYTES and count + len(seat.session.requests) < MOST_OWED:
                    return
                await seat.own.read_on()
    except TimeoutError:
        reason = "too many answers wait to be read: read the stream of GET /sse, then ask again"
        raise Refusal(503, reason, headers={"Retry-After": "1"}) from None
    raise Refusal(400, "Invalid session")
