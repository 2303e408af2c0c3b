"""One connection of a client: HTTP/1.1 with bounds on what stands before a body, and on a body's time.

Built on uvicorn's protocol, which is narrowed here so that a client can neither send endless headers nor take
forever to send them. Extended by `callmux.transport.http.direct`.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from functools import cache
from typing import NoReturn, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from callmux.transport.http.exchange import LEAVING, LOST, PREVIOUS
from callmux.transport.http.gathering import GatheringTransport

MAX_HEADER_BYTES = 64 * 1024
MAX_HEADERS = 256
MAX_URL_BYTES = 16 * 1024
HEADER_SECONDS = 20.0
BODY_SECONDS = 20.0
"""In each such time of a body's way, so much of it must come:"""
BODY_BYTES = 16 * 1024
SURPLUS_BYTES = 4 * 1024 * 1024
"""How much of a body may come after its answer, such as a refusal, until the connection is ended."""
LINGER_SECONDS = 1.0
"""How long a client that was refused may go on sending what nobody reads."""
MOST_CONNECTIONS = 20_000


@cache
def most_connections() -> int:
    """Connections at a time: servers and files need descriptors, too."""
    if sys.platform == "win32":
        return MOST_CONNECTIONS
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else min(soft * 3 // 4, MOST_CONNECTIONS)


class _Rejected(Exception):
    """Ends the parsing of a request; its caller sends a refusal for whatever ended it."""


class NarrowProtocol(HttpToolsProtocol):
    """HTTP/1.1 with bounds on what stands before a body, and on the time that a body takes."""

    _header_bytes = 0
    _parsed_bytes = 0
    _header_count = 0
    _refusal: bytes | None = None
    _is_refused = False
    _linger: asyncio.TimerHandle | None = None
    _header_timer: asyncio.TimerHandle | None = None
    _body_timer: asyncio.TimerHandle | None = None
    _body_bytes = 0
    _surplus = 0
    _is_in_head = False
    _is_in_body = False
    _has_asked = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._gathering = GatheringTransport(transport)
        self._previous: list[Callable[[], None]] = []
        self._lost: list[bool] = []
        self._leaving: list[Callable[[], None]] = []
        super().connection_made(cast(asyncio.Transport, self._gathering))
        # Whoever connects and says nothing is not waited for any longer than whoever begins and does not end.
        self._header_timer = self.loop.call_later(HEADER_SECONDS, self._too_slow)
        if len(self.connections) > most_connections():
            self._make_room()

    def on_response_complete(self) -> None:
        self._gathering.flush()
        super().on_response_complete()

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        self._header_bytes += len(data)
        super().data_received(data)
        if self._is_in_body:
            if self._body_timer is None:
                self._watch_body()
        elif self._header_timer is None and (self._header_bytes or self._is_in_head):
            # Counted from the first byte of a request (of the first one: from the start of the connection) to
            # the end of its headers. Most heads come whole, and need no timer.
            self._header_timer = self.loop.call_later(HEADER_SECONDS, self._too_slow)
        if self._header_bytes > MAX_HEADER_BYTES and self._header_timer is not None:
            self._refuse(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        self._parsed_bytes = self._header_count = 0
        self._is_in_head = True
        self.url, self.headers = b"", []

    def _begin_exchange(self) -> None:
        """Hands a request whose head is whole to the application."""
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url, self.headers = url, headers
        self.expect_100_continue = (b"expect", b"100-continue") in (
            (name, value.lower()) for name, value in headers if name == b"expect"
        )
        self.scope["headers"] = headers
        self.scope.update(self._carrier())  # type: ignore[typeddict-item]
        super().on_headers_complete()

    def _carrier(self) -> dict[str, object]:
        """What an exchange learns of the connection that carries it."""
        return {PREVIOUS: self._previous, LOST: self._lost, LEAVING: self._leaving}

    def on_url(self, url: bytes) -> None:
        self._parsed_bytes += len(url)
        if self._parsed_bytes > MAX_URL_BYTES:
            self._reject(b"414 URI Too Long")
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        # Headers that come complete with one read never show as unfinished.
        self._parsed_bytes += len(name) + len(value) + len(b": \r\n")
        self._header_count += 1
        if self._parsed_bytes > MAX_HEADER_BYTES or self._header_count > MAX_HEADERS:
            self._reject(b"431 Request Header Fields Too Large")
        # What comes after a body is no header: whoever stands before us has not looked at it as one.
        if not self._is_in_body:
            self.headers.append((name.lower(), value))

    def _reject(self, status: bytes) -> NoReturn:
        """Ends the parsing of a request that is answered so."""
        self._refusal = status
        raise _Rejected

    def send_400_response(self, msg: str) -> None:
        if self._refusal is not None:
            self._refuse(self._refusal)
        else:
            super().send_400_response(msg)

    def _check_head(self) -> None:
        """Refuses a head that another program may read differently than we do: where its body ends, or whom
        it asks."""
        coding = next((value for name, value in self.headers if name == b"transfer-encoding"), None)
        if coding is not None:
            if coding.strip().lower() != b"chunked":
                self._reject(b"501 Not Implemented")
            if self.parser.get_http_version() != "1.1":
                self._reject(b"400 Bad Request")
        if not self.url.startswith(b"/") and self.url != b"*":
            asked = self.url.partition(b"://")[2].partition(b"/")[0].partition(b"?")[0]
            named = next((value for name, value in self.headers if name == b"host"), b"")
            if asked.lower() != named.strip().lower():
                self._reject(b"400 Bad Request")

    def on_headers_complete(self) -> None:
        if not self._is_known():
            self._check_head()
        if self._header_timer is not None:
            self._settle()
        self._is_in_head, self._is_in_body = False, True
        self._body_bytes = self._surplus = 0
        self._begin()

    def _is_known(self) -> bool:
        """Whether the head of a request is one that was looked at before."""
        return False

    def _begin(self) -> None:
        """The head of a request is whole and well formed."""
        self._begin_exchange()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self.cycle.response_complete:
            self._surplus += len(body)
            if self._surplus > SURPLUS_BYTES:
                self._is_refused = True
                self.transport.close()
                return
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_whole()
        super().on_message_complete()

    def _is_whole(self) -> None:
        """A request has come whole."""
        self._has_asked = True
        self._header_bytes = 0
        self._is_in_body = False
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None

    def _look_at_body(self) -> None:
        """A body has been on its way for a while."""
        self._body_timer = None
        if not self._is_in_body or self.transport is None or self.transport.is_closing():
            return
        if self._body_bytes < BODY_BYTES and not self.flow.read_paused:
            if self._is_answered():
                # It was answered before it was whole.
                self.transport.close()
            else:
                self._refuse(b"408 Request Timeout")
            return
        self._body_bytes = 0
        self._watch_body()

    def _is_answered(self) -> bool:
        """Whether an answer has begun to a request whose body is on its way."""
        return self.cycle.response_started

    def _watch_body(self) -> None:
        self._body_timer = self.loop.call_later(BODY_SECONDS, self._look_at_body)

    def eof_received(self) -> bool:  # type: ignore[override]
        """The client sends nothing more; gives whether the connection stays open. It may still read: where
        its request has come whole and nothing of the answer has gone out yet, it gets that answer, and the
        connection ends with it. Where it has left, which looks the same, the first write shows it. A request
        that is cancelled by leaving does not wait for that write: its connection ends at once."""
        cycle = self.cycle
        if not self._gathering.can_write_eof() or self._leaving:
            # TLS ends in both directions at once.
            return False
        if cycle is None or cycle.more_body or cycle.response_started or cycle.scope["method"] != "POST":
            return False
        cycle.keep_alive = False
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._settle()
        self._lost.append(True)
        for tell in tuple(self._leaving):
            tell()
        if self._linger is not None:
            self._linger.cancel()
        super().connection_lost(exc)

    def has_news(self) -> bool:
        """Whether a request has come on an idle connection and nobody has read it yet."""
        if self._header_bytes:
            return True
        carrier = self.transport.get_extra_info("socket") if self.transport is not None else None
        if carrier is None or carrier.fileno() < 0:
            return False
        with socket.socket(fileno=os.dup(carrier.fileno())) as same:
            try:
                return bool(same.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
            except OSError:
                return False

    def _settle(self) -> None:
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _too_slow(self) -> None:
        if self._header_bytes or self.transport is None:
            self._refuse(b"408 Request Timeout")
        else:
            self.transport.close()

    @property
    def _is_idle(self) -> bool:
        """Whether it carries no request whose head is whole."""
        return self.cycle is None or self.cycle.response_complete

    def _make_room(self) -> None:
        """Ends a connection that carries nothing: at best one that never has; this one, if all are in use."""
        narrow = (c for c in self.connections if isinstance(c, NarrowProtocol) and c is not self)
        others = [c for c in narrow if c._is_idle]
        chosen = next((c for c in others if not c._has_asked), others[0] if others else self)
        if chosen.transport is not None:
            chosen.transport.close()

    def _refuse(self, status: bytes) -> None:
        self._settle()
        if self.transport is not None and not self.transport.is_closing():
            self._is_refused = True
            self.transport.write(b"HTTP/1.1 %b\r\nconnection: close\r\ncontent-length: 0\r\n\r\n" % status)
            # Closed with bytes unread, it would be reset, and the client might never see why.
            if self.transport.can_write_eof():
                self.transport.write_eof()
            else:
                self._gathering.flush()
            self._linger = self.loop.call_later(LINGER_SECONDS, self.transport.close)
