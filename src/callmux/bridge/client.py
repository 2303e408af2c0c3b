"""A small HTTP/1.1 client: connections that are kept, one write a request, answers handed over as they come.

Called by `callmux.bridge.link` and `.autostart`. It does what a bridge needs and no more: no
proxies, no compression. Importing a full client alone would cost more than the bridge's whole budget.

What it is careful about is the difference between "not sent" and "sent, outcome unknown": a kept connection
is asked whether its other end has closed right before it is used.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import select
import socket
from typing import TYPE_CHECKING, Protocol, cast

import httptools

from callmux.bridge.endpoint import Endpoint
from callmux.bridge.failures import LinkFailure, Reason
from callmux.protocol.http_client import tls_problem

if TYPE_CHECKING:
    import ssl

CONNECT_SECONDS = 10.0
IDLE_SECONDS = 4.0
"""How long a connection is kept for the next request; common servers close theirs after five."""
MAX_IDLE = 32

# A peer that vanished without a word: unanswered data, or 30 s of silence.
_OPTIONS = [
    (socket.IPPROTO_TCP, "TCP_NODELAY", 1),
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 15),
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 5),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
    (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", 20_000),
]


class Reply(Protocol):
    """Takes one answer."""

    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """It has begun; names of headers are in lower case."""

    def body(self, data: bytes) -> None:
        """A piece of it."""

    def done(self) -> None:
        """It is whole."""

    def broke(self, message: str) -> None:
        """The connection ended before it was whole."""

    def takes_whole(self, body: bytes) -> bool:
        """Takes an answer that came in one piece, as JSON with the status 200. Whether it can: else nothing
        has happened."""


_OTHERS = rb"(?:(?:date|server|mcp-session-id|x-request-id): [^\r\n]*\r\n)*"
_PLAIN = re.compile(
    rb"HTTP/1\.1 200 OK\r\n%b(?:content-length: (?P<a>[0-9]{1,7})\r\n%bcontent-type: application/json"
    rb"|content-type: application/json\r\n%bcontent-length: (?P<b>[0-9]{1,7}))\r\n%b\r\n"
    % (_OTHERS, _OTHERS, _OTHERS, _OTHERS)
)
"""The head of nearly every answer of a callmux: with any other header, it is parsed as any head."""
_MORE = (
    rb"(?:(?!(?i:connection|content-|keep-alive|proxy-|trailer|transfer-|upgrade))[\w-]+:[^\r\n]*\r\n"
    rb"|(?i:connection: keep-alive)\r\n)*"
)
_PROXIED = re.compile(
    rb"HTTP/1\.1 200 OK\r\n%b"
    rb"(?:(?i:content-length): (?P<a>[0-9]{1,7})\r\n%b(?i:content-type): application/json"
    rb"|(?i:content-type): application/json\r\n%b(?i:content-length): (?P<b>[0-9]{1,7}))\r\n%b\r\n"
    % (_MORE, _MORE, _MORE, _MORE)
)
"""The same as a proxy hands it on: names in any case, and more headers, but none that says where an answer
ends, how it is coded or what becomes of its connection. Nobody asks for the others where a request has
succeeded."""


class Connection(asyncio.Protocol):
    """One connection: one request at a time.

    Args:
        client: Whose connection it is.

    Attributes:
        elsewhere: The origin it goes to, where that is not the listener's own.
        idle_since: When its last answer was whole, by the loop's clock.
        keep_seconds: How long it may then be kept.
    """

    def __init__(self, client: HttpClient, elsewhere: str = "") -> None:
        self._client = client
        self.elsewhere = elsewhere
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._poll: select.poll | None = None
        self._reply: Reply | None = None
        self._headers: dict[bytes, bytes] = {}
        self._until_end = False
        self._is_within = False
        self.idle_since = 0.0
        self.keep_seconds = IDLE_SECONDS

    def __repr__(self) -> str:
        return f"Connection({'busy' if self._reply is not None else 'idle'})"

    @property
    def is_open(self) -> bool:
        """Whether nothing has come from the other end that should not: above all, not its end."""
        if self._transport is None or self._transport.is_closing():
            return False
        return self._poll is None or not self._poll.poll(0)

    def start(self, request: bytes, reply: Reply) -> None:
        """Sends a request; `reply` takes the answer."""
        assert self._transport is not None
        self._reply = reply
        self._headers = {}
        self._until_end = False
        self._transport.write(request)

    def hand_over(self, reply: Reply) -> None:
        """Has `reply` take what comes from now on, where something is still to come."""
        if self._reply is not None:
            self._reply = reply

    def close(self) -> None:
        """Gives it up, whatever is still to come."""
        self._reply = None
        if self._transport is not None:
            self._transport.abort()

    def flow(self, reading: bool) -> None:
        """Stops and begins to read."""
        if self._transport is not None and not self._transport.is_closing():
            if reading:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        for level, name, value in _OPTIONS:
            if hasattr(socket, name):
                with contextlib.suppress(OSError):
                    sock.setsockopt(level, getattr(socket, name), value)
        if hasattr(select, "poll"):
            self._poll = select.poll()
            self._poll.register(sock.fileno(), select.POLLIN | getattr(select, "POLLRDHUP", 0))

    def data_received(self, data: bytes) -> None:
        if self._reply is None:
            # Nothing was asked: the other end says good-bye, or is confused.
            self.close()
            return
        if not self._is_within and self._took_whole(data, self._reply):
            return
        self._is_within = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._break(f"the answer cannot be read: {error.__context__ or error}")
            self.close()

    def _took_whole(self, data: bytes, reply: Reply) -> bool:
        """Takes an answer that is all of `data`, and is like nearly every one. Whether it is."""
        head = _PLAIN.match(data) or _PROXIED.match(data)
        if head is None:
            return False
        begin, size = head.end(), head["a"] or head["b"]
        if begin + int(size) != len(data) or not reply.takes_whole(data[begin:]):
            return False
        self._reply = None
        self._client.keep(self, b"")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._client.forget(self)
        self._transport = None
        if self._until_end and exc is None and self._reply is not None:
            reply, self._reply = self._reply, None
            reply.done()
        else:
            self._break(f"the connection to the listener broke{f' ({exc})' if exc else ''}")

    def _break(self, message: str) -> None:
        reply, self._reply = self._reply, None
        if reply is not None:
            reply.broke(message)

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self._reply is None:
            # A second answer to one request: kept, it would be taken for the answer to the next one.
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200 and self._reply is not None:
            has_length = b"content-length" in self._headers or b"transfer-encoding" in self._headers
            self._until_end = not has_length and status not in (204, 304)
            self._reply.head(status, self._headers)

    def on_body(self, data: bytes) -> None:
        if self._reply is not None:
            self._reply.body(data)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() < 200:
            self._headers = {}
            return
        self._is_within = False
        reply, self._reply = self._reply, None
        if reply is None:
            # It was given up.
            return
        if self._parser.should_keep_alive():
            self._client.keep(self, self._headers.get(b"keep-alive", b""))
        elif self._transport is not None:
            self._transport.close()
        reply.done()


class HttpClient:
    """The connections to one listener.

    Attributes:
        reading: What comes is read; see `flow`.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._idle: list[Connection] = []
        self._idle_elsewhere: dict[str, list[Connection]] = {}
        self._all: set[Connection] = set()
        self.reading = True
        self._loop = asyncio.get_running_loop()
        self._tls: ssl.SSLContext | None = None

    def __repr__(self) -> str:
        return f"HttpClient({len(self._all)} connections, {len(self._idle)} idle)"

    def take(self, to: Endpoint | None = None) -> Connection | None:
        """A kept connection that can be used now.

        Args:
            to: Where it must go, if a request was sent on.
        """
        now = self._loop.time()
        idle = self._idle if to is None else self._kept_for(self._origin(to))
        while idle:
            connection = idle.pop()
            if now - connection.idle_since < connection.keep_seconds and connection.is_open:
                return connection
            connection.close()
        return None

    def _origin(self, to: Endpoint) -> str:
        return "" if to.origin == self._endpoint.origin else to.origin

    def _kept_for(self, elsewhere: str) -> list[Connection]:
        return self._idle if not elsewhere else self._idle_elsewhere.setdefault(elsewhere, [])

    async def connect(self, to: Endpoint | None = None) -> Connection:
        """A new connection.

        Args:
            to: Where it must go, if a request was sent on.

        Raises:
            LinkFailure: There is none; nothing was sent.
        """
        elsewhere = "" if to is None else self._origin(to)
        to = to or self._endpoint
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self, elsewhere), to.host, to.port, ssl=self._context(to)
                )
        except TimeoutError:
            message = f"the listener did not accept a connection in {CONNECT_SECONDS:.0f} s"
            raise LinkFailure(Reason.UNREACHABLE, message) from None
        except (OSError, UnicodeError) as error:
            message = f"the listener cannot be reached: {tls_problem(error) or error}"
            raise LinkFailure(Reason.UNREACHABLE, message) from None
        self._all.add(connection)
        if not self.reading:
            connection.flow(False)
        return connection

    def _context(self, to: Endpoint) -> ssl.SSLContext | None:
        if not to.tls:
            return None
        if self._tls is None:
            import ssl

            self._tls = ssl.create_default_context()
        return self._tls

    def keep(self, connection: Connection, hint: bytes) -> None:
        """A connection whose answer is whole may be used again.

        Args:
            hint: Its `Keep-Alive` header.
        """
        idle = self._kept_for(connection.elsewhere)
        if len(idle) >= MAX_IDLE:
            connection.close()
            return
        if hint:
            connection.keep_seconds = _kept(hint)
        connection.idle_since = self._loop.time()
        idle.append(connection)

    def forget(self, connection: Connection) -> None:
        """A connection has ended."""
        self._all.discard(connection)
        idle = self._kept_for(connection.elsewhere)
        if connection in idle:
            idle.remove(connection)

    def flow(self, reading: bool) -> None:
        """Stops and begins to read from the listener."""
        self.reading = reading
        for connection in self._all:
            connection.flow(reading)

    def close(self) -> None:
        for connection in list(self._all):
            connection.close()


def _kept(hint: bytes) -> float:
    """The time in `timeout=5, max=100`, less a second for the way."""
    for part in hint.split(b","):
        name, _, value = part.strip().partition(b"=")
        if name.lower() == b"timeout" and value.isdigit():
            return max(0.0, float(value[:6]) - 1.0)
    return IDLE_SECONDS
